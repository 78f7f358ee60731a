import { describe, expect, it, vi } from 'vitest';
import type { SaslServer } from '../../auth/sasl.ts';
import { Channel } from '../../protocols/channel.ts';
import { sieve } from '../../protocols/sieve/sieve.ts';
import { type ConversationOptions, converse, PAUSE, TERMS } from '../support/conversation.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

const b64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');
const NO_PLAINTEXT: ConversationOptions = { terms: { allowPlaintext: false } };
const AUTH_FAILED = 'NO "Authentication failed."\r\n';
const LOGGED_IN = 'OK "Logged in."\r\n';
const PLAIN = b64('\0u\0p');
const EXTENSIONS =
  'fileinto reject envelope encoded-character vacation subaddress comparator-i;ascii-numeric relational regex ' +
  'imap4flags copy include body variables enotify environment mailbox date index ihave duplicate mime foreverypart ' +
  'extracttext';
const IN_TLS = `"IMPLEMENTATION" "Homing"\r\n"SIEVE" "${EXTENSIONS}"\r\n"SASL" "PLAIN LOGIN"\r\n"VERSION" "1.0"\r\n`;

async function answer(script: string, options: ConversationOptions = {}): Promise<string> {
  return (await converse(sieve, script, options)).output;
}

describe('ManageSieve greeting and capabilities (RFC 5804 1.7, 1.8)', () => {
  it('greets with its capabilities and OK', async () => {
    const transport = new MemoryTransport(true);
    await sieve.frontend(new Channel(transport), TERMS).greet();

    expect(transport.output).toBe(`${IN_TLS}OK "ready"\r\n`);
  });

  it('lists an empty SASL beside STARTTLS where TLS has to come first', async () => {
    const output = await answer('CAPABILITY\r\n', NO_PLAINTEXT);

    expect(output).toContain('"SASL" ""\r\n"STARTTLS"\r\n"VERSION" "1.0"\r\nOK ');
  });

  it('lists mechanisms and STARTTLS where logins in clear text are taken, and no STARTTLS without a certificate', async () => {
    expect(await answer('CAPABILITY\r\n')).toContain('"SASL" "PLAIN LOGIN"\r\n"STARTTLS"\r\n');
    expect(await answer('CAPABILITY\r\n', { terms: { startTls: false } })).not.toContain('STARTTLS');
  });

  it('lists the extensions that the listener names, and never an owner (1.7)', async () => {
    const output = await answer('CAPABILITY\r\n', { terms: { capabilities: ['fileinto', 'vacation'] } });

    expect(output).toContain('"SIEVE" "fileinto vacation"\r\n');
    expect(output).not.toMatch(/OWNER|UNAUTHENTICATE|XCLIENT/);
  });

  it('quotes a greeting with quotes in it', async () => {
    const transport = new MemoryTransport(true);
    await sieve.frontend(new Channel(transport), { ...TERMS, greeting: 'a "b" \\c' }).greet();

    expect(transport.output).toMatch(/\r\nOK "a \\"b\\" \\\\c"\r\n$/);
  });
});

