import { describe, expect, it, vi } from 'vitest';
import { Channel } from '../../protocols/channel.ts';
import { pop3 } from '../../protocols/pop3/pop3.ts';
import type { Apop, FrontendTerms } from '../../protocols/protocol.ts';
import { type ConversationOptions, converse, PAUSE, TERMS } from '../support/conversation.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

const b64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');
const NO_PLAINTEXT: ConversationOptions = { terms: { allowPlaintext: false } };
const AUTH_FAILED = '-ERR [AUTH] Authentication failed.\r\n';

/** APOP for which `right` is the right digest. */
const apop = (): Apop => ({
  timestamp: '<1.2@homing>',
  server: {
    step: (response = Buffer.alloc(0)) => {
      const [name, digest] = response.toString('latin1').split(' ');
      if (name === undefined || digest === undefined) {
        return { kind: 'malformed' };
      }
      const claim = { authzid: Buffer.alloc(0), authcid: Buffer.from(name) };
      return digest === 'right'
        ? { kind: 'proof', proof: { kind: 'proved', ...claim } }
        : { kind: 'proof', proof: { kind: 'refuted', ...claim, reason: 'wrongPassword' } };
    },
  },
});

async function answer(script: string, options: ConversationOptions = {}): Promise<string> {
  return (await converse(pop3, script, options)).output;
}

describe('POP3 greeting and capabilities (RFC 1939, RFC 2449)', () => {
  it('P1 M4 greets without a timestamp, which would offer APOP', async () => {
    const transport = new MemoryTransport();
    await pop3.frontend(new Channel(transport), TERMS).greet();

    expect(transport.output).toBe('+OK ready\r\n');
  });

  it('M4 greets with the timestamp of APOP where that is offered and allowed, and lists it nowhere', async () => {
    const greeting = async (terms: Partial<FrontendTerms>, tls = false) => {
      const transport = new MemoryTransport(tls);
      await pop3.frontend(new Channel(transport), { ...TERMS, apop, ...terms }).greet();
      return transport.output;
    };

    expect(await greeting({})).toBe('+OK ready <1.2@homing>\r\n');
    expect(await greeting({ allowPlaintext: false }, true)).toBe('+OK ready <1.2@homing>\r\n');
    expect(await greeting({ allowPlaintext: false })).toBe('+OK ready\r\n');
    expect(await answer('CAPA\r\nAUTH\r\n', { terms: { apop } })).not.toContain('APOP');
  });

  it('P6 lists what both states can do, with a dot at the end', async () => {
    expect(await answer('CAPA\r\n')).toBe(
      '+OK Capabilities follow.\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nSTLS\r\nUSER\r\n' +
        'SASL PLAIN LOGIN\r\n.\r\n',
    );
  });

  it('lists what the listener says that the nodes can do', async () => {
    const output = await answer('CAPA\r\n', { terms: { capabilities: ['TOP', 'LANG'] } });

    expect(output).toMatch(/^\+OK [^\r]*\r\nTOP\r\nLANG\r\nRESP-CODES\r\n/);
  });

  it('lists neither USER nor SASL while logins in clear text are refused, and no STLS in TLS', async () => {
    expect(await answer('CAPA\r\n', NO_PLAINTEXT)).not.toMatch(/USER|SASL/);
    expect(await answer('CAPA\r\n', { tls: true })).not.toContain('STLS');
  });

  it('P18 begins no line of a list with a dot but the last', async () => {
    const lines = (await answer('CAPA\r\nAUTH\r\n')).split('\r\n').filter((line) => line.startsWith('.'));

    expect(lines).toEqual(['.', '.']);
  });

  it('P9 T12 lists mechanisms for a bare AUTH, as Outlook asks', async () => {
    expect(await answer('AUTH\r\n')).toBe('+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n');
  });

  it('lists no mechanisms for an AUTH with arguments, however they are spaced', async () => {
    expect(await answer('AUTH  PLAIN\r\n')).toMatch(/^-ERR [^\r]*\r\n$/);
  });
});

