import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Authentication } from '../../auth/authentication.ts';
import { type Authenticator, createAuthenticator } from '../../auth/authenticator.ts';
import type { Account, Directory } from '../../auth/directory.ts';
import { schemaOptions } from '../../auth/entries/presets.ts';
import { compileSchema } from '../../auth/entries/schema.ts';
import type { LoginFailure } from '../../auth/failure.ts';
import { openLdif } from '../../auth/ldif/ldif.ts';
import { DerivedKeys } from '../../auth/mechanisms/derived-keys.ts';
import { Disguise } from '../../auth/mechanisms/disguise.ts';
import { findScramKeys } from '../../auth/mechanisms/scram-accounts.ts';
import { scramServer } from '../../auth/mechanisms/scram-server.ts';
import { DEFAULT_PUNCTUATION } from '../../auth/names.ts';
import { Secret } from '../../auth/secret.ts';
import { imap } from '../../protocols/imap/imap.ts';
import type { LoginAttempt } from '../../protocols/protocol.ts';
import { takeHome } from '../../src/login.ts';
import { NodeTable } from '../../src/routing/node-table.ts';
import { type Findings, SessionReport } from '../../src/session-report.ts';
import type { NodeSettings } from '../../src/settings.ts';
import { NotedGuard } from '../support/noted-guard.ts';
import { clientFinal, clientFirst } from '../support/scram-client.ts';
import { TIMES } from '../support/settings.ts';

const signal = new AbortController().signal;
const HERE = { ip: '127.0.0.1', port: 9 };

/** A file's directory that a test changes while a login is under way; it counts the searches. */
function changing(...lines: readonly string[]) {
  const schema = compileSchema(schemaOptions('qmail', { base: 'dc=x' }));
  const open = (more: readonly string[]): Directory => {
    const content = Buffer.from(
      ['dn: uid=alice,dc=x', 'objectClass: qmailUser', 'uid: alice', ...more].join('\n'),
    );
    return openLdif({ content: more.length === 0 ? Buffer.alloc(0) : content, schema, allowCleartext: true });
  };
  let current = open(lines);
  let searches = 0;
  const directory: Directory = {
    find: async () => undefined,
    lookup: (...asked) => current.lookup(...asked),
    stored: async (...asked) => {
      searches += 1;
      return await current.stored?.(...asked);
    },
    whyNotReady: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const become = (...now: readonly string[]): void => {
    current = open(now);
  };
  return { directory, become, searches: () => searches };
}

const BEFORE = ['userPassword: secret', 'mailHost: node-a'];

/** Proves alice's password by SCRAM; her client takes so long to hear it, while her entry becomes another. */
async function login(heardMs: number, ...now: readonly string[]) {
  const { directory, become, searches } = changing(...BEFORE);
  const names = {
    defaultDomain: undefined,
    lowerCase: true,
    punctuation: DEFAULT_PUNCTUATION,
    latin1Passwords: false,
  };
  const authenticator = createAuthenticator({ realms: [{ domains: undefined, directory }], names });
  const guard = new NotedGuard();
  const accounts = {
    directoryMs: 1000,
    credentials: (name: Buffer, limit: AbortSignal) =>
      authenticator.credentials(name, { service: 'imap', guard }, limit),
  };
  const support = { disguise: new Disguise(randomBytes(16)), derivedKeys: new DerivedKeys() };
  const find = findScramKeys('sha256', accounts, support);
  const exchange = scramServer({ hash: 'sha256', channel: { kind: 'unbound' }, find });
  const first = await exchange.step(Buffer.from(clientFirst({})), signal);
  const serverFirst = first.kind === 'challenge' ? first.challenge.toString() : '';
  const last = await exchange.step(Buffer.from(clientFinal(serverFirst, {}).message), signal);
  if (last.kind !== 'proof') throw new Error(`${last.kind} instead of a proof`);
  const attempt: LoginAttempt = {
    kind: 'login',
    proof: last.proof,
    mechanism: 'SCRAM-SHA-256',
    tls: undefined,
    ttl: undefined,
    abandoned: signal,
    waiting: () => undefined,
    async conclude() {
      vi.advanceTimersByTime(heardMs);
      become(...now);
      return 'received';
    },
    accept: () => {
      throw new Error('there is no home to go to');
    },
    reject: () => undefined,
  };
  const findings: Findings = {};
  const connection = {
    protocol: imap,
    client: HERE,
    listener: HERE,
    domains: undefined,
    guard,
    report: new SessionReport('imap', HERE, () => undefined),
    attemptNumber: 1,
    enter: () => undefined,
  };
  // With no node at all, who gets that far is told where his home would be.
  const terms = { authenticator, nodes: new NodeTable([]), times: TIMES, leadsToUs: () => false };
  const failure: unknown = await takeHome(attempt, connection, terms, findings).catch(
    (error: unknown) => error,
  );
  return { failure, findings, searches: searches() };
}

describe('M5 a client that takes its time to hear that its proof is right', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
  afterEach(() => void vi.useRealTimers());

  it('is kept out by what bars the account by then', async () => {
    const { failure, findings } = await login(1000, ...BEFORE, 'accountStatus: disabled');

    expect(failure).toMatchObject({ reason: 'disabled' });
    expect(findings).toMatchObject({ user: 'alice' });
  });

  it('goes to the home that the account has by then', async () => {
    const { failure } = await login(1000, 'userPassword: secret', 'mailHost: node-b');

    expect(failure).toMatchObject({
      reason: 'homeNotAllowed',
      message: expect.stringContaining('has its home on node-b:'),
    });
  });

  it('is kept out where the password was changed, or the entry is gone', async () => {
    const changed = await login(1000, 'userPassword: another', 'mailHost: node-a');
    const gone = await login(1000);

    expect(changed.failure).toMatchObject({ reason: 'wrongPassword' });
    expect(changed.findings).toMatchObject({ user: 'alice' });
    expect(gone.failure).toMatchObject({ reason: 'unknownUser' });
  });

  it('costs one search more, and none where it goes on at once', async () => {
    const late = await login(1000, ...BEFORE);
    const atOnce = await login(999, ...BEFORE, 'accountStatus: disabled');

    expect(late).toMatchObject({ searches: 2, failure: { reason: 'homeNotAllowed' } });
    expect(atOnce).toMatchObject({ searches: 1, failure: { reason: 'homeNotAllowed' } });
  });
});