describe('ManageSieve commands before a login (RFC 5804 2)', () => {
  it('takes names in any case', async () => {
    expect(await answer('nOoP\r\n')).toBe('OK "NOOP completed."\r\n');
  });

  it('gives the tag of a NOOP back, quoted or as a literal (2.13)', async () => {
    expect(await answer('NOOP "a \\"b\\\\"\r\nNOOP {3+}\r\nabc\r\n')).toBe(
      'OK (TAG "a \\"b\\\\") "NOOP completed."\r\nOK (TAG "abc") "NOOP completed."\r\n',
    );
    expect(await answer('NOOP {4+}\r\na\r\nb\r\n')).toBe('OK (TAG {4}\r\na\r\nb) "NOOP completed."\r\n');
  });

  it('answers LOGOUT with OK and closes (2.3)', async () => {
    const { output, departed } = await converse(sieve, 'LOGOUT\r\nNOOP\r\n');

    expect(output).toBe('OK "Bye."\r\n');
    expect(departed).toBe('logout');
  });

  it.each([
    'LISTSCRIPTS',
    'HAVESPACE "a" 5',
    'XCLIENT ADDR=192.0.2.1',
    'UNAUTHENTICATE',
    'CAPABILITY "x"',
    'NOOP x',
    'NOOP "a" "b"',
    'LOGOUT now',
    'AUTHENTICATE',
    'AUTHENTICATE PLAIN',
    'AUTHENTICATE "PLAIN" x',
    'AUTHENTICATE "PLAIN""x"',
    'NOOP "a',
    'NOOP "a\\n"',
    'NOOP "\0"',
    'NOOP \xe9',
    '"NOOP"',
    '',
  ])('refuses %j by NO', async (line) => {
    const { output, logins } = await converse(sieve, `${line}\r\nNOOP\r\n`);

    expect(output).toMatch(/^NO "[^\r]*"\r\nOK "NOOP completed\."\r\n$/);
    expect(logins).toEqual([]);
  });

  it('reads the literal of a refused command, so that a script is never taken for commands', async () => {
    const script = `AUTHENTICATE "PLAIN" "${PLAIN}"\r\n`;
    const { output, logins } = await converse(
      sieve,
      `PUTSCRIPT "x" {${script.length}+}\r\n${script}\r\nNOOP\r\n`,
    );

    expect(output).toMatch(/^NO "[^\r]*"\r\nOK "NOOP completed\."\r\n$/);
    expect(logins).toEqual([]);
  });

  it("reads a literal in the server's form, whose octets come unasked too", async () => {
    expect(await answer('NOOP {3}\r\nabc\r\n')).toBe('OK (TAG "abc") "NOOP completed."\r\n');
  });

  it('reads a literal that is too long to keep, and goes on', async () => {
    expect(await answer(`NOOP {20000+}\r\n${'x'.repeat(20_000)}\r\nNOOP\r\n`)).toMatch(
      /^NO "[^\r]*"\r\nOK "NOOP completed\."\r\n$/,
    );
  });

  it.each(['NOOP {70000+}\r\n', 'NOOP {99999999999999999999+}\r\n', 'A'.repeat(17_000)])(
    'ends the connection at input without measure',
    async (script) => {
      const { output, departed } = await converse(sieve, script);

      expect(output).toBe('BYE "Input too long."\r\n');
      expect(departed).toBe('tooLong');
    },
  );

  it('bounds the literals of one command in number', async () => {
    const many = `NOOP${' {1+}\r\nx'.repeat(70)}\r\nNOOP\r\n`;

    expect(await answer(many)).toMatch(/^NO "[^\r]*"\r\nOK "NOOP completed\."\r\n$/);
  });

  it('ends the connection at the third bad command in a row', async () => {
    const { output, departed } = await converse(sieve, 'X\r\nX\r\nNOOP\r\nX\r\nX\r\nX\r\nNOOP\r\n');

    expect(departed).toBe('tooManyBadCommands');
    expect(output).toMatch(
      /OK "NOOP completed\."\r\n(?:NO "[^\r]*"\r\n){3}BYE "Too many invalid commands\."\r\n$/,
    );
  });

  it.each(['GET / HTTP/1.1\r\n', 'EHLO x\r\n', 'PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n', '\x16\x03\x01'])(
    'says nothing to a peer that opens with %j',
    async (opener) => {
      const { output, departed } = await converse(sieve, opener);

      expect(output).toBe('');
      expect(departed).toBe('notMail');
    },
  );

  it('says why it ends a connection that does not log in', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const transport = new MemoryTransport(true);
    const frontend = sieve.frontend(new Channel(transport), TERMS);
    await frontend.greet();

    const next = frontend.next();
    await vi.advanceTimersByTimeAsync(120_000);

    expect(await next).toEqual({ kind: 'departed', how: 'timeout' });
    expect(transport.output).toMatch(/BYE "Disconnected for inactivity\."\r\n$/);
    vi.useRealTimers();
  });

  it('tells by BYE why a connection is ended or not served', async () => {
    const transport = new MemoryTransport(true);
    sieve.frontend(new Channel(transport), TERMS).bye('unavailable');

    expect(transport.output).toBe('BYE (TRYLATER) "Temporary failure; try again later."\r\n');
    expect(sieve.refusal).toBe(transport.output);
  });
});

