import { describe, expect, it, vi } from 'vitest';
import { Channel } from '../../protocols/channel.ts';
import { imap } from '../../protocols/imap/imap.ts';
import { type ConversationOptions, converse, PAUSE, TERMS } from '../support/conversation.ts';
import { MemoryTransport } from '../support/memory-transport.ts';

const b64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');
const PLAIN_OK = b64('\0u\0p');
const NO_PLAINTEXT: ConversationOptions = { terms: { allowPlaintext: false } };
const AUTHENTICATION_FAILED = 'NO [AUTHENTICATIONFAILED] Authentication failed.\r\n';

async function answer(script: string, options: ConversationOptions = {}): Promise<string> {
  return (await converse(imap, script, options)).output;
}

async function greeting(tls: boolean, allowPlaintext: boolean): Promise<string> {
  const transport = new MemoryTransport(tls);
  await imap.frontend(new Channel(transport), { ...TERMS, allowPlaintext }).greet();
  return transport.output;
}

describe('IMAP greeting and capabilities (RFC 9051 7.1, 6.1.1, 11.7)', () => {
  it('I1 X5 X9 M9 greets with OK and its capabilities, never PREAUTH', async () => {
    expect(await greeting(true, false)).toBe(
      '* OK [CAPABILITY IMAP4rev1 LITERAL- SASL-IR ID ENABLE IDLE AUTH=PLAIN AUTH=LOGIN] ready\r\n',
    );
  });

  it('I14 offers STARTTLS and LOGINDISABLED, and no mechanism, while logins in clear text are refused', async () => {
    expect(await greeting(false, false)).toBe(
      '* OK [CAPABILITY IMAP4rev1 LITERAL- SASL-IR ID ENABLE IDLE STARTTLS LOGINDISABLED] ready\r\n',
    );
  });

  it('I14 X9 offers STARTTLS and mechanisms where the listener allows logins in clear text', async () => {
    expect(await greeting(false, true)).toContain('STARTTLS AUTH=PLAIN AUTH=LOGIN]');
  });

  it('lists capabilities in an untagged answer', async () => {
    expect(
      await answer('a CAPABILITY\r\n', { terms: { capabilities: ['IDLE', 'MOVE'] }, tls: true }),
    ).toMatch(/^\* CAPABILITY IMAP4rev1 LITERAL- SASL-IR ID IDLE MOVE AUTH=PLAIN /);
    expect(await answer('a CAPABILITY\r\n', { tls: true })).toBe(
      '* CAPABILITY IMAP4rev1 LITERAL- SASL-IR ID ENABLE IDLE AUTH=PLAIN AUTH=LOGIN\r\n' +
        'a OK Capabilities before login listed.\r\n',
    );
  });
});

describe('an IMAP client whose login takes long (RFC 9051 7.1.1)', () => {
  it('is told so by an untagged OK, and gets its tagged answer behind', async () => {
    const transport = new MemoryTransport(true);
    const frontend = imap.frontend(new Channel(transport), TERMS);
    transport.feed('a LOGIN u p\r\n');
    const next = await frontend.next();
    if (next.kind !== 'login') throw new Error(`${next.kind} instead of a login`);
    next.waiting();
    next.waiting();
    next.reject('unavailable', 'x');

    expect(transport.output).toMatch(/^(\* OK Please wait, [^\r\n]*\r\n){2}a NO \[UNAVAILABLE\]/);
  });
});