describe('a home that is unknown', () => {
  const account: Account = {
    name: 'ann',
    entry: 'uid=ann,dc=x',
    homes: ['node-a'],
    forwarded: new Map(),
    bar: undefined,
  };
  const nodeA: NodeSettings = {
    name: 'node-a',
    host: undefined,
    kind: 'generic',
    ports: new Map([['imap', 143]]),
    tls: { mode: 'none' },
    trust: { kind: 'cram-sha256', name: 'p', key: new Secret(Buffer.alloc(32)) },
    required: [],
    // So that it need not be there.
    state: 'down',
  };

  /** @param refresh what a reading of the nodes does to the table. */
  async function reasonAfter(refresh: (nodes: NodeTable) => boolean) {
    const nodes = new NodeTable([]);
    const refreshNodes = vi.fn(async () => refresh(nodes));
    const admitted: Authentication = { kind: 'admitted', account, unverified: false };
    const authenticator = { authenticate: async () => admitted } as unknown as Authenticator;
    const attempt = {
      proof: { kind: 'password' },
      abandoned: signal,
      conclude: async () => 'received',
    } as unknown as LoginAttempt;
    const connection = {
      protocol: imap,
      ...{ client: HERE, listener: HERE, domains: undefined, guard: undefined, attemptNumber: 1 },
      report: new SessionReport('imap', HERE, () => undefined),
      enter: () => undefined,
    };
    const terms = { authenticator, nodes, refreshNodes, times: TIMES, leadsToUs: () => false };
    const failure: unknown = await takeHome(attempt, connection, terms, {}).catch((error: unknown) => error);
    expect(refreshNodes).toHaveBeenCalledTimes(1);
    return (failure as LoginFailure).reason;
  }

  it('is looked for once more when the nodes of the directory were read', async () => {
    const reason = await reasonAfter((nodes) => nodes.replace('ldap', { nodes: [nodeA] }).length === 0);

    expect(reason).toBe('nodeUnreachable');
  });

  it('is not allowed where that changes nothing', async () => {
    expect(await reasonAfter(() => true)).toBe('homeNotAllowed');
    expect(await reasonAfter(() => false)).toBe('homeNotAllowed');
  });
});
