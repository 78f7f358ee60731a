import { describe, expect, it } from 'vitest';
import { schemaOptions } from '../../../auth/entries/presets.ts';
import { compileSchema } from '../../../auth/entries/schema.ts';
import { verifyStored } from '../../../auth/passwords/stored-password.ts';
import { Secret } from '../../../auth/secret.ts';

const signal = new AbortController().signal;
const schema = compileSchema(schemaOptions(undefined, {}));

function verify(values: readonly string[], allowCleartext = false) {
  const entry = { dn: 'uid=a', attributes: new Map([['userpassword', values]]) };
  return verifyStored({ entry, schema, rules: { allowCleartext } }, new Secret(Buffer.from('x')), signal);
}

describe('verifyStored', () => {
  it.each<[string, readonly string[], string]>([
    ['nothing', [], 'the entry has no userPassword, or bindDn may not read it'],
    ['too many values', Array.from({ length: 9 }, () => '{SHA}x'), 'more than 8 values of userPassword'],
    ['a password', ['CANARY'], 'is in clear text, which allowCleartext does not permit; make a hash with'],
    ['{PLAIN}', ['{PLAIN}CANARY'], 'is in clear text, which allowCleartext does not permit'],
    ['{SASL}', ['{sasl}CANARY'], 'userPassword: the scheme {SASL} is not known (ARGON2, SCRAM-SHA-256, '],
    ['{CRYPT} of another kind', ['{crypt}$1$CANARY'], 'of {CRYPT} only $5$, $6$ and bcrypt can be compared'],
    [
      'a hash that asks for too much',
      [`{CRYPT}$6$rounds=200001$CANARY$${'x'.repeat(86)}`],
      "asks for more than 200000 rounds or bcrypt's cost 12; verify: bind, or make a hash",
    ],
    ['a password in braces', ['{CANARY}x'], 'userPassword: its scheme is not known (ARGON2'],
    ['half a hash', ['{SSHA}CANARY'], 'userPassword is not a whole value of its scheme'],
  ])('says what is wrong where an entry stores %s, and shows none of it', async (_, values, why) => {
    const failure: unknown = await verify(values).catch((error: unknown) => error);

    expect(failure).toMatchObject({ reason: 'directoryFault', message: expect.stringContaining(why) });
    expect(String(failure)).toMatch(/ \(uid=a\)$/);
    expect(String(failure)).not.toContain('CANARY');
  });

  it('takes clear text where that is allowed', async () => {
    expect(await verify(['x'], true)).toBe('right');
    expect(await verify(['y'], true)).toBe('wrongPassword');
  });
});
