import { describe, expect, it } from 'vitest';
import { UserSessions } from '../../src/user-sessions.ts';

describe('the sessions of a user', () => {
  it('have a limit, and give their places back', () => {
    const sessions = new UserSessions({ perUser: 2, perUserAndAddress: undefined });
    const first = sessions.enter('ann', '192.0.2.1');
    sessions.enter('ann', '192.0.2.2');
    sessions.enter('bob', '192.0.2.1');

    expect(() => sessions.enter('ann', '192.0.2.3')).toThrow('the user has 2 sessions already');
    first[Symbol.dispose]();
    expect(() => sessions.enter('ann', '192.0.2.3')).not.toThrow();
  });

  it('have one by address, which is a /64 of IPv6', () => {
    const sessions = new UserSessions({ perUser: undefined, perUserAndAddress: 1 });
    sessions.enter('ann', '2001:db8::1');

    expect(() => sessions.enter('ann', '2001:db8::2')).toThrow(
      'the user has 1 sessions from this address already',
    );
    expect(() => sessions.enter('ann', '192.0.2.1')).not.toThrow();
  });

  it('take no place by a limit when the other one has none', () => {
    const sessions = new UserSessions({ perUser: 2, perUserAndAddress: 1 });
    sessions.enter('ann', '192.0.2.1');
    for (let count = 0; count < 5; count += 1) {
      expect(() => sessions.enter('ann', '192.0.2.1')).toThrow('from this address');
    }

    expect(() => sessions.enter('ann', '192.0.2.2')).not.toThrow();
  });

  it('have no limit unless it is set', () => {
    const sessions = new UserSessions({ perUser: undefined, perUserAndAddress: undefined });

    for (let count = 0; count < 1000; count += 1) sessions.enter('ann', '192.0.2.1');
  });
});
