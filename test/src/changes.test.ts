import { describe, expect, it } from 'vitest';
import type { ActingAccount } from '../../auth/authentication.ts';
import type { Account, Bar, Directory } from '../../auth/directory.ts';
import type { EntryChanged } from '../../auth/directory-changes.ts';
import { LoginFailure } from '../../auth/failure.ts';
import { Secret } from '../../auth/secret.ts';
import { Changes } from '../../src/changes.ts';
import type { Delegation } from '../../src/delegation.ts';
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
  const asked: (UserSession | Delegation)[] = [];
  const changes = new Changes({
    sessions,
    settings: { ...RULES, ...rules },
    recheck: { add: (session) => void asked.push(session) },
    nodes: new NodeTable(['a', 'b', 'c'].map(node), GROUPS),
    health: ALL_USABLE,
  });
  const ends: string[] = [];
  const begin = (terms: { directory?: Directory; delegate?: ActingAccount; account?: Account } = {}) => {
    const session = sessions.enter({
      account: terms.account ?? account(),
      directory: terms.directory ?? HERE,
      ...(terms.delegate !== undefined && { delegate: terms.delegate }),
      service: 'imap',
      ip: '192.0.2.1',
    });
    session.endQuietly = (how, withinMs) => void ends.push(`${how} within ${withinMs}`);
    return session;
  };
  return { sessions, changes, asked, ends, begin };
}

const WEBMAIL: ActingAccount = {
  account: { ...account({ name: 'webmail', entry: 'uid=webmail', id: 'id-2' }) },
  directory: OTHER,
  mayAct: ({ mayActFor = [] }) => mayActFor.includes('ann'),
};

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
    servedBy(begin({ delegate: WEBMAIL }), 'a');
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

describe('a change of who acts for a user', () => {
  const webmail = (changes: Partial<Account>) =>
    changed({ name: 'webmail', entry: 'uid=webmail', id: 'id-2', mayActFor: ['ann'], ...changes });

  it.each([
    ['that he is disabled', webmail(bar('disabled')), ['disabled within 0']],
    ['that he may act for this one no more', webmail({ mayActFor: ['bob'] }), ['disabled within 0']],
    ['another password', webmail({ passwordVersion: '2' }), ['passwordChanged within 0']],
    ['that he is gone', { kind: 'removed', entry: 'uid=webmail', id: 'id-2' } as const, ['removed within 0']],
    ['another home', webmail({ homes: ['b'] }), []],
    ['that his own mailbox is held', webmail(bar('held')), []],
    ['that somebody guesses his password', webmail(bar('locked')), []],
  ])('does to the session what it should: %s', (_what, change, expected) => {
    const { changes, ends, begin } = start();
    begin({ delegate: WEBMAIL });

    changes.take(change, HERE);
    expect(ends).toEqual([]);
    changes.take(change, OTHER);

    expect(ends).toEqual(expected);
  });

  it('counts though it came while he logged in', () => {
    const { changes, ends, begin } = start();
    const { count } = changes;
    changes.take(webmail(bar('disabled')), OTHER);

    changes.catchUp(begin({ delegate: WEBMAIL }), count);

    expect(ends).toEqual(['disabled within 0']);
  });

  it('is looked for too when changes may have been missed, and no more when the session is over', () => {
    const { changes, asked, begin, sessions } = start();
    const session = begin({ delegate: WEBMAIL });

    changes.take({ kind: 'doubtful' }, OTHER);
    expect(asked).toMatchObject([{ entry: 'uid=webmail', id: 'id-2', service: 'imap' }]);
    session[Symbol.dispose]();

    expect([sessions.concernedBy(webmail({})), sessions.subjects]).toEqual([[], []]);
  });
});
