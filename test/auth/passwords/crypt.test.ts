import { describe, expect, it } from 'vitest';
import { verifyPassword } from '../../../auth/passwords/schemes.ts';
import { Secret } from '../../../auth/secret.ts';

const signal = new AbortController().signal;

function verify(value: string, password: string) {
  return verifyPassword([value], new Secret(Buffer.from(password)), { allowCleartext: true }, signal);
}

// Made by crypt(3) of glibc 2.36 and libxcrypt, by `openssl passwd`, and by Python's hashlib.
const PASSWORD = 'pässwörd x';
const VALUES: readonly string[] = [
  '{CRYPT}$6$saltsalt$5K/w2FU5wLLtHXNc4MOcaKimVXV7m7ZTf10M7cOkgwdzf0C479//2ivy6OnyghGPIG03mtjtSAH6o7qf5/fNs1',
  '{CRYPT}$5$saltsalt$2FM0bXvmzZ1xbnEP8ZDvIRyKr01i9nBJ6474oMSMXd3',
  '{CRYPT}$6$rounds=10000$roundssalt$qN3qqDICLPyn1HyT8B3dvhHwPI5NN4GLi1mpBnY6QIb2SZxNKQayXEihKC8H7c.hIelaUcySSOss9cRkipr1M/',
  '{CRYPT}$5$rounds=10000$roundssalt$FpogNUvzS.H1Y20T525KveXCBZ3ME0mIbp/p8ZpI4G4',
  '{SHA512-CRYPT}$6$a$wtzUvd/Hv43m5aoGtsLEqBoFHDUOjsviLP9.33NsjeteErhz7szcd4vlLbg2Aib9JsZ98pDUfrWdhsNzaFZmT.',
  '{sha256-crypt}$5$saltsalt$2FM0bXvmzZ1xbnEP8ZDvIRyKr01i9nBJ6474oMSMXd3',
  '{CRYPT}$2y$05$abcdefghijklmnopqrstuuXI5/47HjOCmJyFUXkWsnMXDDnZYm.HW',
  '{CRYPT}$2b$05$abcdefghijklmnopqrstuuXI5/47HjOCmJyFUXkWsnMXDDnZYm.HW',
  '{CRYPT}$2a$05$abcdefghijklmnopqrstuuXI5/47HjOCmJyFUXkWsnMXDDnZYm.HW',
  '{BLF-CRYPT}$2y$05$abcdefghijklmnopqrstuuXI5/47HjOCmJyFUXkWsnMXDDnZYm.HW',
  '{PBKDF2}10000$MDEyMzQ1Njc4OWFiY2RlZg$SHX1hYF6pMS9TDsWwbVIM8FY0G8',
  '{PBKDF2-SHA1}10000$MDEyMzQ1Njc4OWFiY2RlZg$SHX1hYF6pMS9TDsWwbVIM8FY0G8',
  '{PBKDF2-SHA256}10000$MDEyMzQ1Njc4OWFiY2RlZg$vfopsAfBxzQj0gWTIL4iZENzTPtyQBvnmCf/anLCu3o',
  '{PBKDF2-SHA512}10000$MDEyMzQ1Njc4OWFiY2RlZg$6pNGrf5j3PX2hOw7DUFrnRY0ln7SpbxtT0dPUFeBuX1RM2Sf4dCjNMa6A4x7h1JxCaW42du0J1LR7WEufVlUFg',
];

