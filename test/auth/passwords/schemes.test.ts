import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { LoginFailure } from '../../../auth/failure.ts';
import { hashPassword, verifyPassword } from '../../../auth/passwords/schemes.ts';
import { Secret } from '../../../auth/secret.ts';

const secret = (text: string) => new Secret(Buffer.from(text));

async function verify(stored: string | readonly string[], password: string, allowCleartext = false) {
  const values = typeof stored === 'string' ? [stored] : stored;
  return await verifyPassword(values, secret(password), { allowCleartext }, new AbortController().signal);
}

// Made by slappasswd 2.5 and Python's hashlib.
const STORED: readonly (readonly [scheme: string, value: string])[] = [
  ['{SHA}', '{SHA}VHsYLU/uCAarQaTN4WZVsim3X3A='],
  ['{SSHA}', '{SSHA}7tMKqbTSeCIcV5Y08AtdcGWI0gFz24PZ'],
  ['{SHA256}', '{SHA256}178CRy+sT6eJYhpBbe3+/KG/DxWIsq8A+jy+JjPg4cI='],
  ['{SSHA256}', '{SSHA256}vHPLpJ0llDXIjYBxWbrYaGQpa17aeW9rY8aGArTBPuRzYWx0c2FsdA=='],
  ['{SHA384}', '{SHA384}6XVYnGYJ7EtvIzaVMvqXxz3b4puPgKgaPqZVrzW+KCXk8WfTs5whHQnf8dOnPTOP'],
  ['{SSHA384}', '{SSHA384}+byPS1caWaQxUjJb7F54BjcVV3gDK2fSbPylmbAFkg9gjR/vkzvYD8ExpEANl6v8c2FsdHNhbHQ='],
  [
    '{SHA512}',
    '{SHA512}8hhdfF8OgYKYbA3l9R6HQeA02w+X5AfgFobUPmGGTyhCL7KZD7guqms41joytc/+Rs+WXnjvtHa2CeZrP0gCTg==',
  ],
  [
    '{SSHA512}',
    '{SSHA512}GDFJjrySyDiXqZDzkid4D6ocMnV296GIGjFnPtWy/gvy6clxGtDBctC/ayqcpPcMrJGjMS328NOrerMWyNSbHN3iF4cCQkFk',
  ],
  [
    '{ARGON2}',
    '{ARGON2}$argon2i$v=19$m=4096,t=3,p=1$00NFTK+ArM48oD+WC8WIdg$ZbV/44e2jSRddy+KL7hUkG7aO85O1XPEuuJdCfKyVl8',
  ],
];
const PASSWORD = 'pässwörd x';

describe('verifyPassword', () => {
  it.each(STORED)('tells the right password from a wrong one by %s', async (_, value) => {
    expect(await verify(value, PASSWORD)).toBe('right');
    expect(await verify(value, 'passwort x')).toBe('wrong');
  });

  it('verifies {SCRAM-SHA-256} with the salt of RFC 7677 section 3', async () => {
    const value =
      '{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=';

    expect(await verify(value, 'pencil')).toBe('right');
    expect(await verify(value, 'Pencil')).toBe('wrong');
  });

  it('knows schemes in any case, and values without padding', async () => {
    expect(await verify('{ssha}7tMKqbTSeCIcV5Y08AtdcGWI0gFz24PZ', PASSWORD)).toBe('right');
    expect(await verify('{SHA}VHsYLU/uCAarQaTN4WZVsim3X3A', PASSWORD)).toBe('right');
  });

  it.each([
    ['an unknown scheme', '{CRYPT}$y$j9T$abc$def'],
    ['a pass-through', '{SASL}alice@EXAMPLE.ORG'],
    ['rubbish for base64', '{SSHA}***'],
    ['a digest that is too short', '{SSHA}c2hvcnQ='],
    ['a salt where none belongs', '{SHA}7tMKqbTSeCIcV5Y08AtdcGWI0gFz24PZ'],
    ['an empty digest', '{SHA}'],
    ['an empty value', ''],
    [
      'more memory than allowed',
      '{ARGON2}$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAA',
    ],
    [
      'more passes than allowed',
      '{ARGON2}$argon2id$v=19$m=64,t=100,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAA',
    ],
    [
      'another version of Argon2',
      '{ARGON2}$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAA',
    ],
    ['more iterations than allowed', '{SCRAM-SHA-256}9000000,c2FsdA==,c2FsdA==,c2FsdA=='],
    ['too few fields', '{SCRAM-SHA-256}4096,c2FsdA=='],
  ])('calls a value with %s unverifiable, not a wrong password', async (_, value) => {
    expect(await verify(value, PASSWORD, true)).toBe('unverifiable');
  });

  it.each(['secret', '{CLEARTEXT}secret', '{PLAIN}secret'])(
    'takes %s for the password only if allowed',
    async (value) => {
      expect(await verify(value, 'secret', true)).toBe('right');
      expect(await verify(value, 'Secret', true)).toBe('wrong');
      expect(await verify(value, 'secret', false)).toBe('unverifiable');
    },
  );

  it('lets any of several values match', async () => {
    const values = STORED.map(([, value]) => value).slice(0, 3);

    expect(await verify(['{SHA256}n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=', ...values], 'test')).toBe(
      'right',
    );
    expect(await verify(values, 'other')).toBe('wrong');
  });

  it('does not call a password wrong while one of several values could not be read', async () => {
    expect(await verify(['{SHA}VHsYLU/uCAarQaTN4WZVsim3X3A=', '{CRYPT}x'], 'other')).toBe('unverifiable');
    expect(await verify(['{CRYPT}x', '{SHA}VHsYLU/uCAarQaTN4WZVsim3X3A='], PASSWORD)).toBe('right');
  });

  it.each(['ARGON2', 'SCRAM-SHA-256'] as const)(
    'calls it no bug and no wrong password when {%s} had no turn in time',
    async (scheme) => {
      const stored = await hashPassword(scheme, secret(PASSWORD));
      const others = Array.from({ length: availableParallelism() }, () => verify(stored, PASSWORD));
      const budget = new AbortController();

      const late = verifyPassword([stored], secret(PASSWORD), { allowCleartext: false }, budget.signal);
      budget.abort(new DOMException('not done within 6000 ms', 'TimeoutError'));

      const failure: unknown = await late.catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(LoginFailure);
      expect(failure).toMatchObject({
        reason: 'directoryDown',
        message: 'too many passwords are being verified',
        cause: expect.objectContaining({ message: 'not done within 6000 ms' }),
      });
      expect(new Set(await Promise.all(others))).toEqual(new Set(['right']));
    },
  );

  it('refuses to work through more than eight values', async () => {
    expect(
      await verify(
        Array.from({ length: 9 }, () => 'secret'),
        'secret',
        true,
      ),
    ).toBe('unverifiable');
  });

  it('calls an entry without a value unverifiable: it may only be unreadable to us', async () => {
    expect(await verify([], 'secret')).toBe('unverifiable');
  });
});

describe('hashPassword', () => {
  it.each(['SSHA512', 'ARGON2', 'SCRAM-SHA-256'] as const)(
    'makes {%s} values that verify, with a new salt each',
    async (scheme) => {
      const [first, second] = [
        await hashPassword(scheme, secret(PASSWORD)),
        await hashPassword(scheme, secret(PASSWORD)),
      ];

      expect(first.startsWith(`{${scheme}}`)).toBe(true);
      expect(first).not.toBe(second);
      expect(await verify(first, PASSWORD)).toBe('right');
      expect(await verify(first, 'other')).toBe('wrong');
    },
  );
});