describe('IMAP commands before login (RFC 9051 6.2)', () => {
  it('I3 answers BAD to commands of other states and goes on', async () => {
    expect(await answer('a SELECT INBOX\r\nb NOOP\r\n')).toMatch(/^a BAD .*\r\nb OK NOOP completed\.\r\n$/);
  });

  it.each(['1', 'A.1', 'a]b', 'x-y_z', '00000000', 'a'.repeat(100)])('I4 repeats the tag %s', async (tag) => {
    expect(await answer(`${tag} NOOP\r\n`)).toBe(`${tag} OK NOOP completed.\r\n`);
  });

  it.each(['+', '*', '(', '{', '%', '', 'a"b', 'a\\b', 'a\x01', 'a'.repeat(127), '\x80'])(
    'I4 does not repeat the tag %j',
    async (tag) => {
      expect(await answer(`${tag} NOOP\r\n`)).toMatch(/^\* BAD [^\r]*\r\n$/);
    },
  );

  it('X10 answers ENABLE as Dovecot does, and enables nothing', async () => {
    expect(await answer('a ENABLE UTF8=ACCEPT CONDSTORE\r\nb enable qresync \r\n')).toBe(
      '* ENABLED\r\na OK Nothing can be enabled before login.\r\n' +
        '* ENABLED\r\nb OK Nothing can be enabled before login.\r\n',
    );
  });

  it.each(['ENABLE', 'ENABLE ', 'ENABLE "X"', 'ENABLE (X)', 'ENABLE X  Y', 'ENABLE {1+}\r\nX'])(
    'X10 answers BAD to %j',
    async (command) => {
      expect(await answer(`a ${command}\r\nb NOOP\r\n`)).toMatch(
        /^a BAD [^\r]*\r\nb OK NOOP completed\.\r\n$/,
      );
    },
  );

  it('I5 takes commands and mechanisms in any case', async () => {
    expect(await answer('1 nOoP\r\n2 authenticate plain\r\n')).toBe('1 OK NOOP completed.\r\n+ \r\n');
  });

  it('I6 answers an empty line and a missing command', async () => {
    expect(await answer('\r\na\r\n')).toBe(
      '* BAD A command begins with a tag of ASCII letters and digits.\r\na BAD The command is missing.\r\n',
    );
  });

  it('I6 answers BAD to two spaces behind the tag', async () => {
    expect(await answer('a  NOOP\r\n')).toMatch(/^a BAD /);
  });

  it('I28 says BYE before the tagged OK of LOGOUT and closes', async () => {
    const { output, departed, transport } = await converse(imap, 'a LOGOUT\r\n');

    expect(output).toBe('* BYE Logging out\r\na OK LOGOUT completed.\r\n');
    expect(departed).toBe('logout');
    expect(transport.closedBy).toBe('close');
  });

  it('T22 tells a client without tags what is missing', async () => {
    expect(await answer('LOGIN a p\r\n')).toMatch(/^LOGIN BAD The first word of a line is a tag/);
  });

  it('T21 takes lines that end in LF alone', async () => {
    const { output, residual } = await converse(imap, '1 login a p\n2 logout\n');

    expect(output).toBe('1 OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n');
    expect(residual).toBe('2 logout\n');
  });

  it('I26 answers each of several commands in one segment, and leaves those behind the login to the node', async () => {
    const { output, residual } = await converse(
      imap,
      'a NOOP\r\nb LOGIN u p\r\nc SELECT INBOX\r\nd NOOP\r\n',
    );

    expect(output).toBe('a OK NOOP completed.\r\nb OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n');
    expect(residual).toBe('c SELECT INBOX\r\nd NOOP\r\n');
  });

  it('ends the connection at the third bad command in a row', async () => {
    const { output, departed } = await converse(
      imap,
      'a X\r\nb X\r\nc NOOP\r\nd X\r\ne X\r\nf X\r\ng NOOP\r\n',
    );

    expect(departed).toBe('tooManyBadCommands');
    expect(output).toMatch(/f BAD [^\r]*\r\n\* BYE Too many invalid commands\.\r\n$/);
  });

  it.each([
    'GET / HTTP/1.1\r\n',
    'POST / HTTP/1.1\r\n',
    'EHLO x\r\n',
    'PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n',
    '\x16\x03\x01\x02',
  ])('T20 says nothing to a peer that opens with %j', async (opener) => {
    const { output, departed } = await converse(imap, opener);

    expect(output).toBe('');
    expect(departed).toBe('notMail');
  });

  it('says as little to one that does so behind STARTTLS', async () => {
    const { output, departed } = await converse(imap, ['a STARTTLS\r\n', PAUSE, '\x16\x03\x01\r\n']);

    expect(output).toBe('a OK Begin TLS negotiation now.\r\n<TLS>');
    expect(departed).toBe('notMail');
  });

  it('I25 ends the connection at a line without end', async () => {
    const { output, departed } = await converse(imap, 'a'.repeat(13_000));

    expect(output).toBe('* BYE [TOOBIG] Input too long.\r\n');
    expect(departed).toBe('tooLong');
  });

  it('I24 takes a line of 8191 octets', async () => {
    expect(await answer(`a LOGIN u "${'x'.repeat(8180)}"\r\n`)).toBe(`a ${AUTHENTICATION_FAILED}`);
  });

  it('I27 says why it ends a connection that does not log in', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const transport = new MemoryTransport(true);
    const frontend = imap.frontend(new Channel(transport), TERMS);
    await frontend.greet();

    const next = frontend.next();
    await vi.advanceTimersByTimeAsync(120_000);

    expect(await next).toEqual({ kind: 'departed', how: 'timeout' });
    expect(transport.output).toMatch(/\* BYE Disconnected for inactivity\.\r\n$/);
    vi.useRealTimers();
  });
});

