import { describe, expect, it, vi } from 'vitest';
import type { Account, Directory } from '../../auth/directory.ts';
import { LoginFailure } from '../../auth/failure.ts';
import { Recheck } from '../../src/recheck.ts';
import type { UserSession } from '../../src/user-session.ts';
import { UserSessions } from '../../src/user-sessions.ts';

function account(name: string): Account {
  return { name, entry: `uid=${name}`, homes: ['a'], forwarded: new Map(), bar: undefined };
}

/** Sessions of a directory that answers as a test says, and what was judged of them. */
function start(reread: NonNullable<Directory['reread']>) {
  vi.useFakeTimers();
  const sessions = new UserSessions({ perUser: undefined, perUserAndAddress: undefined });
  const judged: [string, Account | undefined][] = [];
  const bugs: unknown[] = [];
  const recheck = new Recheck({
    directoryMs: 1000,
    judge: (session, now) => void judged.push([session.name, now]),
    onBug: (error) => void bugs.push(error),
  });
  const begin = (name: string): UserSession =>
    sessions.enter({
      account: account(name),
      directory: { reread } as unknown as Directory,
      actedBy: undefined,
      service: 'imap',
      ip: '192.0.2.1',
    });
  return {
    recheck,
    judged,
    bugs,
    begin,
    [Symbol.dispose]: () => {
      recheck[Symbol.dispose]();
      vi.useRealTimers();
    },
  };
}

describe('accounts that are looked up again', () => {
  it('are so ten at a time, and then there is a pause', async () => {
    const asked: string[] = [];
    using running = start(async (entry) => {
      asked.push(entry);
      return undefined;
    });
    for (let count = 0; count < 25; count += 1) running.recheck.add(running.begin(`u${count}`));
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toHaveLength(10);
    await vi.advanceTimersByTimeAsync(100);
    expect(asked).toHaveLength(20);
    await vi.advanceTimersByTimeAsync(100);

    expect(running.judged).toHaveLength(25);
    expect(running.judged[0]).toEqual(['u0', undefined]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('wait while the directory can not be asked', async () => {
    let isDown = true;
    using running = start(async () => {
      if (isDown) throw new LoginFailure('directoryDown', 'no server');
      return account('ann');
    });
    running.recheck.add(running.begin('ann'));
    await vi.advanceTimersByTimeAsync(1000);
    isDown = false;
    expect(running.judged).toEqual([]);
    await vi.advanceTimersByTimeAsync(5000);

    expect(running.judged).toEqual([['ann', account('ann')]]);
  });

  it('are left alone when the entry is at fault, or the session is over', async () => {
    using running = start(async () => {
      throw new LoginFailure('directoryFault', 'two names');
    });
    const over = running.begin('bob');
    running.recheck.add(over);
    over[Symbol.dispose]();
    running.recheck.add(running.begin('ann'));
    await vi.advanceTimersByTimeAsync(20_000);

    expect([running.judged, running.bugs, vi.getTimerCount()]).toEqual([[], [], 0]);
  });

  it('are told of as a bug when they can not be looked up for another reason', async () => {
    using running = start(async () => {
      throw new TypeError('oops');
    });
    running.recheck.add(running.begin('ann'));
    await vi.advanceTimersByTimeAsync(200);

    expect(running.bugs).toEqual([new TypeError('oops')]);
  });
});
