import { describe, expect, it } from 'vitest';
import { createAuthenticator } from '../../auth/authenticator.ts';
import type { Delegate } from '../../auth/delegates.ts';
import type { Directory } from '../../auth/directory.ts';
import { schemaOptions } from '../../auth/entries/presets.ts';
import { compileSchema } from '../../auth/entries/schema.ts';
import { openLdif } from '../../auth/ldif/ldif.ts';
import { DEFAULT_PUNCTUATION } from '../../auth/names.ts';
import { Secret } from '../../auth/secret.ts';
import { NotedGuard } from '../support/noted-guard.ts';

const signal = new AbortController().signal;
const NAMES = {
  defaultDomain: 'example.org',
  lowerCase: true,
  punctuation: DEFAULT_PUNCTUATION,
  latin1Passwords: false,
  domainAliases: new Map([['old.example.org', 'example.org']]),
};

/** Accounts by name, each with the password `p`. */
function directory(...entries: readonly string[]): Directory {
  const content = entries.map((entry) => {
    const [name = '', ...lines] = entry.split('\n');
    return [`dn: uid=${name},dc=x`, `mail: ${name}`, 'userPassword: p', ...lines].join('\n');
  });
  const schema = compileSchema(
    schemaOptions(undefined, {
      base: 'dc=x',
      filters: ['(|(mail=%u)(alias=%u))'],
      name: 'mail',
      defaultHomes: ['node-a'],
      status: [
        {
          kind: 'table',
          attribute: 'status',
          values: { off: 'disabled' },
          absent: 'active',
          unknown: 'active',
        },
      ],
      delegate: 'mayActFor',
    }),
  );
  return openLdif({ content: Buffer.from(content.join('\n\n')), schema, allowCleartext: true });
}

const EXAMPLE_ORG = directory(
  'webmail@example.org',
  'ann@example.org\nalias: ann.alias@example.org',
  'bob@example.org',
  'off@example.org\nstatus: off',
  'secretary@example.org\nmayActFor: ann@example.org\nmayActFor: example.net',
  'left@example.org\nstatus: off\nmayActFor: *',
  'one@example.org\nalias: twin@example.org',
  'two@example.org\nalias: twin@example.org',
  'chief@secret.example\nalias: chief@example.org',
);
const EXAMPLE_NET = directory('carl@example.net');

function act(delegates: readonly Delegate[], authcid: string, authzid: string, password = 'p') {
  const authenticator = createAuthenticator({
    realms: [
      { domains: ['example.net'], directory: EXAMPLE_NET },
      { domains: undefined, directory: EXAMPLE_ORG },
    ],
    names: NAMES,
    delegates,
  });
  const guard = new NotedGuard();
  const proof = {
    kind: 'password',
    authzid: Buffer.from(authzid),
    authcid: Buffer.from(authcid),
    password: new Secret(Buffer.from(password)),
  } as const;
  return { guard, result: authenticator.authenticate(proof, { service: 'imap', guard }, signal) };
}

const webmailFor = (...mayActFor: readonly string[]): Delegate[] => [
  { account: 'webmail@example.org', mayActFor },
];
const FORBIDDEN = {
  kind: 'refused',
  reason: 'notAuthorized',
  known: 'webmail@example.org',
  detail: 'it wants to act for another user',
};

describe('a delegate of the configuration', () => {
  it.each([
    ['a domain', ['example.org'], 'ann@example.org'],
    ['a domain in any case', ['Example.ORG'], 'ann'],
    ['an account', ['ann@example.org'], 'ann.alias@example.org'],
    ['a login name', ['ann.alias@example.org'], 'ANN.alias@example.org'],
    ['everybody', ['*'], 'ann@example.org'],
    ['another name of the domain', ['example.org'], 'ann@old.example.org'],
  ])('may act for %s', async (_, grants, authzid) => {
    expect(await act(webmailFor(...grants), 'webmail', authzid).result).toMatchObject({
      kind: 'admitted',
      account: { name: 'ann@example.org', homes: ['node-a'] },
      delegate: { account: { name: 'webmail@example.org' } },
      unverified: false,
    });
  });

  it('may act for an account of another directory', async () => {
    expect(await act(webmailFor('example.net'), 'webmail', 'carl@example.net').result).toMatchObject({
      kind: 'admitted',
      account: { name: 'carl@example.net' },
      delegate: { account: { name: 'webmail@example.org' } },
    });
  });

  it.each([
    ['somebody else', ['bob@example.org'], 'ann@example.org'],
    ['another domain', ['example.net'], 'ann@example.org'],
    ['an account of another domain that has an alias in his', ['example.org'], 'chief@example.org'],
    ['nobody', ['example.org'], 'nobody@example.org'],
    ['two at once', ['example.org'], 'twin@example.org'],
    ['somebody whom no directory has', [], 'x@nowhere.example'],
  ])('may not act for %s, and is always told the same', async (_, grants, authzid) => {
    expect(await act(webmailFor(...grants), 'webmail', authzid).result).toEqual(FORBIDDEN);
  });

  it('needs the right password before anything else is looked at', async () => {
    expect(await act(webmailFor('*'), 'webmail', 'ann', 'x').result).toMatchObject({
      reason: 'wrongPassword',
      known: 'webmail@example.org',
    });
  });

  it('is told what bars the account that he may act for', async () => {
    expect(await act(webmailFor('*'), 'webmail', 'off').result).toMatchObject({
      reason: 'disabled',
      known: 'off@example.org',
      actedBy: 'webmail@example.org',
    });
  });

  it('is himself without an authzid, or by any name of his', async () => {
    for (const authzid of ['', 'webmail', 'WEBMAIL@old.example.org']) {
      const result = await act(webmailFor('*'), 'webmail@example.org', authzid).result;

      expect(result).toMatchObject({ kind: 'admitted', account: { name: 'webmail@example.org' } });
      expect(result).not.toHaveProperty('delegate');
    }
  });

  it('is the one whose guesses are counted', async () => {
    const { guard, result } = act(webmailFor('*'), 'webmail', 'ann');
    await result;

    expect(guard.asked).toEqual([
      'admit webmail@example.org',
      'admit webmail@example.org',
      expect.stringMatching(/^known wrong uid=webmail@example.org,dc=x ./),
    ]);
  });
});

describe('a delegate of the directory', () => {
  it('may act for those whom his entry names', async () => {
    for (const authzid of ['ann@example.org', 'carl@example.net']) {
      expect(await act([], 'secretary', authzid).result).toMatchObject({
        kind: 'admitted',
        account: { name: authzid },
        delegate: { account: { name: 'secretary@example.org' } },
      });
    }
    expect(await act([], 'secretary', 'bob').result).toMatchObject({ reason: 'notAuthorized' });
  });

  it('may not when he is barred himself', async () => {
    expect(await act([], 'left', 'ann').result).toMatchObject({
      reason: 'disabled',
      known: 'left@example.org',
    });
  });
});

describe('everybody else', () => {
  it('acts for himself alone', async () => {
    expect(await act(webmailFor('*'), 'ann', 'bob').result).toMatchObject({
      reason: 'notAuthorized',
      known: 'ann@example.org',
    });
  });
});
