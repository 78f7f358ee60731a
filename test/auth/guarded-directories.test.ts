import { describe, expect, it } from 'vitest';
import { createAuthenticator } from '../../auth/authenticator.ts';
import type { Directory } from '../../auth/directory.ts';
import { schemaOptions } from '../../auth/entries/presets.ts';
import { compileSchema } from '../../auth/entries/schema.ts';
import { openLdap } from '../../auth/ldap/ldap.ts';
import { openLdif } from '../../auth/ldif/ldif.ts';
import { DEFAULT_PUNCTUATION } from '../../auth/names.ts';
import { Secret } from '../../auth/secret.ts';
import { NotedGuard } from '../support/noted-guard.ts';
import { bindResponse, ScriptedLdap, searchDone, searchEntry } from './ldap/scripted-ldap.ts';

const signal = new AbortController().signal;
const secret = (text: string) => new Secret(Buffer.from(text));
const ALIAS = 'ann@example.org';
const DN = 'uid=ann,dc=x';
const options = { base: 'dc=x', filters: ['(|(uid=%u)(mail=%u))'], defaultHomes: ['node-a'] };

interface Opened extends AsyncDisposable {
  readonly directory: Directory;
  /** Passwords that it looked at, where that can be seen. */
  readonly looked: () => number;
  readonly version: string;
}

async function ldap(verify: 'bind' | 'node' = 'bind'): Promise<Opened> {
  const server = await ScriptedLdap.start((request) => {
    if (request.kind === 'bind') return bindResponse(request.id, 0, {});
    if (request.kind !== 'search') return undefined;
    const attributes = { uid: ['ann'], pwdChangedTime: ['20260102030405Z'] };
    return Buffer.concat([searchEntry(request.id, DN, attributes), searchDone(request.id, 0)]);
  });
  const url = `ldap://127.0.0.1:${server.port}`;
  const target = { url, host: '127.0.0.1', port: server.port, ca: undefined, serverName: undefined };
  const directory = openLdap(
    {
      servers: [{ ...target, tls: 'none' }],
      order: 'failover',
      account: undefined,
      verify,
      readPasswords: true,
      allowCleartext: false,
      schema: compileSchema(schemaOptions(undefined, options)),
      connectMs: 1000,
      operationMs: 1000,
      maxBinds: 4,
    },
    () => undefined,
  );
  return {
    directory,
    looked: () => server.seen('bind').filter(({ dn }) => dn === DN).length,
    version: '20260102030405Z',
    async [Symbol.asyncDispose]() {
      await directory[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function ldif(): Promise<Opened> {
  const content = Buffer.from(`dn: ${DN}\nuid: ann\nmail: ann@example.org\nuserPassword: secret\n`);
  const schema = compileSchema(schemaOptions(undefined, options));
  const directory = openLdif({ content, schema, allowCleartext: true });
  return {
    directory,
    looked: () => 0,
    version: '.+',
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** A driver that knows no more of guards than any new one would. */
async function another(): Promise<Opened> {
  let looked = 0;
  const account = { name: 'ann', entry: DN, homes: [], forwarded: new Map(), bar: undefined };
  const directory: Directory = {
    find: async () => ({
      entry: DN,
      name: 'ann',
      passwordVersion: 'v1',
      account: () => account,
      verify: async () => {
        looked += 1;
        return 'right';
      },
    }),
    lookup: async () => account,
    stored: async () => ({ account, values: ['secret'], allowCleartext: true }),
    whyNotReady: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { directory, looked: () => looked, version: 'v1', [Symbol.asyncDispose]: async () => undefined };
}

function ask({ directory }: Opened, guard: NotedGuard) {
  const authenticator = createAuthenticator({
    realms: [{ domains: undefined, directory }],
    names: {
      defaultDomain: undefined,
      lowerCase: true,
      punctuation: DEFAULT_PUNCTUATION,
      latin1Passwords: false,
    },
  });
  const context = { service: 'imap', guard };
  const claim = { authzid: Buffer.alloc(0), authcid: Buffer.from(ALIAS) };
  return {
    password: (password: string) =>
      authenticator.authenticate({ kind: 'password', ...claim, password: secret(password) }, context, signal),
    token: () => authenticator.authenticate({ kind: 'proved', shown: 'token', ...claim }, context, signal),
    credentials: () => authenticator.credentials(claim.authcid, context, signal),
  };
}

describe.each([
  ['LDAP directory', ldap],
  ['LDIF directory', ldif],
  ['directory by any other driver', another],
] as const)('an authenticator with a guard and an %s', (_, open) => {
  it('names the login to it, the account, then the password, and has that judged last', async () => {
    await using opened = await open();
    const guard = new NotedGuard();

    const result = await ask(opened, guard).password('secret');

    expect(result).toMatchObject({ kind: 'admitted' });
    expect(guard.asked).toEqual([
      `admit ${ALIAS}`,
      'admit ann',
      expect.stringMatching(new RegExp(`^known wrong ${DN} ${opened.version}$`)),
    ]);
  });

  it.each(['password', 'token', 'credentials'] as const)(
    'lets nobody of an account that the guard refuses in, nor asks on: %s',
    async (what) => {
      await using opened = await open();
      const guard = new NotedGuard({ refused: 'ann' });

      const refused = ask(opened, guard)[what]('secret');

      await expect(refused).rejects.toMatchObject({ reason: 'throttled' });
      expect(guard.asked).toEqual([`admit ${ALIAS}`, 'admit ann']);
      expect(opened.looked()).toBe(0);
    },
  );

  it('calls a password wrong that the guard knows to be wrong, and has it judged by nobody', async () => {
    await using opened = await open();
    const guard = new NotedGuard({ wrong: 'old' });

    const result = await ask(opened, guard).password('old');

    expect(result).toEqual({ kind: 'refused', reason: 'wrongPassword', known: 'ann' });
    expect(opened.looked()).toBe(0);
  });
});

describe('an authenticator whose directory leaves passwords to the node', () => {
  it('takes none for known to be wrong: the entry does not show when the node’s changes', async () => {
    await using opened = await ldap('node');
    const guard = new NotedGuard({ wrong: 'old' });

    const result = await ask(opened, guard).password('old');

    expect(result).toMatchObject({ kind: 'admitted', unverified: true });
    expect(guard.asked).toEqual([`admit ${ALIAS}`, 'admit ann']);
  });
});
