import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type CramHash, cramClient } from '../../auth/mechanisms/cram.ts';
import type { SaslClient } from '../../auth/sasl.ts';
import { Secret } from '../../auth/secret.ts';
import { cluster, loggedLine } from '../support/cluster.ts';
import { firstSubject, imapLogin, pop3Login, type TriedLogin } from '../support/node-login.ts';
import { Wire } from '../support/wire.ts';

const LOGIN = { imap: imapLogin, pop3: pop3Login };
const OK = { imap: /^OK /, pop3: /^\+OK / };
const REFUSED = { imap: 'NO Login failed.', pop3: '-ERR Authentication failed.' };
const FACTS = {
  addr: '203.0.113.7',
  home: '/srv/mail/carol',
  uid: '5000',
  gid: '5000',
  quota: '10485760S',
};

type Protocol = 'imap' | 'pop3';

// Courier answers a refused login after five seconds, so they wait beside each other.
describe.concurrent.each(['imap', 'pop3'] as const)('the Courier recipe, %s', (protocol) => {
  it.for(['md5', 'sha1', 'sha256'] as const)('lets a proxy in by CRAM with %s', async (hash) => {
    await using login = await tryLogin({ protocol, hash });

    expect(login.answer).toMatch(OK[protocol]);
    expect(await firstSubject(login, protocol)).toBe('Subject: on node-c');
  });

  it('lets a second proxy in, over TLS', async () => {
    await using login = await tryLogin({ protocol, proxy: 'proxy2', tls: true });

    expect(login.answer).toMatch(OK[protocol]);
  });

  it('opens the home of a user whose name and home have unusual characters', async () => {
    const facts = { ...FACTS, home: '/srv/mail/carol', sid: randomBytes(16).toString('base64url') };

    await using login = await tryLogin({ protocol, user: "o'hara; x=1,y%41@example.org", facts });

    expect(login.answer).toMatch(OK[protocol]);
    const line = await loggedLine('node-c', new RegExp(`homing: login: .*session=${facts.sid}`));
    expect(line).toContain("user=<o'hara; x=1,y%41@example.org>");
  });

  it('logs the proxy, the address of the client and our session id', async () => {
    const sid = randomBytes(16).toString('base64url');

    await using login = await tryLogin({ protocol, facts: { ...FACTS, sid } });

    expect(login.answer).toMatch(OK[protocol]);
    const line = await loggedLine('node-c', new RegExp(`session=${sid}`));
    expect(line).toContain(
      `homing: login: user=<carol> proxy=<proxy1> client=203.0.113.7 session=${sid} service=${protocol}`,
    );
  });

  it.for([
    { wrong: 'no uid', facts: { ...FACTS, uid: '' }, logged: 'no uid' },
    { wrong: 'a uid below the floor', facts: { ...FACTS, uid: '4999' }, logged: 'uid below the floor' },
    { wrong: 'the uid of root', facts: { ...FACTS, uid: '0' }, logged: 'uid is no id' },
    { wrong: 'a uid that overflows to 0', facts: { ...FACTS, uid: '4294967296' }, logged: 'uid is no id' },
    { wrong: 'a gid below the floor', facts: { ...FACTS, gid: '8' }, logged: 'gid below the floor' },
    { wrong: 'a home elsewhere', facts: { ...FACTS, home: '/etc' }, logged: 'home outside the prefix' },
    {
      wrong: 'a home with ..',
      facts: { ...FACTS, home: '/srv/mail/../../etc' },
      logged: 'home is no plain path below the prefix',
    },
    {
      wrong: 'the prefix itself',
      facts: { ...FACTS, home: '/srv/mail/' },
      logged: 'home is no plain path below the prefix',
    },
    {
      wrong: 'the prefix in disguise',
      facts: { ...FACTS, home: '/srv/mail//./' },
      logged: 'home is no plain path below the prefix',
    },
    { wrong: 'a quota without unit', facts: { ...FACTS, quota: '10485760' }, logged: 'quota is no size' },
  ])('refuses a proxy that asks for $wrong', async ({ facts, logged }) => {
    const sid = randomBytes(16).toString('base64url');

    await using login = await tryLogin({ protocol, facts: { ...facts, sid } });

    expect(login.answer).toBe(REFUSED[protocol]);
    expect(await loggedLine('node-c', new RegExp(`session=${sid}`))).toContain(
      `homing: refused: ${logged}: user=<carol>`,
    );
  });

  it.for([
    { wrong: 'a wrong key', terms: { key: 'wrong' } },
    { wrong: 'a name that the node does not know', terms: { name: 'proxy9' } },
    { wrong: 'the secret of the other service', terms: { service: protocol === 'imap' ? 'pop3' : 'imap' } },
  ])('refuses a proxy with $wrong', async ({ terms }) => {
    await using login = await tryLogin({ protocol, ...terms });

    expect(login.answer).toBe(REFUSED[protocol]);
  });

  it('refuses a uid that was altered on the way', async () => {
    const sasl = altered(courierSasl({ protocol }), (response) => response.replace('uid=5000', 'uid=5001'));

    await using login = await LOGIN[protocol]({ port: cluster().nodes['node-c'][protocol] }, sasl);

    expect(login.answer).toBe(REFUSED[protocol]);
  });

  it('A32 refuses the response to another challenge', async () => {
    const recorded = (await courierSasl({ protocol }).respond(Buffer.from('<other@node-c>'))).toString();
    const sasl = altered(courierSasl({ protocol }), () => recorded);

    await using login = await LOGIN[protocol]({ port: cluster().nodes['node-c'][protocol] }, sasl);

    expect(login.answer).toBe(REFUSED[protocol]);
  });

  it('refuses a user name without the data of a proxy', async () => {
    const sasl = altered(courierSasl({ protocol }), (response) => `carol ${response.split(' ').at(-1)}`);

    await using login = await LOGIN[protocol]({ port: cluster().nodes['node-c'][protocol] }, sasl);

    expect(login.answer).toBe(REFUSED[protocol]);
  });

  it('refuses a password', async () => {
    await using wire = await Wire.open({ port: cluster().nodes['node-c'][protocol] });
    await wire.line();

    for (const line of protocol === 'imap'
      ? ['a LOGIN carol carol-secret']
      : ['USER carol', 'PASS carol-secret']) {
      wire.send(line);
    }

    const lines = await wire.linesUntil(protocol === 'imap' ? /^a / : /^-ERR/);
    expect(lines.at(-1)).toMatch(protocol === 'imap' ? 'a NO Login failed.' : /^-ERR /);
  });

  it('closes on a stranger before the greeting', async () => {
    await using wire = await Wire.open({
      port: cluster().nodes['node-c'][protocol],
      from: cluster().strangerAddress,
    });

    expect(await wire.closed()).toBe('');
  });
});

