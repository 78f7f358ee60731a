import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
import { firstSubject, newClient, openSession, type ProtocolName } from '../support/mail-session.ts';
import { clusterConfig, RunningProxy } from '../support/running-proxy.ts';
import type { Wire } from '../support/wire.ts';

const { alice, bob, carol, dave } = accounts;
const WRONG = {
  imap: 'l NO [AUTHENTICATIONFAILED] Authentication failed.',
  pop3: '-ERR [AUTH] Authentication failed.',
};

let proxy: RunningProxy;
beforeAll(async () => {
  proxy = await RunningProxy.start(
    clusterConfig(cluster(), {
      delegates: [{ account: alice.name, mayActFor: [bob.mail, carol.name, dave.name] }],
      names: {
        domainAliases: { 'old.example.org': 'example.org' },
        domainByAddress: { '127.0.0.1': 'example.org' },
      },
    }),
  );
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
});

async function open(protocol: ProtocolName): Promise<Wire> {
  return await openSession(protocol, {
    port: proxy.port(protocol, 'none'),
    tls: 'none',
    ca: '',
    from: newClient(),
  });
}

/** SASL PLAIN with an initial response. @returns the last line of the answer. */
async function plain(
  protocol: ProtocolName,
  wire: Wire,
  ...parts: readonly (string | Buffer)[]
): Promise<string> {
  const message = Buffer.concat(
    parts.flatMap((part, at) => [Buffer.from(at === 0 ? '' : '\0'), Buffer.from(part)]),
  );
  wire.send(`${protocol === 'imap' ? 'l AUTHENTICATE' : 'AUTH'} PLAIN ${message.toString('base64')}`);
  return protocol === 'imap' ? ((await wire.linesUntil(/^l /)).at(-1) ?? '') : await wire.line();
}

describe.each<ProtocolName>(['imap', 'pop3'])('a delegate by %s', (protocol) => {
  it.each([
    [bob, 'on node-b'],
    [carol, 'on node-c'],
  ])('has the mailbox of $name, on the home of that account', async (target, subject) => {
    await using wire = await open(protocol);
    await plain(protocol, wire, target.mail, alice.mail, alice.password);

    expect(await firstSubject(protocol, wire)).toBe(subject);
    const [line] = await proxy.events('login', { user: target.name, protocol });
    expect(line).toMatchObject({ result: 'ok', actedBy: alice.name });
  });

  it('is told the same of accounts that he may not act for, and of none', async () => {
    await using wire = await open(protocol);
    const answers: string[] = [];
    for (const target of [accounts.ivan.mail, 'nobody@example.org', accounts.twin1.mail]) {
      answers.push(await plain(protocol, wire, target, alice.mail, alice.password));
    }

    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toMatch(protocol === 'imap' ? /^l NO \[AUTHORIZATIONFAILED\]/ : /^-ERR \[AUTH\]/);
  });

  it('is told that an account may not be used, and of his own wrong password first', async () => {
    await using wire = await open(protocol);

    expect(await plain(protocol, wire, dave.mail, alice.mail, 'x')).toBe(WRONG[protocol]);
    expect(await plain(protocol, wire, dave.mail, alice.mail, alice.password)).toContain(
      'This account may not be used',
    );
  });
});

describe.each<ProtocolName>(['imap', 'pop3'])('a name by %s', (protocol) => {
  it('is looked up in the domain that its own is another name of, or that the address has', async () => {
    for (const name of ['bob@old.example.org', 'BOB', 'bo\u00adb']) {
      await using wire = await open(protocol);
      await plain(protocol, wire, '', name, bob.password);

      expect(await firstSubject(protocol, wire)).toBe('on node-b');
    }
  });

  it.each([
    'alice*proxy1',
    'alice%m',
    '*alice',
    'alice*',
    'a\r\nb LOGIN x y',
    'ali\tce',
    'ali\x1bce',
    'ali\x7fce',
    'ali\u2028ce',
    'ali\u202ece',
    Buffer.from([0x61, 0xff]),
  ])('%j leaves the front end by no way of SASL PLAIN (A10, A11)', async (name) => {
    await using wire = await open(protocol);
    const before = proxy.log.filter((line) => line.event === 'login' && line.protocol === protocol).length;

    const asAuthcid = await plain(protocol, wire, '', name, alice.password);
    const asAuthzid = await plain(protocol, wire, name, alice.mail, alice.password);

    expect([asAuthcid, asAuthzid]).toEqual([WRONG[protocol], WRONG[protocol]]);
    expect((await proxy.events('login', { protocol }, before + 2)).slice(before)).toMatchObject([
      { result: 'badName' },
      { result: 'badName' },
    ]);
  });

  it('with NUL in it is no message of SASL PLAIN (A11)', async () => {
    await using wire = await open(protocol);

    const answer = await plain(protocol, wire, '', 'ali\0ce', alice.password);

    expect(answer).toMatch(protocol === 'imap' ? /^l BAD / : /^-ERR (?!\[)/);
  });
});

describe('a name by LOGIN or USER', () => {
  it.each(['alice*proxy1', 'alice%m', 'a\r\nb LOGIN x y', 'ali\tce', 'ali\x7fce'])(
    '%j leaves the front end by none of its ways (A10, A11)',
    async (name) => {
      await using imap = await open('imap');
      imap.send(`l LOGIN {${name.length}+}\r\n${name} "${alice.password}"`);
      expect((await imap.linesUntil(/^l /)).at(-1)).toBe(WRONG.imap);
      if (!name.includes('\r')) {
        imap.send(`l LOGIN "${name}" "${alice.password}"`);
        expect((await imap.linesUntil(/^l /)).at(-1)).toBe(WRONG.imap);
        await using pop3 = await open('pop3');
        pop3.send(`USER ${name}`);
        await pop3.line();
        pop3.send(`PASS ${alice.password}`);
        expect(await pop3.line()).toBe(WRONG.pop3);
      }
    },
  );
});
