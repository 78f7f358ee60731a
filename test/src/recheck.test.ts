import { describe, expect, it, vi } from 'vitest';
import type { Account, Directory } from '../../auth/directory.ts';
import { LoginFailure } from '../../auth/failure.ts';
import type { Event } from '../../src/events.ts';
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
  const events: Event[] = [];
  const directory = { reread } as unknown as Directory;
  const recheck = new Recheck<UserSession>({
    directoryMs: 1000,
    total: () => sessions.size,
    judge: (session, now) => void judged.push([session.name, now]),
    observe: (event) => void events.push(event),
  });
  const begin = (name: string): UserSession =>
    sessions.enter({ account: account(name), directory, service: 'imap', ip: '192.0.2.1' });
  const lookFor = (wanted: readonly string[]): void => {
    for (const name of wanted) recheck.add(begin(name));
  };
  return {
    recheck,
    judged,
    events,
    begin,
    lookFor,
    [Symbol.dispose]: () => {
      recheck[Symbol.dispose]();
      vi.useRealTimers();
    },
  };
}

const names = (count: number) => Array.from({ length: count }, (_, at) => `u${at}`);

describe('accounts that are looked up again', () => {
  it('are so ten at a time, and then there is a pause', async () => {
    const asked: string[] = [];
    using running = start(async ({ entry }) => {
      asked.push(entry);
      return account(entry.slice(4));
    });
    running.lookFor(names(25));
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toHaveLength(10);
    await vi.advanceTimersByTimeAsync(100);
    expect(asked).toHaveLength(20);
    await vi.advanceTimersByTimeAsync(100);

    expect(running.judged).toHaveLength(25);
    expect(running.judged[0]).toEqual(['u0', account('u0')]);
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

    expect([running.judged, running.events, vi.getTimerCount()]).toEqual([[], [], 0]);
  });

  it('are told of as a bug when they can not be looked up for another reason', async () => {
    using running = start(async () => {
      throw new TypeError('oops');
    });
    running.recheck.add(running.begin('ann'));
    await vi.advanceTimersByTimeAsync(200);

    expect(running.events).toMatchObject([{ event: 'bug', detail: 'TypeError: oops' }]);
  });

  it('are asked for once, however many sessions they have', async () => {
    let asked = 0;
    using running = start(async () => {
      asked += 1;
      return account('ann');
    });
    running.lookFor(['ann', 'ann', 'ann']);
    await vi.advanceTimersByTimeAsync(200);

    expect([asked, running.judged.length]).toEqual([1, 3]);
  });
});

describe('accounts that are gone', () => {
  it('are believed so at the second look', async () => {
    const gone = new Set(['uid=u1', 'uid=u2']);
    using running = start(async ({ entry }) => (gone.has(entry) ? undefined : account(entry.slice(4))));
    running.lookFor(names(3));
    await vi.advanceTimersByTimeAsync(59_000);
    expect(running.judged).toEqual([['u0', account('u0')]]);
    gone.delete('uid=u2');
    await vi.advanceTimersByTimeAsync(2000);

    expect(running.judged.slice(1)).toEqual([
      ['u2', account('u2')],
      ['u1', undefined],
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are not believed to be so many at once: the directory has lost them, and somebody is told, once', async () => {
    let hasLost = true;
    using running = start(async ({ entry }) => (hasLost ? undefined : account(entry.slice(4))));
    running.lookFor(names(50));
    await vi.advanceTimersByTimeAsync(300_000);

    expect(running.judged).toEqual([]);
    expect(running.events).toEqual([{ event: 'accountsMissing', missing: 50, sessions: 50 }]);
    hasLost = false;
    await vi.advanceTimersByTimeAsync(61_000);
    expect(running.judged).toHaveLength(50);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('may be a twentieth of all', async () => {
    const gone = new Set(names(5).map((name) => `uid=${name}`));
    using running = start(async ({ entry }) => (gone.has(entry) ? undefined : account(entry.slice(4))));
    running.lookFor(names(100));
    await vi.advanceTimersByTimeAsync(63_000);

    expect(running.judged.filter(([, now]) => now === undefined)).toHaveLength(5);
    expect(running.events).toEqual([]);
  });
});
