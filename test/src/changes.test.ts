import { describe, expect, it } from 'vitest';
import type { Account, Bar, Directory } from '../../auth/directory.ts';
import type { EntryChanged } from '../../auth/directory-changes.ts';
import { LoginFailure } from '../../auth/failure.ts';
import { Secret } from '../../auth/secret.ts';
import { Changes } from '../../src/changes.ts';
import { ALL_USABLE } from '../../src/routing/node-health.ts';
import { NodeTable } from '../../src/routing/node-table.ts';
import type { GroupSettings, NodeSettings, SessionEndSettings } from '../../src/settings.ts';
import type { UserSession } from '../../src/user-session.ts';
import { UserSessions } from '../../src/user-sessions.ts';

const HERE = { name: 'here' } as unknown as Directory;
const OTHER = { name: 'other' } as unknown as Directory;
const RULES: SessionEndSettings = {
  movedWithinMs: 60_000,
  movedPerSecond: 20,
  disabled: true,
  passwordChanged: true,
};

function node(name: string): NodeSettings {
  return {
    name,
    host: undefined,
    kind: 'generic',
    ports: new Map([['imap', 143]]),
    tls: { mode: 'none' },
    trust: { kind: 'cram-sha256', name: 'p', key: new Secret(Buffer.alloc(32)) },
    required: [],
  };
}

const GROUPS: readonly GroupSettings[] = [
  {
    name: 'g',
    kind: 'shared',
    members: [
      { node: 'a', priority: 1 },
      { node: 'b', priority: 2 },
    ],
  },
];

function account(changes: Partial<Account> = {}): Account {
  return {
    name: 'ann',
    entry: 'uid=ann',
    id: 'id-1',
    homes: ['a'],
    forwarded: new Map(),
    bar: undefined,
    passwordVersion: '1',
    ...changes,
  };
}

function changed(changes: Partial<Account> = {}): EntryChanged {
  const now = account(changes);
  return {
    kind: 'changed',
    entry: now.entry,
    id: now.id,
    fingerprint: '',
    passwordVersion: now.passwordVersion ?? '',
    read: () => now,
  };
}

/** Sessions, and how each is ended: at which limit, and why. */
function start(rules: Partial<SessionEndSettings> = {}) {
  const sessions = new UserSessions({ perUser: undefined, perUserAndAddress: undefined });
  const asked: UserSession[] = [];
  const changes = new Changes({
    sessions,
    settings: { ...RULES, ...rules },
    recheck: { add: (session) => void asked.push(session) },
    nodes: new NodeTable(['a', 'b', 'c'].map(node), GROUPS),
    health: ALL_USABLE,
  });
  const ends: string[] = [];
  const begin = (terms: { directory?: Directory; actedBy?: string; account?: Account } = {}) => {
    const session = sessions.enter({
      account: terms.account ?? account(),
      directory: terms.directory ?? HERE,
      actedBy: terms.actedBy,
      service: 'imap',
      ip: '192.0.2.1',
    });
    session.endQuietly = (how, withinMs) => void ends.push(`${how} within ${withinMs}`);
    return session;
  };
  return { sessions, changes, asked, ends, begin };
}

const bar = (reason: Bar['reason']): Partial<Account> => ({ bar: { reason, detail: '' } });

/** As if it were relayed there. */
function servedBy(session: UserSession, name: string): UserSession {
  Object.defineProperty(session, 'node', { value: name });
  return session;
}

describe('a change of a user', () => {
  it.each([
    ['another home', { homes: ['b'] }, ['moved within 60000']],
    ['a group of which another member serves him', { homes: ['g', 'b'] }, []],
    ['a list in which his node comes next', { homes: ['b', 'a'] }, ['moved within 60000']],
    ['another name', { name: 'anna' }, ['moved within 60000']],
    ['that he is held', bar('held'), ['held within 60000']],
    ['that he is disabled', bar('disabled'), ['disabled within 0']],
    ['that he may not use the service', bar('serviceForbidden'), ['disabled within 0']],
    ['that he is locked, as after many guesses', bar('locked'), []],
    ['another password', { passwordVersion: '2' }, ['passwordChanged within 0']],
    ['a home that is not in the node table', { homes: ['nowhere'] }, []],
    ['nothing that matters', {}, []],
  ] as const)('to %s', (_what, now, expected) => {
    const { changes, begin, ends } = start();
    servedBy(begin(), 'a');
    changes.take(changed(now), HERE);

    expect(ends).toEqual(expected);
  });

  it('ends sessions that began before, and not again', () => {
    const { changes, begin, ends } = start();
    servedBy(begin(), 'a');
    changes.take(changed({ homes: ['b'] }), HERE);
    changes.take(changed({ homes: ['b'] }), HERE);

    expect(ends).toEqual(['moved within 60000']);
  });

  it('of another directory with the same name is none of his', () => {
    const { changes, begin, ends } = start();
    servedBy(begin({ directory: OTHER }), 'a');
    changes.take(changed(bar('disabled')), HERE);

    expect(ends).toEqual([]);
  });

  it('ends what it may, by the settings', () => {
    const { changes, begin, ends } = start({ disabled: false, passwordChanged: false });
    servedBy(begin(), 'a');
    changes.take(changed({ passwordVersion: '2' }), HERE);
    changes.take(changed(bar('disabled')), HERE);
    changes.take({ kind: 'removed', entry: 'uid=ann', id: undefined }, HERE);

    expect(ends).toEqual([]);
  });

  it('ends his sessions when he is removed', () => {
    const { changes, begin, ends } = start();
    servedBy(begin(), 'a');
    changes.take({ kind: 'removed', entry: undefined, id: 'id-1' }, HERE);

    expect(ends).toEqual(['removed within 0']);
  });

  it('of his password is nothing to a session by which another one acts for him', () => {
    const { changes, begin, ends } = start();
    servedBy(begin({ actedBy: 'webmail' }), 'a');
    changes.take(changed({ passwordVersion: '2' }), HERE);

    expect(ends).toEqual([]);
  });

  it('that is no account lets his sessions go on', () => {
    const { changes, begin, ends } = start();
    servedBy(begin(), 'a');
    const read = (): Account => {
      throw new LoginFailure('directoryFault', 'two names');
    };
    changes.take({ ...changed(), read }, HERE);

    expect(ends).toEqual([]);
  });
});

describe('a change while a login is under way', () => {
  it('is applied to it when it began before the change, and only then', () => {
    const { changes, begin, ends } = start();
    changes.take(changed({ homes: ['b'] }), HERE);
    const before = changes.count;
    changes.catchUp(begin(), before);
    expect(ends).toEqual([]);
    changes.take(changed(bar('disabled')), HERE);
    ends.length = 0;
    changes.catchUp(begin(), before);

    expect(ends).toEqual(['disabled within 0']);
  });

  it('has it looked up again where too many came', () => {
    const { changes, begin, asked } = start();
    const before = changes.count;
    for (let count = 0; count < 501; count += 1)
      changes.take(changed({ entry: 'uid=x', id: `x${count}` }), HERE);
    const session = begin();
    changes.catchUp(session, before);

    expect(asked).toEqual([session]);
  });
});

describe('a doubt', () => {
  it('has all sessions of the directory looked up again, and ends those whose account is gone', () => {
    const { changes, begin, asked, ends } = start();
    const session = servedBy(begin(), 'a');
    begin({ directory: OTHER });
    changes.take({ kind: 'doubtful' }, HERE);
    expect(asked).toEqual([session]);
    changes.judge(session, undefined);

    expect(ends).toEqual(['removed within 0']);
  });
});
