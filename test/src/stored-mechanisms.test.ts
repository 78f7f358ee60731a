import { createHmac } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { createAuthenticator } from '../../auth/authenticator.ts';
import { schemaOptions } from '../../auth/entries/presets.ts';
import { compileSchema } from '../../auth/entries/schema.ts';
import { openLdif } from '../../auth/ldif/ldif.ts';
import { DEFAULT_PUNCTUATION } from '../../auth/names.ts';
import { badToken } from '../../auth/oauth/token.ts';
import { Channel } from '../../protocols/channel.ts';
import { imap } from '../../protocols/imap/imap.ts';
import { pop3 } from '../../protocols/pop3/pop3.ts';
import type { Frontend, FrontendTerms, LoginAttempt, MailProtocol } from '../../protocols/protocol.ts';
import { sieve } from '../../protocols/sieve/sieve.ts';
import type { MechanismParts } from '../../src/mechanism-makers.ts';
import { offerApop, offerMechanisms, scramSupport } from '../../src/mechanisms.ts';
import { converse, TERMS } from '../support/conversation.ts';
import { MemoryTransport } from '../support/memory-transport.ts';
import { clientFinal, clientFirst } from '../support/scram-client.ts';

const b64 = (text: string | Buffer): string => Buffer.from(text).toString('base64');

function offered(names: readonly string[], more: Partial<MechanismParts> = {}) {
  const content = Buffer.from(
    'dn: uid=alice,dc=x\nobjectClass: qmailUser\nuid: alice\nuserPassword: secret\n',
  );
  const schema = compileSchema(schemaOptions('qmail', { base: 'dc=x' }));
  const authenticator = createAuthenticator({
    realms: [{ domains: undefined, directory: openLdif({ content, schema, allowCleartext: true }) }],
    names: {
      defaultDomain: undefined,
      lowerCase: true,
      punctuation: DEFAULT_PUNCTUATION,
      latin1Passwords: false,
    },
  });
  const parts = { authenticator, directoryMs: 1000, scram: scramSupport(), ...more };
  const context = { service: 'imap' };
  return { mechanisms: offerMechanisms(names, parts, context), ...offerApop(names, parts, context) };
}

/** A connection on which a test answers what it read. */
async function connect(
  protocol: MailProtocol,
  names: readonly string[],
  terms: Partial<FrontendTerms> = {},
  more: Partial<MechanismParts> = {},
) {
  const transport = new MemoryTransport(true);
  const channel = new Channel(transport);
  const frontend = protocol.frontend(channel, { ...TERMS, ...offered(names, more), ...terms });
  await frontend.greet();
  return { frontend, transport, binding: transport.tls?.channelBinding?.() ?? Buffer.alloc(0) };
}

/** Sends a line and gives what came last behind `+ `. */
async function challenged(transport: MemoryTransport, line: string): Promise<string> {
  const before = transport.output.length;
  transport.feed(`${line}\r\n`);
  while (!/\+ .*\r\n$/.test(transport.output.slice(before))) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [, challenge = ''] = /\+ (.*)\r\n$/.exec(transport.output.slice(before)) ?? [];
  return Buffer.from(challenge, 'base64').toString();
}

