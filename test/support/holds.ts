import type { Account } from '../../auth/directory.ts';
import type { Event } from '../../src/events.ts';
import { OperatorHolds } from '../../src/operator-holds.ts';
import { UserSessions } from '../../src/user-sessions.ts';

/** Nobody is held yet, and every name but `nobody` is of the account of this name. */
export function startHolds(observe: (event: Event) => void = () => undefined) {
  const sessions = new UserSessions({ perUser: undefined, perUserAndAddress: undefined });
  const find = async (typed: string): Promise<Account | undefined> =>
    typed === 'nobody'
      ? undefined
      : {
          name: typed.replace(/@.*/, ''),
          entry: `uid=${typed}`,
          homes: ['a'],
          forwarded: new Map(),
          bar: undefined,
        };
  return { sessions, holds: new OperatorHolds({ sessions, find, withinMs: 60_000, observe }) };
}