describe('ManageSieve AUTHENTICATE (RFC 5804 2.1)', () => {
  it('takes an initial response, quoted or as a literal', async () => {
    const quoted = await converse(sieve, `AUTHENTICATE "PLAIN" "${PLAIN}"\r\n`);
    const literal = await converse(sieve, `authenticate "plain" {${PLAIN.length}+}\r\n${PLAIN}\r\n`);

    expect([quoted.output, literal.output]).toEqual([LOGGED_IN, LOGGED_IN]);
    expect(literal.logins).toEqual([{ authzid: '', authcid: 'u', password: 'p', mechanism: 'PLAIN' }]);
  });

  it('asks by an empty string where there was none', async () => {
    expect(await answer(`AUTHENTICATE "PLAIN"\r\n"${PLAIN}"\r\n`)).toBe(`""\r\n${LOGGED_IN}`);
    expect(await answer(`AUTHENTICATE "PLAIN"\r\n{${PLAIN.length}+}\r\n${PLAIN}\r\n`)).toBe(
      `""\r\n${LOGGED_IN}`,
    );
  });

  it('takes an empty initial response, which is not the same as none', async () => {
    const seen: (string | undefined)[] = [];
    const mechanism = (): SaslServer => ({
      step(response) {
        seen.push(response?.toString());
        return { kind: 'malformed' };
      },
    });
    const mechanisms = () => new Map([['X', mechanism]]);
    await converse(sieve, 'AUTHENTICATE "X" ""\r\nAUTHENTICATE "X"\r\nAUTHENTICATE "X" "="\r\n', {
      terms: { mechanisms },
    });

    expect(seen).toEqual(['', undefined]);
  });

  it('runs LOGIN with its two prompts', async () => {
    expect(await answer(`AUTHENTICATE "LOGIN"\r\n"${b64('u')}"\r\n"${b64('p')}"\r\n`)).toBe(
      `"VXNlcm5hbWU6"\r\n"UGFzc3dvcmQ6"\r\n${LOGGED_IN}`,
    );
  });

  it('answers NO to "*", to bad base64 and to what is no string, and goes on', async () => {
    expect(
      await answer(
        ['"*"', '"=AAA"', 'NOOP', '"a" "b"'].map((line) => `AUTHENTICATE "PLAIN"\r\n${line}\r\n`).join('') +
          'NOOP\r\n',
      ),
    ).toBe(
      '""\r\nNO "Authentication aborted by the client."\r\n""\r\nNO "Invalid base64."\r\n""\r\n' +
        'NO "Invalid base64."\r\n""\r\nNO "Invalid base64."\r\nOK "NOOP completed."\r\n',
    );
  });

  it('counts a message that is none of the mechanism as a bad command', async () => {
    const { departed } = await converse(sieve, `AUTHENTICATE "PLAIN" "${b64('x')}"\r\n`.repeat(3));

    expect(departed).toBe('tooManyBadCommands');
  });

  it('says the last word of a mechanism in its OK, and waits for no answer (1.3 SASL)', async () => {
    const proof = { kind: 'proved', authzid: Buffer.alloc(0), authcid: Buffer.from('u') } as const;
    const mechanism = (): SaslServer => ({
      step: () => ({ kind: 'proof', proof, last: Buffer.from('v=abc') }),
    });
    const { output, residual } = await converse(sieve, 'AUTHENTICATE "X" ""\r\nLISTSCRIPTS\r\n', {
      terms: { mechanisms: () => new Map([['X', mechanism]]) },
      judge: () => 'ok',
    });

    expect(output).toBe(`OK (SASL "${b64('v=abc')}") "Logged in."\r\n`);
    expect(residual).toBe('LISTSCRIPTS\r\n');
  });

  it('writes a long challenge as a literal, since a quoted string has at most 1024 octets', async () => {
    const mechanism = (): SaslServer => ({
      step: () => ({ kind: 'challenge', challenge: Buffer.alloc(900) }),
    });
    const output = await answer('AUTHENTICATE "X" ""\r\n', {
      terms: { mechanisms: () => new Map([['X', mechanism]]) },
    });

    expect(output).toBe(`{1200}\r\n${'A'.repeat(1200)}\r\n`);
  });

  it('takes tokens as long as the mechanisms of the listener need, as initial response and as answer', async () => {
    const token = 'A'.repeat(40_000);
    const seen: number[] = [];
    const mechanism = (): SaslServer => ({
      step(response) {
        seen.push(response?.length ?? 0);
        return response === undefined
          ? { kind: 'challenge', challenge: Buffer.alloc(0) }
          : { kind: 'malformed' };
      },
    });
    const terms = { mechanisms: () => new Map([['X', mechanism]]), maxSaslOctets: 50_000 };
    await converse(sieve, `AUTHENTICATE "X" {40000+}\r\n${token}\r\nAUTHENTICATE "X"\r\n"${token}"\r\n`, {
      terms,
    });
    const other = await converse(sieve, `NOOP {40000+}\r\n${token}\r\nNOOP "${token}"\r\n`, { terms });

    expect(seen).toEqual([30_000, 0, 30_000]);
    expect(other.output).toMatch(/^NO "[^\r]*"\r\nBYE "Input too long\."\r\n$/);
  });

  it('refuses unknown mechanisms', async () => {
    expect(await answer('AUTHENTICATE "CRAM-MD5"\r\n')).toBe(
      'NO "Unsupported authentication mechanism."\r\n',
    );
  });

  it('refuses it in clear text where that is not allowed, with what came with it', async () => {
    const { output, logins, refusals } = await converse(
      sieve,
      `AUTHENTICATE "PLAIN" {${PLAIN.length}+}\r\n${PLAIN}\r\nNOOP\r\n`,
      NO_PLAINTEXT,
    );

    expect(output).toBe(
      'NO (ENCRYPT-NEEDED) "Logins in clear text are not allowed; use TLS."\r\nOK "NOOP completed."\r\n',
    );
    expect(logins).toEqual([]);
    expect(refusals).toEqual(['tlsRequired']);
  });

  it('leaves what is pipelined behind the login to the node, in order', async () => {
    const { output, residual } = await converse(
      sieve,
      `AUTHENTICATE "PLAIN" "${PLAIN}"\r\nPUTSCRIPT "a" {4+}\r\nkeep\r\nLOGOUT\r\n`,
    );

    expect(output).toBe(LOGGED_IN);
    expect(residual).toBe('PUTSCRIPT "a" {4+}\r\nkeep\r\nLOGOUT\r\n');
  });

  it('ends the connection after too many failed logins', async () => {
    const { output, departed } = await converse(
      sieve,
      `AUTHENTICATE "PLAIN" "${b64('\0u\0x')}"\r\n`.repeat(3),
      {
        terms: { maxFailures: 2 },
      },
    );

    expect(output).toBe(`${AUTH_FAILED}${AUTH_FAILED}BYE "Too many failed logins."\r\n`);
    expect(departed).toBe('tooManyFailures');
  });
});