describe('POP3 USER and PASS (RFC 1939 7)', () => {
  it('P5 answers +OK to every user name', async () => {
    expect(await answer('USER nobody\r\nPASS x\r\n')).toBe(`+OK\r\n${AUTH_FAILED}`);
  });

  it('P2 takes keywords in any case', async () => {
    expect(await answer('uSeR x\r\n')).toBe('+OK\r\n');
  });

  it('P4 T13 keeps all spaces of a password', async () => {
    const { logins } = await converse(pop3, 'USER a\r\nPASS  two  sp \r\n');

    expect(logins).toEqual([{ authzid: '', authcid: 'a', password: ' two  sp ', mechanism: 'USER' }]);
  });

  it('P3 wants PASS right behind USER', async () => {
    expect(await answer('PASS x\r\n')).toMatch(/^-ERR PASS comes right behind USER/);
    expect(await answer('USER a\r\nNOOP\r\nPASS p\r\n')).toMatch(/^\+OK\r\n\+OK\r\n-ERR PASS/);
    expect(await answer('USER a\r\nUSER b\0\r\nPASS p\r\n')).toMatch(/^\+OK\r\n-ERR [^\r]*\r\n-ERR PASS/);
  });

  it('P3 forgets USER after a failed PASS', async () => {
    expect(await answer('USER a\r\nPASS x\r\nPASS p\r\n')).toMatch(
      /^\+OK\r\n-ERR \[AUTH\][^\r]*\r\n-ERR PASS/,
    );
  });

  it('P2 takes a password of 300 octets, and refuses one of 9000', async () => {
    const long = await converse(pop3, `USER a\r\nPASS ${'x'.repeat(300)}\r\n`);
    const tooLong = await converse(pop3, `USER a\r\nPASS ${'x'.repeat(9000)}\r\nNOOP\r\n`);

    expect(long.logins[0]?.password).toHaveLength(300);
    expect(tooLong.logins).toEqual([]);
    expect(tooLong.output).toMatch(/^\+OK\r\n-ERR [^\r]*\r\n\+OK\r\n$/);
  });

  it('takes 8-bit octets as they are', async () => {
    const { logins } = await converse(pop3, 'USER us\xe9r\r\nPASS p\xe4ss\r\n');

    expect(logins[0]).toMatchObject({ authcid: 'us\xe9r', password: 'p\xe4ss' });
  });

  it('refuses a NUL', async () => {
    const { output, logins } = await converse(pop3, 'USER a\r\nPASS a\0b\r\n');

    expect(output).toMatch(/^\+OK\r\n-ERR /);
    expect(logins).toEqual([]);
  });

  it('refuses USER in clear text where that is not allowed, before it knows the password', async () => {
    const { output, logins, refusals } = await converse(pop3, 'USER a\r\nPASS p\r\n', NO_PLAINTEXT);

    expect(output).toMatch(/^-ERR \[AUTH\] Logins in clear text[^\r]*\r\n-ERR \[AUTH\]/);
    expect(logins).toEqual([]);
    expect(refusals[0]).toBe('tlsRequired');
  });

  it('P11 T14 leaves what is pipelined behind PASS to the node, in order', async () => {
    const { output, residual } = await converse(pop3, 'USER a\r\nPASS p\r\nSTAT\r\nRETR 1\r\nQUIT\r\n');

    expect(output).toBe('+OK\r\n+OK Logged in.\r\n');
    expect(residual).toBe('STAT\r\nRETR 1\r\nQUIT\r\n');
  });

  it('T11 takes USER and PASS in one segment behind CAPA', async () => {
    const { output, residual } = await converse(pop3, ['CAPA\r\n', PAUSE, 'USER a\r\nPASS p\r\n']);

    expect(output).toMatch(/\.\r\n\+OK\r\n\+OK Logged in\.\r\n$/);
    expect(residual).toBe('');
  });
});

