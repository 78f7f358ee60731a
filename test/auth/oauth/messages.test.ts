import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseOauthBearer, parseXoauth2 } from '../../../auth/oauth/messages.ts';

const octets = (text: string): Buffer => Buffer.from(text, 'latin1');

function read(parse: typeof parseOauthBearer, text: string) {
  const message = parse(octets(text));
  return (
    message && {
      user: message.user.toString('latin1'),
      token: message.token?.octets.toString('latin1'),
      ...(message.host !== undefined && { host: message.host }),
    }
  );
}

describe('the message of OAUTHBEARER', () => {
  it('is read as in RFC 7628 section 4.1', () => {
    const message =
      'n,a=user@example.com,\x01host=server.example.com\x01port=143\x01' +
      'auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01';

    expect(read(parseOauthBearer, message)).toEqual({
      user: 'user@example.com',
      token: 'vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==',
      host: 'server.example.com',
    });
  });

  it.each([
    ['without a user', 'n,,\x01auth=Bearer t\x01\x01', { user: '', token: 't' }],
    ['of a client that knows channel binding', 'y,,\x01auth=Bearer t\x01\x01', { user: '', token: 't' }],
    ['with an escaped user', 'n,a=a=2Cb=3Dc,\x01auth=Bearer t\x01\x01', { user: 'a,b=c', token: 't' }],
    ['with a user in UTF-8', 'n,a=\xc3\xa4,\x01auth=Bearer t\x01\x01', { user: '\xc3\xa4', token: 't' }],
    ['with the scheme in any case', 'n,,\x01auth=bEARER  t\x01\x01', { user: '', token: 't' }],
    [
      'with keys that nobody knows',
      'n,,\x01mthd=POST\x01path=/\x01auth=Bearer t\x01\x01',
      { user: '', token: 't' },
    ],
    ['without a token, as a client asks for the provider', 'n,a=u,\x01\x01', { user: 'u', token: undefined }],
    ['with an empty one', 'n,a=u,\x01auth=\x01\x01', { user: 'u', token: undefined }],
    ['with another scheme', 'n,a=u,\x01auth=Basic dTpw\x01\x01', { user: 'u', token: undefined }],
    ['with a space in the token', 'n,,\x01auth=Bearer a b\x01\x01', { user: '', token: undefined }],
    ['with CRLF in the token', 'n,,\x01auth=Bearer a\r\n\x01\x01', { user: '', token: undefined }],
  ])('is read %s', (_what, message, expected) => {
    expect(read(parseOauthBearer, message)).toEqual(expected);
  });

  it.each([
    ['nothing', ''],
    ['^A alone, which answers an error', '\x01'],
    ['no header', '\x01auth=Bearer t\x01\x01'],
    ['half a header', 'n,\x01auth=Bearer t\x01\x01'],
    ['channel binding', 'p=tls-exporter,,\x01auth=Bearer t\x01\x01'],
    ['an unknown flag', 'x,,\x01auth=Bearer t\x01\x01'],
    ['an empty user', 'n,a=,\x01auth=Bearer t\x01\x01'],
    ['a user with a comma', 'n,a=a,b,\x01auth=Bearer t\x01\x01'],
    ['a user with a bare =', 'n,a=a=b,\x01auth=Bearer t\x01\x01'],
    ['a user with NUL', 'n,a=a\0,\x01auth=Bearer t\x01\x01'],
    ['one ^A at the end', 'n,,\x01auth=Bearer t\x01'],
    ['no ^A at the end', 'n,,\x01auth=Bearer t'],
    ['something behind the end', 'n,,\x01auth=Bearer t\x01\x01x'],
    ['pairs behind the end', 'n,,\x01\x01auth=Bearer t\x01\x01'],
    ['a pair without =', 'n,,\x01auth\x01\x01'],
    ['a key of more than letters', 'n,,\x01au-th=Bearer t\x01\x01'],
    ['a key twice', 'n,,\x01auth=Bearer t\x01auth=Bearer u\x01\x01'],
    ['NUL in a value', 'n,,\x01auth=Bearer t\0\x01\x01'],
    ['a message of XOAUTH2', 'user=u\x01auth=Bearer t\x01\x01'],
  ])('is not read with %s', (_what, message) => {
    expect(parseOauthBearer(octets(message))).toBeUndefined();
  });
});

describe('the message of XOAUTH2', () => {
  it("is read as in Google's description", () => {
    const message =
      'user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01';

    expect(read(parseXoauth2, message)).toEqual({
      user: 'someuser@example.com',
      token: 'ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg',
    });
  });

  it.each([
    ['an empty user', 'user=\x01auth=Bearer t\x01\x01', { user: '', token: 't' }],
    ['a user with = and a comma', 'user=a=2C,b\x01auth=Bearer t\x01\x01', { user: 'a=2C,b', token: 't' }],
    ['no token', 'user=u\x01\x01', { user: 'u', token: undefined }],
    ['its parts turned round', 'auth=Bearer t\x01user=u\x01\x01', { user: 'u', token: 't' }],
  ])('is read with %s', (_what, message, expected) => {
    expect(read(parseXoauth2, message)).toEqual(expected);
  });

  it.each([
    ['nothing', ''],
    ['no user', 'auth=Bearer t\x01\x01'],
    ['two users', 'user=a\x01user=b\x01auth=Bearer t\x01\x01'],
    ['one ^A at the end', 'user=u\x01auth=Bearer t\x01'],
    ['NUL in the user', 'user=u\0\x01auth=Bearer t\x01\x01'],
    ['a message of OAUTHBEARER', 'n,a=u,\x01auth=Bearer t\x01\x01'],
    ['a message of PLAIN', '\0u\0p'],
  ])('is not read with %s', (_what, message) => {
    expect(parseXoauth2(octets(message))).toBeUndefined();
  });
});

const token = fc.stringMatching(/^[A-Za-z0-9._~+/-]{1,200}={0,2}$/);

describe('any message', () => {
  it('of OAUTHBEARER gives back the user and token that it was made of', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), token, (user, bearer) => {
        fc.pre(!user.includes('\0') && !user.includes('\x01'));
        const saslName = user.replaceAll('=', '=3D').replaceAll(',', '=2C');
        const message = parseOauthBearer(Buffer.from(`n,a=${saslName},\x01auth=Bearer ${bearer}\x01\x01`));

        expect(message?.user.toString()).toBe(user);
        expect(message?.token?.octets.toString()).toBe(bearer);
      }),
    );
  });

  it.each([parseOauthBearer, parseXoauth2])(
    'of rubbish is refused, or has a token of its alphabet',
    (parse) => {
      const piece = fc.constantFrom(
        '\x01',
        'n,',
        'a=',
        'user=',
        'auth=',
        'Bearer ',
        ',',
        '=',
        't',
        '\0',
        '\xff',
      );
      fc.assert(
        fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
          const message = parse(octets(pieces.join('')));

          expect(message?.token?.octets.toString('latin1') ?? 't').toMatch(/^[A-Za-z0-9._~+/-]+=*$/);
        }),
      );
    },
  );

  it('of 64 KiB is judged at once, whatever it repeats (A16)', () => {
    const startedMs = performance.now();
    for (const octet of ['a', '=', '\x01', ',', 'a=\x01', 'n,,\x01', ' ', '=2C']) {
      const many = octet.repeat(65_536 / octet.length);
      for (const message of [many, `n,a=${many}`, `n,,\x01auth=Bearer ${many}`, `user=${many}`]) {
        parseOauthBearer(octets(message));
        parseXoauth2(octets(message));
      }
    }

    expect(performance.now() - startedMs).toBeLessThan(2000);
  });
});
