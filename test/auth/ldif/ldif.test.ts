import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LoginName } from '../../../auth/directory.ts';
import { schemaOptions } from '../../../auth/entries/presets.ts';
import { compileSchema } from '../../../auth/entries/schema.ts';
import { openLdif } from '../../../auth/ldif/ldif.ts';
import { Secret } from '../../../auth/secret.ts';
import { verifyIn } from '../../support/verify-in.ts';
import { anyText } from '../any-text.ts';

const CONTENT = `version: 1

dn: uid=alice,ou=people,dc=example,dc=org
objectClass: qmailUser
uid: alice
mail: alice@example.org
mailAlternateAddress: alias@example.org
mailHost: node-a
userPassword: {SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=

dn: uid=dave,ou=people,dc=example,dc=org
objectClass: qmailUser
uid: dave
mailAlternateAddress: alias2@example.org
accountStatus: disabled
userPassword: {SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=

dn: uid=erin,ou=people,dc=example,dc=org
objectClass: qmailUser
uid: erin
mailAlternateAddress: alias2@example.org
userPassword: secret

dn: uid=fred,ou=elsewhere,dc=example,dc=org
objectClass: qmailUser
uid: fred
userPassword: secret
`;

const signal = new AbortController().signal;
const secret = (text: string) => new Secret(Buffer.from(text));
const name = (full: string): LoginName => ({ full, localPart: full, domain: undefined });

function directory(allowCleartext = false) {
  const schema = compileSchema(schemaOptions('qmail', { base: 'ou=people,dc=example,dc=org' }));
  return openLdif({ content: Buffer.from(CONTENT), schema, allowCleartext });
}

function login(user: string, password: string, allowCleartext = false) {
  return verifyIn(directory(allowCleartext), name(user), secret(password), { service: 'imap', signal });
}

describe('the LDIF directory', () => {
  it.each(['alice', 'alias@example.org', 'ALICE@example.org'])('finds the account of %s', async (user) => {
    expect(await login(user, 'secret')).toMatchObject({
      kind: 'right',
      account: { name: 'alice', entry: 'uid=alice,ou=people,dc=example,dc=org', homes: ['node-a'] },
    });
  });

  it('gives what is stored of an account', async () => {
    const stored = (user: string) => directory().stored?.(name(user), { service: 'imap' }, signal);

    expect(await stored('alias@example.org')).toMatchObject({
      account: { name: 'alice' },
      values: ['{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ='],
      allowCleartext: false,
    });
    expect(await stored('nobody')).toBeUndefined();
  });

  it('tells a wrong password from an unknown user', async () => {
    expect(await login('alice', 'x')).toEqual({ kind: 'refused', reason: 'wrongPassword', known: 'alice' });
    expect(await login('nobody', 'x')).toEqual({ kind: 'refused', reason: 'unknownUser', known: undefined });
  });

  it('finds nobody outside its base', async () => {
    expect(await login('fred', 'secret', true)).toMatchObject({ reason: 'unknownUser' });
  });

  it('gives a disabled account with its bar, after the right password only', async () => {
    expect(await login('dave', 'secret')).toMatchObject({
      kind: 'right',
      account: { bar: { reason: 'disabled' } },
    });
    expect(await login('dave', 'x')).toMatchObject({ kind: 'refused', reason: 'wrongPassword' });
  });

  it('calls several entries for one name a fault of the directory', async () => {
    await expect(login('alias2@example.org', 'secret')).rejects.toMatchObject({
      reason: 'directoryFault',
      message:
        'two entries have this name: uid=dave,ou=people,dc=example,dc=org and uid=erin,ou=people,dc=example,dc=org ' +
        '(search (&(objectClass=qmailUser)(|(uid=%u)(mail=%u)(mailAlternateAddress=%u))) in the LDIF file)',
    });
  });

  it('takes clear text only if allowed', async () => {
    expect(await login('erin', 'secret', true)).toMatchObject({ kind: 'right' });
    await expect(login('erin', 'secret')).rejects.toMatchObject({
      reason: 'directoryFault',
      message:
        'userPassword is in clear text, which allowCleartext does not permit; make a hash with: homing hash ' +
        '(uid=erin,ou=people,dc=example,dc=org)',
    });
  });

  it('looks an account up without a password', async () => {
    const found = await directory().lookup(name('alias@example.org'), { service: 'imap' }, signal);

    expect(found?.name).toBe('alice');
    expect(await directory().lookup(name('nobody'), { service: 'imap' }, signal)).toBeUndefined();
  });

  it('says each step to who explains', async () => {
    const steps: string[] = [];
    const trace = (step: string, detail: string) => steps.push(`${step}: ${detail}`);

    await verifyIn(directory(), name('alice'), secret('secret'), { service: 'imap', trace, signal });

    expect(steps).toEqual([
      'search: search (&(objectClass=qmailUser)(|(uid=alice)(mail=alice)(mailAlternateAddress=alice))) in the LDIF file: uid=alice,ou=people,dc=example,dc=org',
      'password: right',
      'account: alice',
      'home: node-a',
      'forward: quota=0 (no mailQuotaSize in the entry: no limit)',
    ]);
  });

  // FAULTS A9: whatever a name holds, it finds only what has just that name.
  it('finds nobody by a name made to break filters', async () => {
    const attack = fc.constantFrom(
      '*',
      'a*',
      ')(uid=*',
      'admin)(|(uid=*',
      '\\2a',
      'a\0b',
      '(',
      '&',
      'cn=x,dc=y',
      'alice\0',
    );
    await fc.assert(
      fc.asyncProperty(attack, anyText(5), async (start, rest) => {
        expect(await login(start + rest, 'secret')).toMatchObject({ reason: 'unknownUser' });
      }),
    );
  });
});