describe('POP3 AUTH (RFC 5034)', () => {
  it('P10 asks with a plus and a space, and takes the response', async () => {
    const { output, logins } = await converse(pop3, `AUTH PLAIN\r\n${b64('\0u\0p')}\r\n`);

    expect(output).toBe('+ \r\n+OK Logged in.\r\n');
    expect(logins).toEqual([{ authzid: '', authcid: 'u', password: 'p', mechanism: 'PLAIN' }]);
  });

  it('takes an initial response', async () => {
    expect(await answer(`auth plain ${b64('\0u\0p')}\r\n`)).toBe('+OK Logged in.\r\n');
  });

  it('runs LOGIN with its two prompts', async () => {
    expect(await answer(`AUTH LOGIN\r\n${b64('u')}\r\n${b64('p')}\r\n`)).toBe(
      '+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n+OK Logged in.\r\n',
    );
  });

  it('P10 answers -ERR to * and to bad base64, and goes on', async () => {
    expect(await answer('AUTH PLAIN\r\n*\r\nAUTH PLAIN\r\n=AAA\r\nNOOP\r\n')).toBe(
      '+ \r\n-ERR Authentication aborted by the client.\r\n+ \r\n-ERR Invalid base64.\r\n+OK\r\n',
    );
  });

  it('refuses unknown mechanisms, and APOP', async () => {
    expect(await answer('AUTH CRAM-MD5\r\n')).toBe('-ERR Unsupported authentication mechanism.\r\n');
    expect(await answer(`APOP u ${'0'.repeat(32)}\r\n`)).toMatch(/^-ERR /);
  });

  it('refuses AUTH in clear text, and lists no mechanism', async () => {
    expect(await answer('AUTH PLAIN\r\nAUTH\r\n', NO_PLAINTEXT)).toMatch(
      /^-ERR \[AUTH\][^\r]*\r\n\+OK\r\n\.\r\n$/,
    );
  });
});

describe('POP3 STLS (RFC 2595)', () => {
  it('P8 starts TLS and forgets what was sent in clear text behind it', async () => {
    const { output } = await converse(pop3, ['STLS\r\nCAPA\r\nUSER x\r\n', PAUSE, 'NOOP\r\n']);

    expect(output).toBe('+OK Begin TLS negotiation now.\r\n<TLS>+OK\r\n');
  });

  it('does not take a USER from before TLS', async () => {
    const { logins } = await converse(pop3, ['USER a\r\nSTLS\r\n', PAUSE, 'PASS p\r\n']);

    expect(logins).toEqual([]);
  });

  it('refuses it in TLS, without a certificate, and with arguments', async () => {
    expect(await answer('STLS\r\n', { tls: true })).toBe('-ERR TLS is on already.\r\n');
    expect(await answer('STLS\r\n', { terms: { startTls: false } })).toBe('-ERR TLS is not available.\r\n');
    expect(await answer('STLS now\r\n')).toMatch(/^-ERR /);
  });
});

describe('P12 POP3 answers to failed logins (RFC 2449, RFC 3206)', () => {
  it.each([
    ['unknownUser', AUTH_FAILED],
    ['wrongPassword', AUTH_FAILED],
    ['notAuthorized', '-ERR [AUTH] Not authorized to act as this user.\r\n'],
    ['expired', '-ERR [AUTH] The password has expired or must be changed.\r\n'],
    ['disabled', '-ERR [AUTH] This account may not be used; ask your administrator.\r\n'],
    ['noHome', '-ERR [SYS/PERM] This account is not set up correctly; ask your administrator. [ref:REF]\r\n'],
    ['directoryDown', '-ERR [SYS/TEMP] Temporary failure; try again later. [ref:REF]\r\n'],
    ['nodeRefusedProxy', '-ERR [SYS/TEMP] Temporary failure; try again later. [ref:REF]\r\n'],
    ['nodeLimit', '-ERR [IN-USE] Too many connections.\r\n'],
    ['nodeInUse', '-ERR [IN-USE] The maildrop is in use; try again later.\r\n'],
  ] as const)('%s', async (reason, expected) => {
    expect(await answer('USER u\r\nPASS x\r\n', { judge: () => reason })).toBe(`+OK\r\n${expected}`);
  });
});

