import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Account, Bar, Directory } from '../../auth/directory.ts';
import { LoginFailure } from '../../auth/failure.ts';
import { Hold } from '../../src/hold.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const HELD: Bar = { reason: 'held', detail: 'accountStatus: hold' };

function account(changes: Partial<Account> = {}): Account {
  return { name: 'ann', entry: 'uid=ann', homes: ['a'], forwarded: new Map(), bar: HELD, ...changes };
}

/** Logins of one account, which is as a test says. */
function start(terms: { holdMs?: number; max?: number } = {}) {
  let now: () => Account | undefined = () => account();
  let looks = 0;
  const directory = {
    reread: async () => {
      looks += 1;
      return now();
    },
  } as unknown as Directory;
  const hold = new Hold({ holdMs: 60_000, max: 10, directoryMs: 1000, ...terms });
  const client = new AbortController();
  let told = 0;
  const wait = (byOwnPassword = true) => {
    const tell = (): void => {
      told += 1;
    };
    const outcome = hold
      .wait(
        { account: account(), directory },
        { service: 'imap', byOwnPassword, abandoned: client.signal, tell },
      )
      .catch((error: unknown) => (error instanceof LoginFailure ? error.reason : error));
    return outcome;
  };
  return {
    hold,
    directory,
    wait,
    client,
    looks: () => looks,
    told: () => told,
    is: (answer: () => Account | undefined) => {
      now = answer;
    },
  };
}

describe('a login to a held account', () => {
  it('waits until the account is held no more, and gets what it is then', async () => {
    const { wait, is } = start();
    const outcome = wait();
    await vi.advanceTimersByTimeAsync(5000);
    is(() => account({ bar: undefined, homes: ['b'] }));
    await vi.advanceTimersByTimeAsync(1000);

    expect(await outcome).toMatchObject({ homes: ['b'] });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is woken by the change, in its own directory', async () => {
    const { wait, is, hold, directory, looks } = start();
    const outcome = wait();
    is(() => account({ bar: undefined }));
    hold.take({ kind: 'removed', entry: 'uid=ann', id: undefined }, {} as unknown as Directory);
    hold.take({ kind: 'removed', entry: 'uid=bob', id: undefined }, directory);
    await vi.advanceTimersByTimeAsync(0);
    expect(looks()).toBe(0);
    hold.take({ kind: 'doubtful' }, directory);

    expect(await outcome).toMatchObject({ name: 'ann' });
  });

  it('tells the client each 15 s, and fails when its time is over', async () => {
    const { wait, told } = start();
    const outcome = wait();
    await vi.advanceTimersByTimeAsync(59_999);
    expect(told()).toBe(3);
    await vi.advanceTimersByTimeAsync(1);

    expect(await outcome).toBe('held');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('goes on waiting while the directory can not be asked', async () => {
    const { wait, is } = start();
    const outcome = wait();
    is(() => {
      throw new LoginFailure('directoryDown', 'no server');
    });
    await vi.advanceTimersByTimeAsync(5000);
    is(() => account({ bar: undefined }));
    await vi.advanceTimersByTimeAsync(1000);

    expect(await outcome).toMatchObject({ name: 'ann' });
  });

  it('asks seldom where somebody tells of changes', async () => {
    const { wait, is, looks, directory } = start();
    Object.assign(directory, { follow: () => undefined });
    const outcome = wait();
    await vi.advanceTimersByTimeAsync(9999);
    expect(looks()).toBe(0);
    is(() => account({ bar: undefined }));
    await vi.advanceTimersByTimeAsync(1);

    expect(await outcome).toMatchObject({ name: 'ann' });
  });

  it('looks again when it is woken while it looks', async () => {
    const { wait, is, hold, directory } = start();
    Object.assign(directory, { follow: () => undefined });
    const outcome = wait();
    let isFirst = true;
    is(() => {
      const now = isFirst ? account() : account({ bar: undefined });
      if (isFirst) hold.take({ kind: 'doubtful' }, directory);
      isFirst = false;
      return now;
    });
    hold.take({ kind: 'doubtful' }, directory);
    await vi.advanceTimersByTimeAsync(0);

    expect(await outcome).toMatchObject({ name: 'ann' });
  });

  it('takes no more than twenty of the places', async () => {
    const { wait, client } = start({ max: 100 });
    const waiting = Array.from({ length: 20 }, () => wait());

    expect(await wait()).toBe('held');
    client.abort();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['abandoned']));
  });

  it('ends when the client leaves', async () => {
    const { wait, client } = start();
    const outcome = wait();
    client.abort();

    expect(await outcome).toBe('abandoned');
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ['is disabled', account({ bar: { reason: 'disabled', detail: '' } }), 'disabled'],
    ['is not to be found by its name', undefined, 'held'],
    ['gets another name', account({ name: 'anna', bar: undefined }), 'held'],
    ['gets another password', account({ passwordVersion: '2', bar: undefined }), 'wrongPassword'],
  ])('fails when the account %s meanwhile', async (_what, now, reason) => {
    const { wait, is } = start();
    const outcome = wait();
    is(() => now);
    await vi.advanceTimersByTimeAsync(1000);

    expect(await outcome).toBe(reason);
  });

  it('does not depend on the password of whom another one acts for', async () => {
    const { wait, is } = start();
    const outcome = wait(false);
    is(() => account({ passwordVersion: '2', bar: undefined }));
    await vi.advanceTimersByTimeAsync(1000);

    expect(await outcome).toMatchObject({ name: 'ann' });
  });

  it.each([
    ['so many wait already', { max: 0 }],
    ['nobody is to wait', { holdMs: 0 }],
  ])('fails at once when %s', async (_when, terms) => {
    const { wait } = start(terms);

    expect(await wait()).toBe('held');
    expect(vi.getTimerCount()).toBe(0);
  });
});