describe('the mechanisms of a connection', () => {
  it('I14 M6 M9 are those of the listener, in its order, and -PLUS only where the TLS can be bound to', () => {
    const names = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'CRAM-MD5', 'PLAIN', 'APOP'];
    const listed = (tls?: boolean) => [
      ...offered(names)
        .mechanisms(tls === undefined ? undefined : state(tls))
        .keys(),
    ];
    const state = (bindable: boolean) => ({
      version: bindable ? 'TLSv1.3' : 'TLSv1.2',
      cipher: 'x',
      serverName: undefined,
      clientCertificate: undefined,
      channelBinding: bindable ? () => Buffer.alloc(32) : undefined,
    });

    expect(listed(true)).toEqual(['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'CRAM-MD5', 'PLAIN']);
    expect(listed(false)).toEqual(['SCRAM-SHA-256', 'CRAM-MD5', 'PLAIN']);
    expect(listed()).toEqual(['SCRAM-SHA-256', 'CRAM-MD5', 'PLAIN']);
  });

  it('are made once, and ask for the binding only when a client binds to it', () => {
    const { mechanisms } = offered(['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'SCRAM-SHA-1']);
    const channelBinding = vi.fn(() => Buffer.alloc(32));
    const tls = {
      version: 'TLSv1.3',
      cipher: 'x',
      serverName: undefined,
      clientCertificate: undefined,
      channelBinding,
    };

    const inClear = mechanisms(undefined);
    const first = mechanisms(tls);
    expect(mechanisms(tls)).toBe(first);
    expect(inClear.has('SCRAM-SHA-256-PLUS')).toBe(false);
    first.get('SCRAM-SHA-256')?.();
    expect(channelBinding).not.toHaveBeenCalled();
    first.get('SCRAM-SHA-256-PLUS')?.();
    expect(channelBinding).toHaveBeenCalledOnce();
  });

  it('M9 are listed by both protocols just as they are offered', async () => {
    const terms = offered(['SCRAM-SHA-256', 'PLAIN']);

    const [capability, capa, auth] = [
      (await converse(imap, 'a CAPABILITY\r\n', { terms })).output,
      (await converse(pop3, 'CAPA\r\n', { terms })).output,
      (await converse(pop3, 'AUTH\r\n', { terms })).output,
    ];

    expect(capability).toContain(' AUTH=SCRAM-SHA-256 AUTH=PLAIN\r\n');
    expect(capa).toContain('\r\nSASL SCRAM-SHA-256 PLAIN\r\n');
    expect(auth).toBe('+OK\r\nSCRAM-SHA-256\r\nPLAIN\r\n.\r\n');
  });

  it('I20 answer NO to APOP, which is no SASL mechanism even where it is on', async () => {
    const terms = offered(['APOP', 'PLAIN']);

    expect((await converse(pop3, 'AUTH APOP\r\n', { terms })).output).toMatch(/^-ERR Unsupported/);
  });

  it('I23 M3 answer BAD to an initial response of CRAM-MD5, and the session goes on', async () => {
    const terms = offered(['CRAM-MD5']);

    const { output, logins } = await converse(imap, 'a AUTHENTICATE CRAM-MD5 dGVzdA==\r\nb NOOP\r\n', {
      terms,
    });

    expect(output).toMatch(/^a BAD .*\r\nb OK /);
    expect(logins).toEqual([]);
  });

  it.each([
    ['SCRAM-SHA-256', 'n,,'],
    ['SCRAM-SHA-256-PLUS', 'p=tls-exporter,,'],
  ])(
    'let in by %s in IMAP, whose server-final-message the client answers by nothing',
    async (name, gs2Header) => {
      const { frontend, transport, binding } = await connect(imap, ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']);
      const next = frontend.next();
      const terms = { gs2Header, binding: name.endsWith('PLUS') ? binding : Buffer.alloc(0) };

      const serverFirst = await challenged(transport, `a AUTHENTICATE ${name} ${b64(clientFirst(terms))}`);
      const { message, expected } = clientFinal(serverFirst, terms);
      transport.feed(`${b64(message)}\r\n`);
      const login = await attemptOf(next);
      const told = transport.output;
      const concluded = login.conclude();
      transport.feed('\r\n');

      expect(login).toMatchObject({ mechanism: name, proof: { kind: 'proved', account: { name: 'alice' } } });
      expect(await concluded).toBe('received');
      expect(transport.output).toBe(`${told}+ ${b64(expected)}\r\n`);
    },
  );

  it('M3 let in by CRAM-MD5 in POP3', async () => {
    const { frontend, transport } = await connect(pop3, ['CRAM-MD5']);
    const next = frontend.next();

    const challenge = await challenged(transport, 'AUTH CRAM-MD5');
    transport.feed(`${b64(`alice ${createHmac('md5', 'secret').update(challenge).digest('hex')}`)}\r\n`);

    expect(await next).toMatchObject({ mechanism: 'CRAM-MD5', proof: { kind: 'proved' } });
  });
});

/** What frontends hand on must be a login here. */
async function attemptOf(next: ReturnType<Frontend['next']>): Promise<LoginAttempt> {
  const login = await next;
  if (login.kind !== 'login') throw new Error(`${login.kind} instead of a login`);
  return login;
}

describe.each([
  ['IMAP', imap, 'a AUTHENTICATE', /\r\na BAD Authentication not completed by the client\.\r\n/],
  ['POP3', pop3, 'AUTH', /\r\n-ERR Authentication not completed by the client\.\r\n/],
] as const)('a right SCRAM proof in %s', (_name, protocol, command, cancelled) => {
  /** Sends a proof, and then what its client says to the server-final-message. */
  async function proved(password: string, receipt: string | undefined, unauthenticatedMs = 120_000) {
    const { frontend, transport } = await connect(protocol, ['SCRAM-SHA-256'], { unauthenticatedMs });
    const next = frontend.next();
    const serverFirst = await challenged(transport, `${command} SCRAM-SHA-256 ${b64(clientFirst({}))}`);
    const before = transport.output.length;
    transport.feed(`${b64(clientFinal(serverFirst, { password }).message)}\r\n`);
    const login = await attemptOf(next);
    const told = transport.output.slice(before);
    const concluding = login.conclude();
    if (receipt !== undefined) transport.feed(receipt);
    return { frontend, transport, login, told, concluding };
  }

  it('is told no more than a wrong one before its login is admitted (A18 A19)', async () => {
    const [right, wrong] = [await proved('secret', '\r\n'), await proved('wrong', '')];

    expect([right.told, wrong.told]).toEqual(['', '']);
    expect(await right.concluding).toBe('received');
  });

  it.each([
    ['*', '*\r\n'],
    ['no base64', '!\r\n'],
    ['another message', 'AAAA\r\n'],
  ])('whose client then says %s lets nobody in, and the session goes on', async (_what, receipt) => {
    const { frontend, transport, login, concluding } = await proved('secret', receipt);

    expect(await concluding).toBe('cancelled');
    login.reject('cancelled', 'REF');
    const next = frontend.next();
    transport.feed(protocol === imap ? 'b LOGOUT\r\n' : 'QUIT\r\n');
    expect(await next).toMatchObject({ kind: 'departed', how: 'logout' });
    expect(transport.output).toMatch(cancelled);
  });

  it('whose client then says too much ends the connection behind the login', async () => {
    const { frontend, transport, login, concluding } = await proved('secret', 'x'.repeat(80_000));

    expect(await concluding).toBe('cancelled');
    login.reject('cancelled', 'REF');
    transport.feed('\r\nb NOOP\r\n');
    expect(await frontend.next()).toMatchObject({ kind: 'departed', how: 'tooLong' });
    expect(transport.output).toMatch(cancelled);
    expect(transport.output).not.toContain('b OK');
  });

  it('whose client then says nothing ends with its time', async () => {
    const { frontend, login, concluding } = await proved('secret', undefined, 300);

    expect(await concluding).toBe('gone');
    login.reject('unavailable', 'REF');
    expect(await frontend.next()).toMatchObject({ kind: 'departed', how: 'timeout' });
  });

  it('whose client then leaves is a login all the same', async () => {
    const { transport, login, concluding } = await proved('secret', undefined);
    transport.finish();

    expect(await concluding).toBe('gone');
    expect(login.abandoned.aborted).toBe(true);
  });
});

describe('a refuted proof whose client was told why', () => {
  const TOKEN = b64('user=alice\x01auth=Bearer t\x01\x01');
  const oauth = {
    hosts: [],
    tokens: { guide: {}, judge: async () => ({ verdict: badToken('it expired'), guide: {} }) },
  };

  it.each([
    ['says too much', 'tooLong', (transport: MemoryTransport) => transport.feed('x'.repeat(80_000))],
    ['says nothing more', 'timeout', () => undefined],
    ['leaves', 'disconnected', (transport: MemoryTransport) => transport.finish()],
  ])('is a login all the same when he %s (A19)', async (_what, how, end) => {
    const { frontend, transport } = await connect(imap, ['XOAUTH2'], { unauthenticatedMs: 300 }, { oauth });
    const next = frontend.next();
    await challenged(transport, `a AUTHENTICATE XOAUTH2 ${TOKEN}`);

    end(transport);

    const login = await attemptOf(next);
    expect(login).toMatchObject({ proof: { kind: 'refuted', reason: 'badToken' } });
    if (!login.abandoned.aborted) login.reject('badCredentials', 'REF');
    expect(await frontend.next()).toMatchObject({ kind: 'departed', how });
  });
});

describe('exchanges without a proof', () => {
  const FIRST = b64(clientFirst({}));
  const IN_IMAP = `a AUTHENTICATE SCRAM-SHA-256 ${FIRST}`;

  it.each([
    [imap, IN_IMAP, '*', 'BAD Authentication aborted'],
    [imap, IN_IMAP, '!', 'BAD Invalid base64'],
    [imap, IN_IMAP, 'AAAA\r\nb NOOP', 'BAD This is no message'],
    [pop3, `AUTH SCRAM-SHA-256 ${FIRST}`, '*', '-ERR Authentication aborted'],
    [sieve, `AUTHENTICATE "SCRAM-SHA-256" "${FIRST}"`, '"*"', 'NO "Authentication aborted'],
  ] as const)(
    'are ten at most on a connection, as each may have asked the directory (A19: $0.name, $2)',
    async (...[protocol, command, end, answer]) => {
      const { output, departed } = await converse(protocol, `${command}\r\n${end}\r\n`.repeat(20), {
        terms: offered(['SCRAM-SHA-256']),
      });

      expect(output.split(answer)).toHaveLength(11);
      expect(departed).toBe('tooManyFailures');
      expect(output).toContain('Too many failed logins.');
    },
  );
});