describe('IMAP LOGIN (RFC 9051 6.2.3)', () => {
  it.each([
    ['atoms', 'a LOGIN u p\r\n', 'u', 'p'],
    ['quoted strings', 'a LOGIN "te\\\\\\"st" "se\\\\cret"\r\n', 'te\\"st', 'se\\cret'],
    ['a quoted password with spaces and brackets', 'a LOGIN u "p w(d{%*}"\r\n', 'u', 'p w(d{%*}'],
    ['8-bit octets (T26, X7)', 'a LOGIN "us\xc3\xa9r" "p\xc3\xa4ss"\r\n', 'us\xc3\xa9r', 'p\xc3\xa4ss'],
    [
      'an unquoted name with signs (T9)',
      'a LOGIN o\'neil+tag@ex "p\\"w\\\\x"\r\n',
      "o'neil+tag@ex",
      'p"w\\x',
    ],
    ['non-synchronising literals (T5)', 'a LOGIN {1+}\r\nu {9+}\r\nsecretpwd\r\n', 'u', 'secretpwd'],
    ['a literal and a quoted string', 'a LOGIN {4+}\r\nte"s "se\\"cret"\r\n', 'te"s', 'se"cret'],
    ['a quoted string and a literal', 'a LOGIN "u" {3+}\r\na\r\n\r\n', 'u', 'a\r\n'],
    ['an empty literal (I12)', 'a LOGIN u {0+}\r\n\r\n', 'u', ''],
    ['a length with a leading zero (I12)', 'a LOGIN u {01+}\r\nx\r\n', 'u', 'x'],
    ['an empty quoted string', 'a LOGIN u ""\r\n', 'u', ''],
    ['trailing spaces', 'a LOGIN u p1  \r\n', 'u', 'p1'],
  ])('takes %s', async (_what, script, authcid, password) => {
    const { logins } = await converse(imap, script);

    expect(logins).toEqual([{ authzid: '', authcid, password, mechanism: 'LOGIN command' }]);
  });

  it('I8 T16 asks for synchronising literals with + and takes them in both places', async () => {
    const { output, logins } = await converse(imap, [
      'a01 LOGIN {18}\r\n',
      PAUSE,
      'te"st\\@example.com {8}\r\n',
      PAUSE,
      'se\\"cret\r\n',
    ]);

    expect(output).toBe(`+ OK\r\n+ OK\r\na01 ${AUTHENTICATION_FAILED}`);
    expect(logins[0]).toMatchObject({ authcid: 'te"st\\@example.com', password: 'se\\"cret' });
  });

  it('I9 answers what is pipelined behind a command that ends in a literal', async () => {
    const { output, logins } = await converse(imap, 'a LOGIN {1+}\r\nu {1+}\r\nx\r\nb NOOP\r\n');

    expect(logins).toHaveLength(1);
    expect(output).toBe(`a ${AUTHENTICATION_FAILED}b OK NOOP completed.\r\n`);
  });

  it('I10 T17 consumes the literals of a rejected command', async () => {
    expect(await answer('a03 FOOBAR {10+}\r\ntest test \r\na04 NOOP\r\n')).toMatch(
      /^a03 BAD [^\r]*\r\na04 OK NOOP completed\.\r\n$/,
    );
  });

  it('I10 never reads the octets of a literal as a command', async () => {
    const { output, logins } = await converse(imap, 'a FOOBAR {13+}\r\nx LOGIN u p\r\n\r\nb NOOP\r\n');

    expect(logins).toEqual([]);
    expect(output).toMatch(/^a BAD [^\r]*\r\nb OK NOOP completed\.\r\n$/);
  });

  it('I11 refuses a synchronising literal that is too long instead of asking for it', async () => {
    expect(await answer('a LOGIN {999999999}\r\nb NOOP\r\n')).toBe(
      'a BAD [TOOBIG] The literal is too long.\r\nb OK NOOP completed.\r\n',
    );
  });

  it('X1 consumes a non-synchronising literal above 4096 octets and answers BAD (RFC 7888 5)', async () => {
    const accepted = await converse(imap, `a LOGIN u {4096+}\r\n${'x'.repeat(4096)}\r\n`);
    const refused = await converse(imap, `a LOGIN u {4097+}\r\n${'x'.repeat(4097)}\r\nb NOOP\r\n`);

    expect(accepted.logins[0]?.password).toHaveLength(4096);
    expect(refused.logins).toEqual([]);
    expect(refused.output).toBe('a BAD [TOOBIG] The literal is too long.\r\nb OK NOOP completed.\r\n');
  });

  it('ends the connection for a non-synchronising literal above 64 KiB', async () => {
    const { output, departed } = await converse(imap, 'a LOGIN u {65537+}\r\nxxx');

    expect(output).toBe('* BYE [TOOBIG] Input too long.\r\n');
    expect(departed).toBe('tooLong');
  });

  it('ends the connection when many small literals add up', async () => {
    const { departed } = await converse(imap, `a ID (${'{0+}\r\n '.repeat(20_000)}`);

    expect(departed).toBe('tooLong');
  });

  it.each([
    ['a backslash before another character (I7)', 'a LOGIN u "a\\x"\r\n'],
    ['a line end in a quoted string (I7)', 'a LOGIN "a\r\n'],
    ['a NUL in a quoted string', 'a LOGIN u "a\0b"\r\n'],
    ['a NUL in a literal (I8)', 'a LOGIN u {3+}\r\na\0b\r\n'],
    ['one argument', 'a LOGIN u\r\n'],
    ['no argument', 'a LOGIN\r\n'],
    ['three arguments', 'a LOGIN u p q\r\n'],
    ['two spaces', 'a LOGIN u  p\r\n'],
    ['a list', 'a LOGIN (u) p\r\n'],
    ['{+}', 'a LOGIN u {+}\r\n'],
    ['{-1}', 'a LOGIN u {-1}\r\n'],
    ['{1 }', 'a LOGIN u {1 }\r\n'],
    ['{10++}', 'a LOGIN u {10++}\r\n'],
    ['{+10}', 'a LOGIN u {+10}\r\n'],
    ['a number without end', 'a LOGIN u {99999999999999999999}\r\n'],
  ])('I12 answers BAD to %s', async (_what, script) => {
    const { output, logins } = await converse(imap, script);

    expect(logins).toEqual([]);
    expect(output).toMatch(/^a BAD /);
  });

  it('I13 consumes a literal8 and answers BAD', async () => {
    const { output, logins } = await converse(imap, 'a LOGIN u ~{3+}\r\nabc\r\nb NOOP\r\n');

    expect(logins).toEqual([]);
    expect(output).toMatch(/^a BAD [^\r]*\r\nb OK NOOP completed\.\r\n$/);
  });

  it('I15 refuses LOGIN in clear text before it knows the password, and says which event it was', async () => {
    const { output, logins, refusals } = await converse(imap, 'a LOGIN u p\r\n', NO_PLAINTEXT);

    expect(output).toBe('a NO [PRIVACYREQUIRED] Logins in clear text are not allowed; use TLS.\r\n');
    expect(logins).toEqual([]);
    expect(refusals).toEqual(['tlsRequired']);
  });

  it('I15 refuses the literal of a LOGIN in clear text instead of asking for the password', async () => {
    const { output, refusals } = await converse(
      imap,
      'a LOGIN {1}\r\nb LOGIN {1+}\r\nu {1+}\r\np\r\nc NOOP\r\n',
      NO_PLAINTEXT,
    );

    expect(output).toMatch(/^a NO \[PRIVACYREQUIRED\][^\r]*\r\nb NO \[PRIVACYREQUIRED\][^\r]*\r\nc OK/);
    expect(refusals).toHaveLength(2);
  });

  it('counts refusals in clear text like failed logins, since each costs a log line', async () => {
    const { departed, refusals } = await converse(imap, 'a LOGIN u p\r\n'.repeat(50), NO_PLAINTEXT);

    expect(departed).toBe('tooManyFailures');
    expect(refusals).toHaveLength(10);
  });

  it('A29 serves what is behind a refused login itself, and gives the node what is behind the accepted one', async () => {
    const { output, residual } = await converse(imap, 'a LOGIN u bad\r\nb LOGIN u p\r\nc NOOP\r\n');

    expect(output).toBe(`a ${AUTHENTICATION_FAILED}b OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n`);
    expect(residual).toBe('c NOOP\r\n');
  });

  it('says BYE behind the answer to the last failed login that is allowed', async () => {
    const { output, departed } = await converse(imap, 'a LOGIN u x\r\nb LOGIN u x\r\nc NOOP\r\n', {
      terms: { maxFailures: 2 },
    });

    expect(departed).toBe('tooManyFailures');
    expect(output).toBe(
      `a ${AUTHENTICATION_FAILED}b ${AUTHENTICATION_FAILED}* BYE Too many failed logins.\r\n`,
    );
  });
});

