import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
import { firstSubject, logIn, openSession, type ProtocolName } from '../support/mail-session.ts';
import { clusterConfig, RunningProxy } from '../support/running-proxy.ts';
import type { Wire } from '../support/wire.ts';

const PROTOCOLS: readonly ProtocolName[] = ['imap', 'pop3'];

/** What means something to a filter, a DN, a node, a log or an object. */
const HOSTILE_NAMES = [
  '*',
  'a*',
  ')(uid=*',
  'admin)(|(uid=*',
  '\\2a',
  'a\\00b',
  '(',
  '&',
  '\uff0a',
  'ali\uff43e*',
  'x'.repeat(1000),
  'alice ',
  ' alice',
  'cn=x,dc=y',
  `uid=alice,ou=people,dc=example,dc=org`,
  'alice*proxy1',
  'alice%m',
  '*m',
  'u*',
  'alice\t',
  'alice\x1b',
  'alice\x7f',
  'alice\u2028',
  '\u202ealice',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty@__proto__',
];

let proxy: RunningProxy;
beforeAll(async () => {
  // Without __proto__, whatever relies on it or can be reached by it shows (A15).
  proxy = await RunningProxy.start(clusterConfig(cluster()), ['--disable-proto=delete']);
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
});

async function open(protocol: ProtocolName): Promise<Wire> {
  return await openSession(protocol, { port: proxy.port(protocol, 'none'), tls: 'none', ca: '' });
}

/** Tries octets as name and password, and gives the answer without its reference. */
async function attempt(protocol: ProtocolName, user: string, password: string): Promise<string> {
  await using wire = await open(protocol);
  const octets = Buffer.from(user).toString('latin1');
  if (protocol === 'pop3') {
    return await logIn(protocol, wire, octets, password);
  }
  wire.send(`l LOGIN {${octets.length}+}\r\n${octets} "${password}"`);
  return (await wire.linesUntil(/^l /)).at(-1) ?? '';
}

describe.each(PROTOCOLS)('by %s', (protocol) => {
  it.each(HOSTILE_NAMES.map((name) => [name.slice(0, 40), name]))(
    'A9 A10 A11 A15 the name %j is answered as an unknown one, octet for octet',
    async (_shown, name) => {
      const unknown = await attempt(protocol, 'nobody', accounts.alice.password);

      expect(await attempt(protocol, name, accounts.alice.password)).toBe(unknown);
    },
  );

  it('A18 an unknown user, a wrong password and accounts that may not log in are answered alike', async () => {
    const names = ['nobody', 'alice', 'dave', 'erin', 'grace', 'kurt', 'judy', 'lena', 'frank'];
    const answers = await Promise.all(names.map((name) => attempt(protocol, name, 'wrong')));

    expect(new Set(answers).size).toBe(1);
  });
});

describe('A10 M1 PLAIN with an authzid', () => {
  it.each([
    ['bob', 'a NO [AUTHORIZATIONFAILED] Not authorized to act as this user.'],
    ['nobody', 'a NO [AUTHORIZATIONFAILED] Not authorized to act as this user.'],
    // A separator is refused unasked, as a name that nobody can have.
    ['bob*proxy1', 'a NO [AUTHENTICATIONFAILED] Authentication failed.'],
  ])('of %s lets alice act for nobody else', async (authzid, answer) => {
    await using wire = await open('imap');
    wire.send(`a AUTHENTICATE PLAIN ${plain(authzid, 'alice', accounts.alice.password)}`);

    expect(await wire.line()).toBe(answer);
  });

  it('of herself, under any of her names, lets alice in', async () => {
    await using wire = await open('imap');
    wire.send(`a AUTHENTICATE PLAIN ${plain('alice.alias@example.org', 'alice', accounts.alice.password)}`);

    expect(await wire.line()).toMatch(/^a OK /);
    expect(await firstSubject('imap', wire)).toBe('on node-a');
  });

  it.each(['alice\r\nb LOGIN x y', 'alice\n', 'alice\t'])(
    'never takes %j for a name (A11)',
    async (authcid) => {
      await using wire = await open('imap');
      wire.send(`a AUTHENTICATE PLAIN ${plain('', authcid, accounts.alice.password)}`);

      expect(await wire.line()).toBe('a NO [AUTHENTICATIONFAILED] Authentication failed.');
      expect(proxy.output).not.toContain('LOGIN x y');
    },
  );
});

describe('A15 names of what every object has', () => {
  it('change nothing in ID, user, password or mechanism, and the proxy serves on', async () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      await using wire = await open('imap');
      wire.send(
        `a ID ("${name}" "polluted" "x-proxy-ttl" "${name}")\r\nb AUTHENTICATE ${name}\r\n` +
          `c LOGIN ${name} ${name}\r\nd ${name}\r\ne AUTHENTICATE PLAIN ${plain(name, name, name)}`,
      );

      const lines = await wire.linesUntil(/^e /);

      expect(lines.map((line) => line.slice(0, 5))).toEqual([
        '* ID ',
        'a OK ',
        'b NO ',
        'c NO ',
        'd BAD',
        'e NO ',
      ]);
    }
    await using after = await open('imap');
    expect(await logIn('imap', after, accounts.alice.mail, accounts.alice.password)).toMatch(/^l OK /);
    expect(proxy.log.filter(({ event }) => event === 'bug')).toEqual([]);
  });
});

function plain(authzid: string, authcid: string, password: string): string {
  return Buffer.from(`${authzid}\0${authcid}\0${password}`).toString('base64');
}
