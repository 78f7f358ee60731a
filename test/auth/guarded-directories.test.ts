import { describe, expect, it } from 'vitest';
import type { Directory } from '../../auth/directory.ts';
import { schemaOptions } from '../../auth/entries/presets.ts';
import { compileSchema } from '../../auth/entries/schema.ts';
import { openLdap } from '../../auth/ldap/ldap.ts';
import { openLdif } from '../../auth/ldif/ldif.ts';
import { Secret } from '../../auth/secret.ts';
import { NotedGuard } from '../support/noted-guard.ts';
import { bindResponse, ScriptedLdap, searchDone, searchEntry } from './ldap/scripted-ldap.ts';

const signal = new AbortController().signal;
const secret = (text: string) => new Secret(Buffer.from(text));
const ALIAS = { full: 'ann@example.org', localPart: 'ann', domain: 'example.org' };
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
      readPasswords: false,
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
    version: 'file',
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

describe.each([
  ['LDAP', ldap],
  ['LDIF', ldif],
] as const)('the %s directory under a guard', (_, open) => {
  it('names the account to it, then the password, and looks at that last', async () => {
    await using opened = await open();
    const guard = new NotedGuard();

    const verdict = await opened.directory.authenticate(
      ALIAS,
      secret('secret'),
      { service: 'imap', guard },
      signal,
    );

    expect(verdict).toMatchObject({ kind: 'right' });
    expect(guard.asked).toEqual(['admit ann', `known wrong ${DN} ${opened.version}`]);
  });

  it('does not look at the password of an account that the guard refuses', async () => {
    await using opened = await open();
    const guard = new NotedGuard({ refused: 'ann' });

    const refused = opened.directory.authenticate(
      ALIAS,
      secret('secret'),
      { service: 'imap', guard },
      signal,
    );

    await expect(refused).rejects.toMatchObject({ reason: 'throttled' });
    expect(opened.looked()).toBe(0);
  });

  it('calls a password wrong that the guard knows to be wrong, and does not look at it', async () => {
    await using opened = await open();
    const guard = new NotedGuard({ wrong: 'old' });

    const verdict = await opened.directory.authenticate(
      ALIAS,
      secret('old'),
      { service: 'imap', guard },
      signal,
    );

    expect(verdict).toEqual({ kind: 'refused', reason: 'wrongPassword', known: 'ann' });
    expect(opened.looked()).toBe(0);
  });
});

describe('the LDAP directory that leaves passwords to the node', () => {
  it('knows none to be wrong: the entry does not show when the node’s changes', async () => {
    await using opened = await ldap('node');
    const guard = new NotedGuard({ wrong: 'old' });

    const verdict = await opened.directory.authenticate(
      ALIAS,
      secret('old'),
      { service: 'imap', guard },
      signal,
    );

    expect(verdict).toMatchObject({ kind: 'right', unverified: true });
    expect(guard.asked).toEqual(['admit ann']);
  });
});
