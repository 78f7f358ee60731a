/** Accounts that operators hold, by the admin listener and by `homing hold`. */
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Account, Directory } from '../../auth/directory.ts';
import { LoginFailure } from '../../auth/failure.ts';
import { type Admin, startAdmin } from '../../src/admin.ts';
import type { Event } from '../../src/events.ts';
import { Hold } from '../../src/hold.ts';
import { makeMetrics } from '../../src/metrics.ts';
import { ConfigFolder, GOOD } from '../support/config-folder.ts';
import { startHolds } from '../support/holds.ts';
import { run } from '../support/test-terminal.ts';

const ROOT = { name: 'root', ip: '127.0.0.1' };
const NEVER = new AbortController().signal;
const ANN: Account = { name: 'ann', entry: 'uid=ann', homes: ['a'], forwarded: new Map(), bar: undefined };

describe('an account that an operator holds', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is so under its name, whatever it was called by, until the time is over', async () => {
    const events: Event[] = [];
    const { holds } = startHolds((event) => void events.push(event));

    expect(await holds.hold('ann@example.org', 60_000, ROOT, NEVER)).toEqual({
      kind: 'held',
      account: 'ann',
      sessions: 0,
    });
    expect([holds.isHeld('ann'), holds.isHeld('bob')]).toEqual([true, false]);
    expect(events).toEqual([
      { event: 'userHeld', user: 'ann', forMs: 60_000, sessions: 0, operator: 'root', from: '127.0.0.1' },
    ]);
    vi.advanceTimersByTime(60_000);

    expect([holds.isHeld('ann'), holds.list()]).toEqual([false, []]);
  });

  it('has its sessions end as soon as they are quiet', async () => {
    const { holds, sessions } = startHolds();
    const ends: string[] = [];
    for (const account of [ANN, { ...ANN, name: 'bob' }]) {
      const session = sessions.enter({ account, service: 'imap', ip: '192.0.2.1' });
      session.endQuietly = (how, withinMs) => void ends.push(`${account.name} ${how} within ${withinMs}`);
    }

    await holds.hold('ann', 60_000, ROOT, NEVER);

    expect(ends).toEqual(['ann held within 60000']);
  });

  it('has its logins wait, and go on when it is released', async () => {
    const { holds } = startHolds();
    const reread = vi.fn(async () => ANN);
    const directory = { reread, follow: () => undefined } as unknown as Directory;
    const hold = new Hold({ holdMs: 60_000, max: 10, directoryMs: 1000, byOperator: holds });
    await holds.hold('ann', 600_000, ROOT, NEVER);
    expect([hold.why(ANN), hold.why({ ...ANN, name: 'bob' })]).toEqual([
      'an operator holds it at this proxy',
      undefined,
    ]);

    const login = { service: 'imap', byOwnPassword: true, abandoned: NEVER, tell: () => undefined };
    const waiting = hold.wait({ account: ANN, directory }, login);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(reread).toHaveBeenCalledTimes(3);
    await holds.release('ann@example.org', ROOT, NEVER);

    expect(await waiting).toBe(ANN);
    const late = startHolds().holds;
    expect(await late.release('ann', ROOT, NEVER)).toBeUndefined();
  });

  it('is answered as held when that takes too long', async () => {
    const { holds } = startHolds();
    const directory = { reread: async () => ANN } as unknown as Directory;
    const hold = new Hold({ holdMs: 5000, max: 10, directoryMs: 1000, byOperator: holds });
    await holds.hold('ann', 600_000, ROOT, NEVER);

    const login = { service: 'imap', byOwnPassword: true, abandoned: NEVER, tell: () => undefined };
    const waiting = hold
      .wait({ account: ANN, directory }, login)
      .catch((error: unknown) => (error instanceof LoginFailure ? error.reason : error));
    await vi.advanceTimersByTimeAsync(5000);

    expect(await waiting).toBe('held');
  });

  it('is one of a thousand at the most', async () => {
    const { holds } = startHolds();
    for (let count = 0; count < 1000; count += 1) await holds.hold(`u${count}`, 60_000, ROOT, NEVER);

    expect(await holds.hold('ann', 60_000, ROOT, NEVER)).toEqual({ kind: 'tooMany' });
    expect(await holds.hold('u7', 60_000, ROOT, NEVER)).toMatchObject({ kind: 'held' });
  });
});

describe('homing hold and homing release', () => {
  const folder = new ConfigFolder();
  let admin: Admin;
  beforeEach(async () => {
    const { holds } = startHolds();
    const readiness = async () => ({ ready: true, why: undefined });
    const metrics = makeMetrics({ droppedLines: () => 0 });
    admin = await startAdmin(
      { address: '127.0.0.1', port: 0 },
      { metrics, observe: () => undefined, readiness, holds },
    );
  });
  afterEach(() => admin[Symbol.asyncDispose]());
  afterAll(() => folder[Symbol.dispose]());

  async function homing(...args: readonly string[]) {
    return await run([...args, '-c', folder.write('homing.yaml', `${GOOD}admin: { port: ${admin.port} }\n`)]);
  }

  it('hold a user, show who is held, and let him go', async () => {
    const held = await homing('hold', 'ann@example.org', '--for', '5');
    const shown = await homing('hold');
    const released = await homing('release', 'ann@example.org');
    const nobody = await homing('hold');

    expect(held).toMatchObject({
      code: 0,
      output:
        'ann is held for 5 minutes: logins wait, 0 sessions end as soon as they are quiet\n' +
        'other proxies know nothing of it: the entry in the directory holds a user everywhere\n',
    });
    expect(shown.output).toMatch(/^ann for 5 minutes more, by \w+\n$/);
    expect(released).toMatchObject({ code: 0, output: 'ann is released\n' });
    expect(nobody.output).toBe('nobody is held at this proxy by a command\n');
  });

  it.each([
    [['hold', 'nobody'], 1, 'homing: no directory has an account of this name\n'],
    [['release', 'ann'], 1, 'homing: this user was not held by a command\n'],
    [['hold', 'ann', '--for', '0'], 2, 'homing: for how long? --for 10, in minutes\n'],
    [['hold', 'ann', '--for', '1441'], 2, 'homing: for how long? --for 10, in minutes\n'],
  ])('say what is wrong with %j', async (args, code, errors) => {
    const ran = await homing(...args);

    expect(ran).toMatchObject({ code, output: '' });
    expect(ran.errors).toContain(errors);
  });

  it.each(['', '?user=ann', '?user=ann&seconds=0', '?user=ann&seconds=999999', '?seconds=60'])(
    'A36 is not for %j, nor for who does not say who he is',
    async (query) => {
      const url = `http://127.0.0.1:${admin.port}/hold`;
      const bad = await fetch(`${url}${query}`, { method: 'POST', headers: { 'x-homing-operator': 'root' } });
      const foreign = await fetch(`${url}?user=ann&seconds=60`, { method: 'POST' });

      expect([bad.status, foreign.status]).toEqual([400, 403]);
    },
  );
});