describe('X4 IMAP answers to failed logins (RFC 5530)', () => {
  it('I29 A18 tells an unknown user, a wrong password and a locked account the same, octet for octet', async () => {
    const answers = await Promise.all(
      (['unknownUser', 'wrongPassword', 'locked', 'badName'] as const).map((reason) =>
        answer('a LOGIN u x\r\n', { judge: () => reason }),
      ),
    );

    expect(new Set(answers).size).toBe(1);
  });

  it.each([
    ['unknownUser', AUTHENTICATION_FAILED],
    ['wrongPassword', AUTHENTICATION_FAILED],
    ['locked', AUTHENTICATION_FAILED],
    ['notAuthorized', 'NO [AUTHORIZATIONFAILED] Not authorized to act as this user.\r\n'],
    ['expired', 'NO [EXPIRED] The password has expired or must be changed.\r\n'],
    ['disabled', 'NO [CONTACTADMIN] This account may not be used; ask your administrator.\r\n'],
    [
      'noHome',
      'NO [CONTACTADMIN] This account is not set up correctly; ask your administrator. [ref:REF]\r\n',
    ],
    ['directoryDown', 'NO [UNAVAILABLE] Temporary failure; try again later. [ref:REF]\r\n'],
    ['nodeRefusedProxy', 'NO [UNAVAILABLE] Temporary failure; try again later. [ref:REF]\r\n'],
    ['nodeLimit', 'NO [LIMIT] Too many connections.\r\n'],
    ['nodeInUse', 'NO [INUSE] The mailbox is in use; try again later.\r\n'],
  ] as const)('%s', async (reason, expected) => {
    expect(await answer('a LOGIN u x\r\n', { judge: () => reason })).toBe(`a ${expected}`);
  });
});