describe('the Courier recipe', () => {
  it.each([
    { user: 'alice', quota: '10485760S', told: 'quota=10485760S' },
    { user: 'bob', quota: '0', told: 'quota=<null>' },
  ])('tells Courier of the quota $quota', async ({ user, quota, told }) => {
    const facts = { ...FACTS, home: `/srv/mail/${user}`, quota };

    await using login = await tryLogin({ protocol: 'imap', user, facts });

    expect(login.answer).toMatch(/^OK /);
    expect(await loggedLine('node-c', new RegExp(`Authenticated: .*address=${user},`))).toContain(told);
  });
});

interface LoginTerms {
  readonly protocol: Protocol;
  readonly hash?: CramHash;
  readonly proxy?: 'proxy1' | 'proxy2';
  readonly name?: string;
  readonly key?: string;
  readonly service?: string;
  readonly user?: string;
  readonly facts?: Readonly<Record<string, string>>;
  readonly tls?: boolean;
}

/** Tries to log in, by default for carol as proxy1 with all that a node needs. */
async function tryLogin(terms: LoginTerms): Promise<TriedLogin> {
  const { protocol, tls = false } = terms;
  const ports = cluster().nodes['node-c'];
  const target = tls
    ? { port: protocol === 'imap' ? ports.imaps : ports.pop3s, ca: cluster().ca }
    : { port: ports[protocol] };
  return await LOGIN[protocol](target, courierSasl(terms));
}

function courierSasl(terms: LoginTerms): SaslClient {
  const { protocol, hash = 'sha256', proxy = 'proxy1', user = 'carol', facts = FACTS } = terms;
  const { name = proxy, key = cluster().proxies[proxy].key, service = protocol } = terms;
  return cramClient(hash, {
    proxy: name,
    key: new Secret(Buffer.from(key)),
    service,
    user,
    facts: new Map(Object.entries(facts)),
  });
}

function altered(sasl: SaslClient, change: (response: string) => string): SaslClient {
  return {
    mechanism: sasl.mechanism,
    verified: true,
    initialResponse: () => undefined,
    respond: async (challenge) => Buffer.from(change((await sasl.respond(challenge)).toString())),
  };
}
