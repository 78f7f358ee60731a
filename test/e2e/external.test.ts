import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster, exec } from '../support/cluster.ts';
import { clusterConfig, RunningProxy } from '../support/running-proxy.ts';
import { type KeyPair, TestCa } from '../support/test-ca.ts';

const HOMES = [
  [accounts.alice, 'node-a'],
  [accounts.bob, 'node-b'],
  [accounts.carol, 'node-c'],
] as const;

const folder = mkdtempSync(join(tmpdir(), 'homing-external-'));
const clientsCa = new TestCa('Clients CA');
const caFile = join(folder, 'clients-ca.pem');
writeFileSync(caFile, clientsCa.certificate);

let proxy: RunningProxy;
beforeAll(async () => {
  const { tls: own, ...config } = clusterConfig(cluster());
  proxy = await RunningProxy.start({
    ...config,
    listeners: config.listeners.map((listener) => {
      const { tls } = Object(listener);
      // The listeners with STARTTLS ask for certificates, but do not offer the mechanism.
      const mechanisms = tls === 'implicit' ? ['EXTERNAL', 'PLAIN'] : ['PLAIN'];
      return { ...Object(listener), mechanisms };
    }),
    tls: { ...Object(own), clientCertificates: { caFile } },
    external: { user: 'email', map: [{ commonName: 'scanner', account: 'ivan' }] },
  });
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** What a client with this certificate reads when it types these lines, each a moment after the other. */
async function talk(
  identity: KeyPair | undefined,
  connection: string,
  lines: readonly string[],
): Promise<string> {
  const name = `/tmp/external-${Math.random().toString(36).slice(2)}.pem`;
  const pem = identity === undefined ? '' : `${identity.certificate}\n${identity.key}`;
  const shown = identity === undefined ? '' : `-cert ${name} -key ${name}`;
  const typing = lines.map((line) => `printf '%s\\r\\n' '${line}'; sleep 0.3`).join('; ');
  const client = `openssl s_client -quiet -verify_return_error -CAfile /homing/ca.pem ${shown} ${connection} 2>&1`;
  const script = `cat > ${name} <<'E'\n${pem}\nE\n(${typing}) | timeout 20 ${client}; rm ${name}`;
  return (await exec('clients', ['sh', '-c', script])).output.replaceAll('\r', '');
}

const imaps = (): string => `-connect localhost:${proxy.port('imap', 'implicit')}`;
const pop3s = (): string => `-connect localhost:${proxy.port('pop3', 'implicit')}`;

function certificate(commonName: string, ...emails: readonly string[]): KeyPair {
  return clientsCa.issue({ commonName, emails });
}

const b64 = (text: string): string => Buffer.from(text).toString('base64');

describe.each(HOMES)('the home of $name', ({ mail, name }, home) => {
  const identity = certificate(name, mail);
  const subject = `Subject: on ${home}`;

  it('is read in IMAP by the certificate alone', async () => {
    const dialogue = await talk(identity, imaps(), [
      'a AUTHENTICATE EXTERNAL =',
      'b EXAMINE INBOX',
      'c FETCH 1 BODY.PEEK[HEADER]',
      'd LOGOUT',
    ]);

    expect(dialogue).toContain('AUTH=EXTERNAL');
    expect(dialogue).toMatch(/^a OK /m);
    expect(dialogue).toContain(subject);
  });

  it('is read in POP3 by the certificate, with the name that Thunderbird says behind the challenge', async () => {
    const dialogue = await talk(identity, pop3s(), ['AUTH EXTERNAL', b64(mail), 'TOP 1 0', 'QUIT']);

    expect(dialogue).toMatch(/^\+ \n\+OK /m);
    expect(dialogue).toContain(subject);
  });
});

describe('a certificate', () => {
  it('is its account by the map before its address', async () => {
    const scanner = certificate('scanner', accounts.alice.mail);

    await talk(scanner, imaps(), ['a AUTHENTICATE EXTERNAL =', 'b LOGOUT']);

    expect(await proxy.event('login', { user: 'ivan' })).toMatchObject({
      result: 'ok',
      mechanism: 'EXTERNAL',
    });
  });

  it('lets nobody act for another user', async () => {
    const line = `a AUTHENTICATE EXTERNAL ${b64(accounts.bob.mail)}`;
    const dialogue = await talk(certificate('alice', accounts.alice.mail), imaps(), [line, 'b LOGOUT']);

    expect(dialogue).toMatch(/^a NO \[AUTHORIZATIONFAILED\] /m);
  });

  it('without an address lets nobody in, whatever name the client says (CVE-2019-3814)', async () => {
    const line = `AUTH EXTERNAL ${b64(accounts.alice.mail)}`;
    const dialogue = await talk(certificate('alice'), pop3s(), [line, 'QUIT']);

    expect(dialogue).toMatch(/^-ERR \[AUTH\] Authentication failed\.$/m);
    expect(await proxy.event('login', { result: 'badCertificate' })).toMatchObject({
      detail: 'the certificate of CN=alice has no email',
      mechanism: 'EXTERNAL',
    });
  });

  it.each([
    ['no certificate', () => undefined],
    [
      'one of another authority',
      () => new TestCa('Clients CA').issue({ commonName: 'alice', emails: [accounts.alice.mail] }),
    ],
    [
      'one that has ended',
      () => clientsCa.issue({ commonName: 'alice', emails: [accounts.alice.mail], expired: true }),
    ],
  ])('is not there with %s, so the mechanism is not offered', async (_what, identity) => {
    const lines = ['a AUTHENTICATE EXTERNAL =', `b AUTHENTICATE PLAIN ${plain()}`, 'c LOGOUT'];
    const dialogue = await talk(identity(), imaps(), lines);

    expect(dialogue).not.toContain('AUTH=EXTERNAL');
    expect(dialogue).toMatch(/^a NO Unsupported authentication mechanism\.$/m);
    expect(dialogue).toMatch(/^b OK /m);
  });

  it('lets nobody in where the listener does not name the mechanism', async () => {
    const connection = `-starttls imap -connect localhost:${proxy.port('imap', 'starttls')}`;
    const lines = ['a CAPABILITY', 'b AUTHENTICATE EXTERNAL =', 'c LOGOUT'];
    const dialogue = await talk(certificate('alice', accounts.alice.mail), connection, lines);

    expect(dialogue).toMatch(/^\* CAPABILITY .*AUTH=PLAIN/m);
    expect(dialogue).not.toContain('AUTH=EXTERNAL');
    expect(dialogue).toMatch(/^b NO Unsupported authentication mechanism\.$/m);
  });
});

function plain(): string {
  const { mail, password } = accounts.alice;
  return b64(`\0${mail}\0${password}`);
}