describe('ManageSieve STARTTLS (RFC 5804 2.2)', () => {
  it('starts TLS, forgets what was sent in clear text behind it, and lists the capabilities again', async () => {
    const { output } = await converse(sieve, ['STARTTLS\r\nNOOP "injected"\r\n', PAUSE, 'NOOP\r\n']);

    expect(output).toBe(
      `OK "Begin TLS negotiation now."\r\n<TLS>${IN_TLS}OK "TLS is on."\r\nOK "NOOP completed."\r\n`,
    );
  });

  it('refuses it in TLS, without a certificate, and with arguments', async () => {
    expect(await answer('STARTTLS\r\n', { tls: true })).toBe('NO "TLS is on already."\r\n');
    expect(await answer('STARTTLS\r\n', { terms: { startTls: false } })).toBe(
      'NO "TLS is not available."\r\n',
    );
    expect(await answer('STARTTLS "now"\r\n')).toMatch(/^NO "/);
  });
});

describe('ManageSieve answers to failed logins (RFC 5804 1.3)', () => {
  it.each([
    ['unknownUser', AUTH_FAILED],
    ['wrongPassword', AUTH_FAILED],
    ['notAuthorized', 'NO "Not authorized to act as this user."\r\n'],
    ['expired', 'NO "The password has expired or must be changed."\r\n'],
    ['disabled', 'NO "This account may not be used; ask your administrator."\r\n'],
    ['noHome', 'NO "This account is not set up correctly; ask your administrator. [ref:REF]"\r\n'],
    ['directoryDown', 'NO (TRYLATER) "Temporary failure; try again later. [ref:REF]"\r\n'],
    ['nodeRefusedProxy', 'NO (TRYLATER) "Temporary failure; try again later. [ref:REF]"\r\n'],
    ['throttled', 'NO (TRYLATER) "Temporary failure; try again later. [ref:REF]"\r\n'],
    ['nodeLimit', 'NO (TRYLATER) "Too many connections."\r\n'],
    ['nodeInUse', 'NO (TRYLATER) "The scripts are in use; try again later."\r\n'],
  ] as const)('%s', async (reason, expected) => {
    expect(await answer(`AUTHENTICATE "PLAIN" "${PLAIN}"\r\n`, { judge: () => reason })).toBe(expected);
  });
});
