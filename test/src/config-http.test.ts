import { afterAll, describe, expect, it } from 'vitest';
import { AuthScript } from '../support/auth-script.ts';
import { CANARY, ConfigFolder, GOOD, good } from '../support/config-folder.ts';
import { run } from '../support/test-terminal.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

folder.write('auth.key', `${CANARY}\n`);

const LDAP = GOOD.slice(GOOD.indexOf('  - kind: ldap'), GOOD.indexOf('nodes:'));
const NODE = 'kind: dovecot,';
const SERVICE = 'url: https://auth.example.org/auth';

/** A configuration whose accounts a web service has. */
function config(settings: string): string {
  return good(LDAP, `  - { kind: http, ${settings} }\n`).replace(NODE, `${NODE} requires: [],`);
}

describe('the settings of a web service', () => {
  it('are few', () => {
    const [directory] = folder.load(
      config(
        `${SERVICE}, domains: [example.org], headers: { X-Site: a }, headerFiles: { X-Auth-Key: auth.key }`,
      ),
    ).directories;

    expect(directory).toMatchObject({
      kind: 'http',
      domains: ['example.org'],
      options: { lookup: 'none', forward: {}, operationMs: 5000, maxRequests: 32 },
    });
    const headers = Object.entries(Object(directory?.options).headers as Record<string, { octets: Buffer }>);
    expect(headers.map(([name, { octets }]) => [name, octets.toString()])).toEqual([
      ['X-Site', 'a'],
      ['X-Auth-Key', CANARY],
    ]);
  });

  it.each([
    'url: http://127.0.0.1:9000/auth',
    "url: 'http://[::1]:9000/auth'",
    'url: http://localhost/auth, socket: auth.sock',
    'url: http://auth.example.org/auth, insecure: true',
    `${SERVICE}, caFile: ca.pem`,
  ])('may be %s', (settings) => {
    expect(folder.load(config(settings)).directories).toHaveLength(1);
  });

  it.each([
    ['url: ¶http://auth.example.org/auth', 'passwords would go to auth.example.org in clear text'],
    ['url: ¶ldap://auth.example.org', 'this is not the URL of a web service'],
    [`${SERVICE}, socket: ¶auth.sock`, 'nobody can listen in on a Unix socket'],
    ['url: http://127.0.0.1/, caFile: ¶ca.pem', 'http has no certificate'],
    [`${SERVICE}, headers: { X-Key: ¶"a\\r\\nb" }`, 'a header has one line of ASCII'],
    [`${SERVICE}, headers: { ¶Auth-User: root }`, '"Auth-User" is not a name that can be here'],
    [`${SERVICE}, headerFiles: { ¶host: auth.key }`, '"host" is not a name that can be here'],
    [`${SERVICE}, headers: { X-A: b }, headerFiles: { x-a: ¶auth.key }`, 'x-a is among the headers already'],
    [`${SERVICE}, headerFiles: { X-A: ¶cert.pem }`, 'has more than one line'],
  ])('may not be %s', (settings, why) => {
    expect(folder.refusal(config(settings))).toContain(why);
  });

  it('say whether anybody can log in without a password', () => {
    const listener = '- { protocol: imap, address: 127.0.0.1, port: 1143, tls: starttls';
    const oauth = `oauth: { providers: [{ kind: jwt, issuer: 'https://i', audience: [a], keysUrl: 'https://i/k' }] }\n`;
    const offering = (settings: string) =>
      config(settings).replace(listener, `${listener}, mechanisms: [PLAIN, ¶OAUTHBEARER]`) + oauth;

    expect(folder.refusal(offering(SERVICE))).toContain('the directory finds nobody without one');
    expect(folder.load(offering(`${SERVICE}, lookup: external`).replace('¶', '')).directories).toHaveLength(
      1,
    );
  });

  it('serve no mechanism that needs stored passwords', () => {
    const text = config(SERVICE).replace('tls: starttls', 'tls: starttls, mechanisms: [¶SCRAM-SHA-256]');

    expect(folder.refusal(text)).toContain('no directory is read for that');
  });

  it('must say what a node requires', () => {
    const requiring = (settings: string) => config(settings).replace('requires: []', 'requires: [home]');

    expect(folder.problems(requiring(SERVICE)).join()).toContain('no directory says home');
    expect(folder.load(requiring(`${SERVICE}, forward: { home: X-Home }`)).directories).toHaveLength(1);
  });

  it('are shown by homing check, but no secret and no query', async () => {
    const settings = `url: 'https://auth.example.org/auth?key=${CANARY}', headerFiles: { X-A: auth.key }`;

    const { output } = await run(['check', folder.write('homing.yaml', config(settings))]);

    expect(output).toContain(
      'asks         https://auth.example.org/auth for all domains, passwords by http, nobody without one\n',
    );
    expect(output).not.toContain(CANARY);
  });
});

describe('homing explain, with a web service', () => {
  async function explain(settings: string, args: readonly string[], input = '') {
    const answer = { 'Auth-Status': 'OK', 'Auth-Server': 'node-a', 'Auth-Port': '993' };
    await using script = await AuthScript.answering(({ headers }) =>
      headers['auth-pass'] === 'guess' ? { 'Auth-Status': 'No such luck' } : answer,
    );
    const file = folder.write('explain.yaml', config(`url: '${script.url}'${settings}`));
    const ran = await run(['explain', '--no-probe', '-c', file, 'ann@example.org', ...args], input);
    return { ...ran, requests: script.requests };
  }

  it('needs the password', async () => {
    const { code, errors, requests } = await explain('', []);

    expect([code, requests]).toEqual([1, []]);
    expect(errors).toContain('it is asked for nobody without his password (lookup: external');
  });

  it('shows what the service says, and where a login goes', async () => {
    const right = await explain('', ['--password'], 'right\n');
    const wrong = await explain('', ['--password'], 'guess\n');

    expect(right.output).toMatch(/ask .*Auth-Status: "OK"[\s\S]*a login would go to node-a/);
    expect(right.requests[0]).toContain('Client-IP: 127.0.0.1');
    expect(wrong.output).toMatch(/Auth-Status: "No such luck"[\s\S]*wrongPassword/);
  });

  it('asks without the password where the service takes that', async () => {
    const { output, requests } = await explain(', lookup: external', []);

    expect(output).toContain('a login would go to node-a');
    expect(requests[0]).toContain('Auth-Method: external');
  });
});