describe('verifyPassword with the values of crypt(3) and pw-pbkdf2', () => {
  it.each(VALUES)('tells the right password from a wrong one by %s', async (value) => {
    expect(await verify(value, PASSWORD)).toBe('right');
    expect(await verify(value, 'passwort x')).toBe('wrong');
  });

  // Lengths at which a digest ends; the package unixcrypt is wrong there.
  it.each([
    ['x'.repeat(32), '$5$saltsalt$nVO9zoM.Bfq522j476PYcqDc2vxmMSeMl7RsOoxrn37'],
    ['x'.repeat(33), '$5$rounds=1000$$tLRtXqEjhyTP85hR6osl2sfjJ8w.MW2qghiYMym8vq.'],
    [
      'y'.repeat(64),
      '$6$saltsalt$1AKOANKcRWhjPuI/uymeO9TJwvR7wMlObpC.dWpnDrNlOA1q4DXaix2G/Fyy.MEJ6FPppEeAdkSO6UhiglfkZ.',
    ],
    [
      'z'.repeat(128),
      '$6$rounds=1000$saltsalt$pQ8oR7.v4BLSCr1JwUps8ditac7AjdulXZzZnFfd99AsFboaH3Tu00R/EyeM0dtrStnQ1r3QxC3WTFiuLKSAC0',
    ],
  ])('is right for the long password %s', async (password, value) => {
    expect(await verify(`{CRYPT}${value}`, password)).toBe('right');
    expect(await verify(`{CRYPT}${value}`, `${password}x`)).toBe('wrong');
  });

  it('takes 72 octets of a password for bcrypt, as crypt(3) does', async () => {
    const value = '{CRYPT}$2b$05$abcdefghijklmnopqrstuueTFRGDqVFTIfwSnwEw/V4ZpLYuQbKSG';

    expect(await verify(value, 'p'.repeat(80))).toBe('right');
    expect(await verify(value, 'p'.repeat(72))).toBe('right');
    expect(await verify(value, 'p'.repeat(71))).toBe('wrong');
  });

  it.each([
    ['md5-crypt', '{CRYPT}$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/'],
    ['yescrypt', '{CRYPT}$y$j9T$abc$def'],
    ['DES', '{CRYPT}abJnggxhB/yWI'],
    ['nothing', '{CRYPT}'],
    ['half a hash', '{CRYPT}$6$saltsalt$5K/w2FU5wLLtHXNc4MOca'],
    ['the hash of the other kind', '{CRYPT}$6$saltsalt$2FM0bXvmzZ1xbnEP8ZDvIRyKr01i9nBJ6474oMSMXd3'],
    ['a salt of other characters', `{CRYPT}$6$salt salt$${'x'.repeat(86)}`],
    ['more rounds than a second has', `{CRYPT}$6$rounds=200001$salt$${'x'.repeat(86)}`],
    ['as many rounds as there may be', `{CRYPT}$5$rounds=999999999$salt$${'x'.repeat(43)}`],
    ['more cost than a second has', '{CRYPT}$2b$13$abcdefghijklmnopqrstuueTFRGDqVFTIfwSnwEw/V4ZpLYuQbKSG'],
    ['the most cost', '{CRYPT}$2b$31$abcdefghijklmnopqrstuueTFRGDqVFTIfwSnwEw/V4ZpLYuQbKSG'],
    [
      'a cost that bcrypt does not have',
      '{CRYPT}$2b$03$abcdefghijklmnopqrstuueTFRGDqVFTIfwSnwEw/V4ZpLYuQbKSG',
    ],
    ['bcrypt of PHP’s old kind', '{CRYPT}$2x$05$abcdefghijklmnopqrstuueTFRGDqVFTIfwSnwEw/V4ZpLYuQbKSG'],
    ['bcrypt as SHA-512', '{SHA512-CRYPT}$2b$05$abcdefghijklmnopqrstuueTFRGDqVFTIfwSnwEw/V4ZpLYuQbKSG'],
    ['SHA-256 as bcrypt', '{BLF-CRYPT}$5$saltsalt$2FM0bXvmzZ1xbnEP8ZDvIRyKr01i9nBJ6474oMSMXd3'],
    [
      'more iterations than a second has',
      '{PBKDF2}1000001$MDEyMzQ1Njc4OWFiY2RlZg$SHX1hYF6pMS9TDsWwbVIM8FY0G8',
    ],
    ['no iterations', '{PBKDF2}0$MDEyMzQ1Njc4OWFiY2RlZg$SHX1hYF6pMS9TDsWwbVIM8FY0G8'],
    ['a key that is too short', '{PBKDF2}1000$MDEyMzQ1Njc4OWFiY2RlZg$SHX1'],
    ['two fields', '{PBKDF2}1000$MDEyMzQ1Njc4OWFiY2RlZg'],
  ])('calls a value with %s unverifiable, at once', async (_what, value) => {
    expect(await verify(value, PASSWORD)).toBe('unverifiable');
  });

  it('F36 leaves the event loop to others meanwhile', async () => {
    const value = `{CRYPT}$6$rounds=50000$saltsalt$${'x'.repeat(86)}`;
    let done = false;
    const verified = Promise.all([1, 2, 3].map(() => verify(value, PASSWORD))).finally(() => {
      done = true;
    });

    let turns = 0;
    while (!done) {
      await new Promise((resolve) => setImmediate(resolve));
      turns += 1;
    }

    expect(await verified).toEqual(['wrong', 'wrong', 'wrong']);
    // Computed here, the loop would turn a few times for each.
    expect(turns).toBeGreaterThan(50);
  });
});