describe('POP3 commands in the AUTHORIZATION state', () => {
  it('P16 answers QUIT and closes', async () => {
    const { output, departed } = await converse(pop3, 'QUIT\r\n');

    expect(output).toBe('+OK Bye.\r\n');
    expect(departed).toBe('logout');
  });

  it.each(['STAT', 'PA\xdf x', 'LANG', 'XCLIENT ADDR=192.0.2.1', 'XOIP 192.0.2.1', 'UTF8', ''])(
    'refuses %j (P14, A12)',
    async (line) => {
      expect(await answer(`${line}\r\n`)).toMatch(/^-ERR /);
    },
  );

  it('ends the connection at the third bad command in a row', async () => {
    const { output, departed } = await converse(pop3, 'X\r\nX\r\nX\r\nNOOP\r\n');

    expect(departed).toBe('tooManyBadCommands');
    expect(output).toMatch(/-ERR Too many invalid commands\.\r\n$/);
  });

  it.each(['GET / HTTP/1.1\r\n', 'EHLO x\r\n', 'PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n', '\x16\x03\x01'])(
    'T20 says nothing to a peer that opens with %j',
    async (opener) => {
      const { output, departed } = await converse(pop3, opener);

      expect(output).toBe('');
      expect(departed).toBe('notMail');
    },
  );

  it('ends the connection at a line without end', async () => {
    const { output, departed } = await converse(pop3, 'A'.repeat(13_000));

    expect(output).toBe('-ERR Input too long.\r\n');
    expect(departed).toBe('tooLong');
  });

  it('P17 says why it ends a connection that does not log in', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const transport = new MemoryTransport(true);
    const frontend = pop3.frontend(new Channel(transport), TERMS);
    await frontend.greet();

    const next = frontend.next();
    await vi.advanceTimersByTimeAsync(120_000);

    expect(await next).toEqual({ kind: 'departed', how: 'timeout' });
    expect(transport.output).toMatch(/-ERR Disconnected for inactivity\.\r\n$/);
    vi.useRealTimers();
  });
});

describe('M4 POP3 APOP (RFC 1939 7)', () => {
  const judge = ({ mechanism }: { mechanism: string }) =>
    mechanism === 'APOP' ? ('wrongPassword' as const) : 'ok';

  it('takes a name and a digest for a login', async () => {
    const { logins, output } = await converse(pop3, 'apop mrose right\r\n', {
      terms: { apop },
      judge: () => 'ok',
    });

    expect(logins).toEqual([{ authzid: '', authcid: 'mrose', password: '', mechanism: 'APOP' }]);
    expect(output).toBe('+OK Logged in.\r\n');
  });

  it('answers [AUTH] to a wrong digest, and lets the client go on', async () => {
    const { output } = await converse(pop3, 'APOP mrose wrong\r\nUSER a\r\n', { terms: { apop }, judge });

    expect(output).toBe(`${AUTH_FAILED}+OK\r\n`);
  });

  it.each(['APOP', 'APOP ', 'APOP mrose'])('calls "%s" an error', async (line) => {
    expect(await answer(`${line}\r\n`, { terms: { apop } })).toBe(
      '-ERR APOP takes a user name and a digest.\r\n',
    );
  });

  it('is no command where it is not offered, nor before STLS where logins in clear text are refused', async () => {
    const unavailable = '-ERR APOP is not available.\r\n';

    expect(await answer('APOP mrose right\r\n')).toBe(unavailable);
    expect(await answer('APOP mrose right\r\n', { terms: { apop, allowPlaintext: false } })).toBe(
      unavailable,
    );
  });

  it('forgets a USER before it', async () => {
    expect(await answer('USER a\r\nAPOP mrose wrong\r\nPASS p\r\n', { terms: { apop }, judge })).toContain(
      '-ERR PASS comes right behind USER',
    );
  });
});
