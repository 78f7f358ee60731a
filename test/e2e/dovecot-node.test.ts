import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ScramKeyring, scramClient } from '../../auth/mechanisms/scram.ts';
import { Secret } from '../../auth/secret.ts';
import { cluster, exec, loggedLine, lookupsOf } from '../support/cluster.ts';
import {
  type Announcement,
  firstSubject,
  imapLogin,
  pop3Login,
  type TriedLogin,
} from '../support/node-login.ts';
import { Wire } from '../support/wire.ts';

const CLIENT = '203.0.113.7';
const FORWARDED = { home: '/srv/mail/alice', uid: '5000', gid: '5000', quota: '10485760B' };
const LOGIN = { imap: imapLogin, pop3: pop3Login };
const OK = { imap: /^OK /, pop3: /^\+OK / };
const WRONG = { imap: /^NO \[AUTHENTICATIONFAILED\]/, pop3: /^-ERR \[AUTH\]/ };
// Dovecot knows the proxy's name by then, and says so of whoever can't prove it.
const WRONG_KEY = { imap: /^NO \[AUTHORIZATIONFAILED\]/, pop3: /^-ERR \[AUTH\]/ };
// Sometimes it closes the connection before the answer is out.
const FAILED = { imap: /^NO \[UNAVAILABLE\]|^closed/, pop3: /^-ERR \[SYS\/TEMP\]|^closed/ };

type Protocol = 'imap' | 'pop3';
type DovecotNode = 'node-a' | 'node-b';

describe.each(['node-a', 'node-b'] as const)('the Dovecot recipe on %s', (node) => {
  describe.each(['imap', 'pop3'] as const)('%s', (protocol) => {
    it.each(['proxy1', 'proxy2'] as const)('lets %s in for the user whom it names', async (proxy) => {
      await using login = await tryLogin({
        node,
        protocol,
        authcid: proxy,
        key: cluster().proxies[proxy].key,
      });

      expect(login.answer).toMatch(OK[protocol]);
      expect(await firstSubject(login, protocol)).toBe(`Subject: on ${node}`);
    });

    it('lets a proxy in over TLS, and proves itself by the certificate', async () => {
      await using login = await tryLogin({ node, protocol, tls: true });

      expect(login.answer).toMatch(OK[protocol]);
    });

    it('logs the address of the client, our session id and the proxy, and looks nothing up', async () => {
      const announced = announcement();

      await using login = await tryLogin({ node, protocol, announced });

      expect(login.answer).toMatch(OK[protocol]);
      const line = await loggedLine(node, new RegExp(`-login: Info: .*session=<${announced.session}>`));
      expect(line).toMatch(new RegExp(`user=<alice>.* rip=${CLIENT},.* proxy=<proxy1>, real_rip=127.0.0.1`));
      const proxies = node === 'node-a' ? 'passwd-file' : 'homing-proxies';
      expect(await lookupsOf(node, announced.session)).toEqual([`${proxies} passdb`, 'prefetch userdb']);
    });

    it('refuses a proxy with a wrong key', async () => {
      await using login = await tryLogin({ node, protocol, key: 'wrong' });

      expect(login.answer).toMatch(WRONG_KEY[protocol]);
    });

    it('refuses a proxy with the key of another', async () => {
      await using login = await tryLogin({ node, protocol, key: cluster().proxies.proxy2.key });

      expect(login.answer).toMatch(WRONG_KEY[protocol]);
    });

    it("refuses whoever logs in as the user, with a proxy's key", async () => {
      await using login = await tryLogin({ node, protocol, authcid: 'alice' });

      expect(login.answer).toMatch(WRONG[protocol]);
    });

    it('refuses a proxy that comes from elsewhere', async () => {
      await using login = await tryLogin({ node, protocol, from: cluster().strangerAddress });

      expect(login.answer).toMatch(WRONG[protocol]);
    });

    it.each([
      { wrong: 'no uid', forward: { home: '/srv/mail/alice', gid: '5000', quota: '0' } },
      { wrong: 'no gid', forward: { home: '/srv/mail/alice', uid: '5000', quota: '0' } },
      { wrong: 'nothing', forward: {} },
    ])('fails when the proxy forwards $wrong', async ({ forward }) => {
      await using login = await tryLogin({ node, protocol, announced: announcement(forward) });

      expect(login.answer).toMatch(FAILED[protocol]);
    });

    it.each([
      { wrong: 'the uid of a system account', forward: { ...FORWARDED, uid: '8' } },
      { wrong: 'the gid of a system group', forward: { ...FORWARDED, gid: '8' } },
    ])('opens no mailbox with $wrong', async ({ forward }) => {
      await using login = await tryLogin({ node, protocol, announced: announcement(forward) });

      // IMAP says "OK Logged in, but initialization failed." and closes.
      expect(login.answer).toMatch(/initialization failed|^-ERR \[SYS\/TEMP\]|^closed/);
      expect(await login.wire.closed()).not.toMatch(/EXISTS|\+OK/);
    });

    it('offers no mechanism in which a password would come to the node', async () => {
      await using wire = await Wire.open({ port: cluster().nodes[node][protocol] });
      await wire.line();

      wire.send(protocol === 'imap' ? 'c CAPABILITY' : 'CAPA');

      const lines = await wire.linesUntil(protocol === 'imap' ? /^c OK/ : /^\.$/);
      const mechanisms = lines.join(' ').match(/AUTH=\S+|SASL [^\r]*?(?= \.)/g);
      expect(mechanisms).toEqual([protocol === 'imap' ? 'AUTH=SCRAM-SHA-256' : 'SASL SCRAM-SHA-256']);
    });
  });

  it.each([
    { quota: '10485760B', shown: '* QUOTA "User quota" (STORAGE 1 10240)' },
    { quota: '0', shown: undefined },
    { quota: '0B', shown: undefined },
  ])('has the quota $quota as it was forwarded', async ({ quota, shown }) => {
    await using login = await tryLogin({ node, announced: announcement({ ...FORWARDED, quota }) });

    login.wire.send('q GETQUOTAROOT INBOX');

    const lines = await login.wire.linesUntil(/^q OK /);
    expect(lines.find((line) => line.startsWith('* QUOTA '))).toBe(shown);
  });

  it('accepts the configuration without a warning about the settings', async () => {
    const { output, exitCode } = await exec(node, ['doveconf', '-n']);

    expect(exitCode).toBe(0);
    expect(output).not.toMatch(/obsolete|deprecated/i);
  });
});

function announcement(forward: Readonly<Record<string, string>> = FORWARDED): Announcement {
  return { address: CLIENT, session: randomBytes(16).toString('base64url'), forward };
}

interface LoginTerms {
  readonly node: DovecotNode;
  readonly protocol?: Protocol;
  readonly authcid?: string;
  readonly key?: string;
  readonly announced?: Announcement;
  readonly tls?: boolean;
  readonly from?: string;
}

/** Tries to log in for alice, by default as proxy1 with all that a node needs. */
async function tryLogin(terms: LoginTerms): Promise<TriedLogin> {
  const { node, protocol = 'imap', authcid = 'proxy1', tls = false, from } = terms;
  const { key = cluster().proxies.proxy1.key, announced = announcement() } = terms;
  const ports = cluster().nodes[node];
  const target = tls
    ? { port: protocol === 'imap' ? ports.imaps : ports.pop3s, ca: cluster().ca }
    : { port: ports[protocol], ...(from === undefined ? {} : { from }) };
  const sasl = scramClient('alice', authcid, new ScramKeyring(new Secret(Buffer.from(key))));
  return await LOGIN[protocol](target, sasl, announced);
}