describe('IMAP AUTHENTICATE (RFC 9051 6.2.2, RFC 4959)', () => {
  it('T1 I21 asks with a plus and a space, and takes the response', async () => {
    const { output, logins } = await converse(imap, ['1 authenticate PLAIN\r\n', PAUSE, `${PLAIN_OK}\r\n`]);

    expect(output).toBe('+ \r\n1 OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n');
    expect(logins).toEqual([{ authzid: '', authcid: 'u', password: 'p', mechanism: 'PLAIN' }]);
  });

  it('T3 X2 takes an initial response', async () => {
    expect(await answer(`1 AUTHENTICATE PLAIN ${PLAIN_OK}\r\n`)).toBe(
      '1 OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n',
    );
  });

  it('T7 hands on the authzid', async () => {
    const { logins } = await converse(imap, `a AUTHENTICATE PLAIN ${b64('u\0u\0p')}\r\n`);

    expect(logins).toEqual([{ authzid: 'u', authcid: 'u', password: 'p', mechanism: 'PLAIN' }]);
  });

  it('M2 runs LOGIN with its two prompts', async () => {
    const { output, logins } = await converse(imap, `a AUTHENTICATE LOGIN\r\n${b64('u')}\r\n${b64('p')}\r\n`);

    expect(output).toBe('+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\na OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n');
    expect(logins).toEqual([{ authzid: '', authcid: 'u', password: 'p', mechanism: 'LOGIN' }]);
  });

  it('M2 X2 takes the user name of LOGIN as initial response', async () => {
    expect(await answer(`a AUTHENTICATE LOGIN ${b64('u')}\r\n${b64('p')}\r\n`)).toBe(
      '+ UGFzc3dvcmQ6\r\na OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n',
    );
  });

  it('I20 M9 answers NO to a mechanism that it does not have', async () => {
    expect(await answer('a AUTHENTICATE EXTERNAL =\r\nb AUTHENTICATE GSSAPI\r\n')).toBe(
      'a NO Unsupported authentication mechanism.\r\nb NO Unsupported authentication mechanism.\r\n',
    );
  });

  it('I20 answers BAD when the client gives up with *', async () => {
    expect(await answer('a AUTHENTICATE PLAIN\r\n*\r\n')).toBe(
      '+ \r\na BAD Authentication aborted by the client.\r\n',
    );
  });

  it.each(['=AAA', 'AAA=BBB', 'A', 'AA==A', 'AA AA', 'A-_A', 'AB==', '%'])(
    'I20 answers BAD to %j as base64, and goes on',
    async (response) => {
      expect(await answer(`a AUTHENTICATE PLAIN\r\n${response}\r\nb NOOP\r\n`)).toBe(
        '+ \r\na BAD Invalid base64.\r\nb OK NOOP completed.\r\n',
      );
    },
  );

  it('I22 tells an empty initial response from none', async () => {
    expect(await answer('a AUTHENTICATE PLAIN =\r\n')).toBe('a BAD This is no message of PLAIN.\r\n');
  });

  it.each([
    ['no NUL', 'u p'],
    ['one NUL', 'u\0p'],
    ['three NULs', '\0u\0p\0'],
  ])('M1 answers BAD to a PLAIN message with %s (RFC 4616)', async (_what, message) => {
    expect(await answer(`a AUTHENTICATE PLAIN ${b64(message)}\r\n`)).toBe(
      'a BAD This is no message of PLAIN.\r\n',
    );
  });

  it('M1 takes fields of 255 octets', async () => {
    const long = 'x'.repeat(255);
    const { logins } = await converse(imap, `a AUTHENTICATE PLAIN ${b64(`${long}\0${long}\0${long}`)}\r\n`);

    expect(logins[0]).toMatchObject({ authzid: long, authcid: long, password: long });
  });

  it('I15 refuses AUTHENTICATE in clear text', async () => {
    const { output, refusals } = await converse(imap, `a AUTHENTICATE PLAIN ${PLAIN_OK}\r\n`, NO_PLAINTEXT);

    expect(output).toBe('a NO [PRIVACYREQUIRED] Logins in clear text are not allowed; use TLS.\r\n');
    expect(refusals).toEqual(['tlsRequired']);
  });

  it('takes STARTTLS in the place of a response for what it is: bad base64', async () => {
    const { output, transport } = await converse(imap, 'a AUTHENTICATE PLAIN\r\nb STARTTLS\r\n');

    expect(output).toBe('+ \r\na BAD Invalid base64.\r\n');
    expect(transport.upgraded).toBeUndefined();
  });

  it('ends the connection at a response without end', async () => {
    expect((await converse(imap, `a AUTHENTICATE PLAIN\r\n${'A'.repeat(13_000)}`)).departed).toBe('tooLong');
  });
});

