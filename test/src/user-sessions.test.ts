import { describe, expect, it } from 'vitest';
import type { SessionOwner } from '../../src/user-session.ts';
import { UserSessions } from '../../src/user-sessions.ts';

function owner(name: string, ip = '192.0.2.1', id?: string): SessionOwner {
  return {
    account: {
      name,
      entry: `uid=${name}`,
      homes: ['a'],
      forwarded: new Map(),
      bar: undefined,
      ...(id !== undefined && { id }),
    },
    directory: undefined,
    service: 'imap',
    ip,
  };
}

const UNLIMITED = { perUser: undefined, perUserAndAddress: undefined };

describe('the sessions of a user', () => {
  it('have a limit, and give their places back', () => {
    const sessions = new UserSessions({ perUser: 2, perUserAndAddress: undefined });
    const first = sessions.enter(owner('ann', '192.0.2.1'));
    sessions.enter(owner('ann', '192.0.2.2'));
    sessions.enter(owner('bob', '192.0.2.1'));

    expect(() => sessions.enter(owner('ann', '192.0.2.3'))).toThrow('the user has 2 sessions already');
    first[Symbol.dispose]();
    expect(() => sessions.enter(owner('ann', '192.0.2.3'))).not.toThrow();
  });

  it('have one by address, which is a /64 of IPv6', () => {
    const sessions = new UserSessions({ perUser: undefined, perUserAndAddress: 1 });
    sessions.enter(owner('ann', '2001:db8::1'));

    expect(() => sessions.enter(owner('ann', '2001:db8::2'))).toThrow(
      'the user has 1 sessions from this address already',
    );
    expect(() => sessions.enter(owner('ann', '192.0.2.1'))).not.toThrow();
  });

  it('take no place by a limit when the other one has none', () => {
    const sessions = new UserSessions({ perUser: 2, perUserAndAddress: 1 });
    sessions.enter(owner('ann', '192.0.2.1'));
    for (let count = 0; count < 5; count += 1) {
      expect(() => sessions.enter(owner('ann', '192.0.2.1'))).toThrow('from this address');
    }

    expect(() => sessions.enter(owner('ann', '192.0.2.2'))).not.toThrow();
  });

  it('have no limit unless it is set', () => {
    const sessions = new UserSessions(UNLIMITED);

    for (let count = 0; count < 1000; count += 1) sessions.enter(owner('ann', '192.0.2.1'));
  });
});

describe('a session', () => {
  const removed = (entry: string | undefined, id?: string) => ({ kind: 'removed', entry, id }) as const;

  it('is found by its entry and by its id, once, until it is over', () => {
    const sessions = new UserSessions(UNLIMITED);
    const one = sessions.enter(owner('ann', '192.0.2.1', 'id-1'));
    const two = sessions.enter(owner('ann', '192.0.2.2', 'id-1'));
    sessions.enter(owner('bob'));

    expect(sessions.concernedBy(removed('uid=ann', 'id-1'))).toEqual([one, two]);
    expect(sessions.concernedBy(removed(undefined, 'id-1'))).toEqual([one, two]);
    one[Symbol.dispose]();
    one[Symbol.dispose]();
    expect(sessions.concernedBy(removed('uid=ann'))).toEqual([two]);
    expect([...sessions]).toHaveLength(2);
  });

  it('is found by its new entry when the account was renamed', () => {
    const sessions = new UserSessions(UNLIMITED);
    const session = sessions.enter(owner('ann', '192.0.2.1', 'id-1'));
    session.learn({ ...owner('ann').account, entry: 'uid=anna' });

    expect(sessions.concernedBy(removed('uid=ann'))).toEqual([]);
    expect(sessions.concernedBy(removed('uid=anna'))).toEqual([session]);
    expect(sessions.concernedBy(removed(undefined, 'id-1'))).toEqual([session]);
  });
});
