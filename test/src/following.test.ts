import { describe, expect, it, vi } from 'vitest';
import type { Directory } from '../../auth/directory.ts';
import {
  ChangeQueue,
  concerns,
  type DirectoryChange,
  type FollowObserver,
} from '../../auth/directory-changes.ts';
import type { Event } from '../../src/events.ts';
import { Following } from '../../src/following.ts';

const DOUBTFUL: DirectoryChange = { kind: 'doubtful' };

function changed(entry: string, fingerprint: string, id?: string): DirectoryChange {
  return {
    kind: 'changed',
    entry,
    id,
    fingerprint,
    passwordVersion: '',
    read: () => {
      throw new Error('not read here');
    },
  };
}

/** A directory whose changes a test makes. */
function scripted() {
  const queue = new ChangeQueue(100);
  let tell: FollowObserver = () => undefined;
  const directory: Pick<Directory, 'follow'> = {
    async *follow(signal, observe) {
      tell = observe;
      signal.addEventListener('abort', () => queue.end());
      yield* queue;
    },
  };
  return {
    queue,
    directory: directory as Directory,
    tell: (...state: Parameters<FollowObserver>) => tell(...state),
  };
}

/** Follows it, with two subscribers; gives what the second one and the log were told. */
function start(directory: Directory) {
  const events: Event[] = [];
  const told: DirectoryChange[] = [];
  const following = new Following([{ name: 'ldap://a/dc=x', directory }], (event) => events.push(event));
  const first = following.subscribe(() => undefined);
  following.subscribe((change) => told.push(change));
  return { following, first, events, told };
}

describe('Following', () => {
  it('tells each subscriber of each change, but not again of an entry that is as it was', async () => {
    const { queue, directory } = scripted();
    const { following, told, events } = start(directory);
    const changes = [
      changed('uid=a', '1'),
      changed('uid=a', '1'),
      changed('uid=b', '1'),
      changed('uid=a', '2'),
      { kind: 'removed', entry: 'uid=a', id: undefined } as const,
      changed('uid=a', '2'),
    ];

    for (const change of changes) queue.push(change);
    await following[Symbol.asyncDispose]();
    // Those that waited when it ended are nobody's.
    expect(told).toEqual([]);
    const again = scripted();
    const next = start(again.directory);
    for (const change of changes) again.queue.push(change);
    again.queue.end();
    await new Promise(setImmediate);

    expect(next.told).toEqual(changes.toSpliced(1, 1));
    expect(next.events).toEqual(
      next.told.map(({ kind }) => ({ event: 'directoryChange', directory: 'ldap://a/dc=x', kind })),
    );
    expect(events).toEqual([]);
    await next.following[Symbol.asyncDispose]();
  });

  it('tells all again after a doubt', async () => {
    const { queue, directory } = scripted();
    const { following, told } = start(directory);

    queue.push(changed('uid=a', '1'));
    await new Promise(setImmediate);
    queue.push(DOUBTFUL);
    queue.push(changed('uid=a', '1'));
    await new Promise(setImmediate);

    expect(told.map(({ kind }) => kind)).toEqual(['changed', 'doubtful', 'changed']);
    await following[Symbol.asyncDispose]();
  });

  it('tells once of each state, however often it was tried', async () => {
    const { directory, tell } = scripted();
    const { following, events } = start(directory);

    tell('off', 'connect: refused');
    tell('off', 'connect: timed out');
    tell('sync', 'ldap://a');

    expect(events).toEqual([
      { event: 'followState', directory: 'ldap://a/dc=x', following: 'off', detail: 'connect: refused' },
      { event: 'followState', directory: 'ldap://a/dc=x', following: 'sync', detail: 'ldap://a' },
    ]);
    await following[Symbol.asyncDispose]();
  });

  it('goes on when a subscriber has a bug, and tells the others', async () => {
    const { queue, directory } = scripted();
    const { following, events } = start(directory);
    const told: DirectoryChange[] = [];
    following.subscribe(() => {
      throw new Error('a bug');
    });
    following.subscribe((change) => told.push(change));

    queue.push(changed('uid=a', '1'));
    await new Promise(setImmediate);
    queue.push(changed('uid=b', '1'));
    await new Promise(setImmediate);

    expect(told).toHaveLength(2);
    expect(events.filter(({ event }) => event === 'bug')).toMatchObject([
      { detail: 'Error: a bug' },
      { detail: 'Error: a bug' },
    ]);
    await following[Symbol.asyncDispose]();
  });

  it('follows again behind a bug, with everything in doubt', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let begun = 0;
    const directory: Pick<Directory, 'follow'> = {
      async *follow() {
        begun += 1;
        if (begun === 1) throw new Error('a bug');
        yield changed('uid=a', '1');
      },
    };
    const { following, told, events } = start(directory as Directory);
    await vi.advanceTimersByTimeAsync(30_000);

    expect(events.slice(0, 2)).toMatchObject([
      { event: 'bug', detail: 'Error: a bug' },
      { event: 'followState', following: 'off', detail: expect.stringContaining('bug') },
    ]);
    expect(told.map(({ kind }) => kind)).toEqual(['doubtful', 'changed']);
    await following[Symbol.asyncDispose]();
    vi.useRealTimers();
  });

  it('tells nothing to who has left', async () => {
    const { queue, directory } = scripted();
    const { following } = start(directory);
    const told: DirectoryChange[] = [];
    following.subscribe((change) => told.push(change))[Symbol.dispose]();

    queue.push(DOUBTFUL);
    await new Promise(setImmediate);

    expect(told).toEqual([]);
    await following[Symbol.asyncDispose]();
  });
});

describe('ChangeQueue', () => {
  it('puts everything in doubt instead of keeping more than it may', async () => {
    const queue = new ChangeQueue(2);

    for (const entry of ['a', 'b', 'c', 'd']) queue.push(changed(entry, '1'));
    queue.end();

    const given: (string | undefined)[] = [];
    for await (const change of queue) given.push(change.kind === 'changed' ? change.entry : change.kind);
    expect(given).toEqual(['doubtful', 'd']);
  });
});

describe('concerns', () => {
  it('knows an account by its name, and by what it keeps when it is renamed', () => {
    const renamed = { kind: 'removed', entry: 'uid=b', id: 'i' } as const;

    expect(concerns(renamed, { entry: 'uid=b' })).toBe(true);
    expect(concerns(renamed, { entry: 'uid=a', id: 'i' })).toBe(true);
    expect(concerns(renamed, { entry: 'uid=a', id: 'j' })).toBe(false);
    expect(concerns({ ...renamed, entry: undefined, id: undefined }, { entry: 'uid=a' })).toBe(false);
  });
});