describe('IMAP STARTTLS (RFC 9051 6.2.1)', () => {
  it('starts TLS, and lists other capabilities afterwards', async () => {
    const { output } = await converse(imap, ['a STARTTLS\r\n', PAUSE, 'b CAPABILITY\r\n'], NO_PLAINTEXT);

    expect(output).toBe(
      'a OK Begin TLS negotiation now.\r\n<TLS>' +
        '* CAPABILITY IMAP4rev1 LITERAL- SASL-IR ID ENABLE IDLE AUTH=PLAIN AUTH=LOGIN\r\n' +
        'b OK Capabilities before login listed.\r\n',
    );
  });

  it.each([
    ['a command', 'a STARTTLS\r\nINJ NOOP\r\n', 'b NOOP\r\n'],
    ['half a command', 'a STARTTLS\r\nINJ NO', 'OP\r\nb NOOP\r\n'],
    ['a literal header', 'a STARTTLS\r\nx LOGIN {5+}\r\n', 'b NOOP\r\n'],
    ['an open AUTHENTICATE', 'a STARTTLS\r\nx AUTHENTICATE PLAIN\r\n', 'b NOOP\r\n'],
  ])('T24 I19 A1 forgets %s that was sent in clear text behind it', async (_what, clear, secured) => {
    const { output, logins } = await converse(imap, [clear, PAUSE, secured]);

    expect(output).toContain('b OK NOOP completed.\r\n');
    expect(output).not.toMatch(/INJ|\+ |x /);
    expect(logins).toEqual([]);
  });

  it('I16 I17 answers BAD when TLS is on already, or with arguments', async () => {
    expect(await answer('a STARTTLS\r\n', { tls: true })).toBe('a BAD TLS is on already.\r\n');
    expect(await answer('a STARTTLS now\r\n')).toMatch(/^a BAD /);
  });

  it('answers BAD where it has no certificate', async () => {
    expect(await answer('a STARTTLS\r\n', { terms: { startTls: false } })).toBe(
      'a BAD TLS is not available.\r\n',
    );
  });

  it('I18 leaves the client not authenticated, whatever TLS told of it', async () => {
    const { output } = await converse(imap, ['a STARTTLS\r\n', PAUSE, 'b SELECT INBOX\r\n']);

    expect(output).toMatch(/<TLS>b BAD /);
  });

  it('keeps counting failed logins', async () => {
    const { departed } = await converse(imap, ['a LOGIN u x\r\nb STARTTLS\r\n', PAUSE, 'c LOGIN u x\r\n'], {
      terms: { maxFailures: 2 },
    });

    expect(departed).toBe('tooManyFailures');
  });
});

describe('X3 IMAP ID (RFC 2971)', () => {
  it.each([
    ['NIL', 'ID NIL'],
    ['an empty list', 'ID ()'],
    ['pairs', 'ID ("name" "x" "version" NIL)'],
    ['inner spaces', 'ID ( "name" "x" )'],
    ['31 pairs', `ID (${'"k" "v" '.repeat(31).trim()})`],
    ['a value of 1025 octets', `ID ("name" "${'x'.repeat(1025)}")`],
    [
      '30 pairs of the greatest length',
      `ID (${Array.from({ length: 30 }, (_, i) => `"${String(i).padStart(30, 'k')}" "${'v'.repeat(1024)}"`).join(' ')})`,
    ],
  ])('answers OK to %s', async (_what, command) => {
    expect(await answer(`a ${command}\r\n`)).toBe('* ID ("name" "Homing")\r\na OK ID completed.\r\n');
  });

  it('T5 takes non-synchronising literals, and the login behind it in the same segment', async () => {
    const { output, logins } = await converse(
      imap,
      'A1 ID ("name" {23+}\r\nMicrosoft.Exchange.Imap "version" {6+}\r\n16.0.0)\r\nA2 LOGIN {16+}\r\nuser@example.com {1+}\r\np\r\n',
    );

    expect(output).toBe(
      '* ID ("name" "Homing")\r\nA1 OK ID completed.\r\nA2 OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n',
    );
    expect(logins[0]).toMatchObject({ authcid: 'user@example.com', password: 'p' });
  });

  it('answers BAD to what is no list, without counting it', async () => {
    const { output, departed } = await converse(
      imap,
      'a ID\r\nb ID (\r\nc ID ("a")\r\nd ID x y\r\ne NOOP\r\n',
    );

    expect(output.match(/BAD/g)).toHaveLength(4);
    expect(output).toContain('e OK NOOP completed.\r\n');
    expect(departed).toBe('disconnected');
  });

  it('ends the connection for an ID of more than 40 KiB', async () => {
    expect((await converse(imap, `a ID ("x" "${'v'.repeat(41 * 1024)}")\r\n`)).departed).toBe('tooLong');
  });
});

describe('IMAP welcome', () => {
  it("gives the node's capabilities in the tagged OK", async () => {
    expect(await answer('a LOGIN u p\r\n', { capabilities: ['IMAP4rev1', 'SORT'] })).toBe(
      'a OK [CAPABILITY IMAP4rev1 SORT] Logged in\r\n',
    );
  });

  it('I33 repeats them untagged to a client that asked before, but not if it asked before STARTTLS only', async () => {
    const asked = await answer('a CAPABILITY\r\nb LOGIN u p\r\n');
    const askedBefore = await converse(imap, ['a CAPABILITY\r\nb STARTTLS\r\n', PAUSE, 'c LOGIN u p\r\n']);

    expect(asked).toMatch(
      /\* CAPABILITY IMAP4rev1 IDLE\r\nb OK \[CAPABILITY IMAP4rev1 IDLE\] Logged in\r\n$/,
    );
    expect(askedBefore.output).toMatch(/<TLS>c OK \[CAPABILITY IMAP4rev1 IDLE\] Logged in\r\n$/);
  });
});

describe('an IMAP client that leaves', () => {
  it('T27 is no error, whether it says LOGOUT or not', async () => {
    expect((await converse(imap, '')).departed).toBe('disconnected');
    expect((await converse(imap, 'a NO')).departed).toBe('disconnected');
  });
});
