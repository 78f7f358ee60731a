import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Relay } from '../../src/relay.ts';
import { UserSessions } from '../../src/user-sessions.ts';
import { readAll, socketPair } from '../support/sockets.ts';

const EMPTY = Buffer.alloc(0);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A user's session that is relayed between real connections. */
async function relayed() {
  const [client, node] = await Promise.all([socketPair(), socketPair()]);
  const relay = new Relay(
    { transport: client.ours, residual: EMPTY },
    { transport: node.ours, residual: EMPTY },
    5000,
  );
  let how: string | undefined;
  void relay.finished.then((end) => {
    how = end.how;
  });
  const sessions = new UserSessions({ perUser: undefined, perUserAndAddress: undefined });
  const session = sessions.enter({
    account: { name: 'ann', entry: 'uid=ann', homes: ['a'], forwarded: new Map(), bar: undefined },
    directory: undefined,
    service: 'imap',
    ip: '192.0.2.1',
  });
  /** Lets the client say something, and waits until the node has it. */
  const say = async (): Promise<void> => {
    client.theirs.write('x');
    await once(node.theirs, 'data');
  };
  return {
    client,
    node,
    relay,
    session,
    say,
    how: async () => {
      await Promise.resolve();
      return how;
    },
  };
}

describe('a session that is to end quietly', () => {
  it('ends when neither side has said anything for 2 s, and nothing is written into it', async () => {
    const { client, node, relay, session, how } = await relayed();
    session.relayed(relay, 'a');
    session.endQuietly('moved', 60_000);
    vi.advanceTimersByTime(1999);
    expect(await how()).toBeUndefined();
    vi.advanceTimersByTime(1);

    expect(await relay.finished).toMatchObject({ how: 'moved', endedBy: 'proxy', received: 0, sent: 0 });
    expect(await Promise.all([readAll(client.theirs), readAll(node.theirs)])).toEqual([EMPTY, EMPTY]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('goes on while something is said, up to its limit', async () => {
    const { relay, session, say, how } = await relayed();
    session.relayed(relay, 'a');
    session.endQuietly('moved', 10_000);
    for (let second = 1; second < 10; second += 1) {
      await say();
      vi.advanceTimersByTime(1000);
    }
    expect(await how()).toBeUndefined();
    await say();
    vi.advanceTimersByTime(1000);

    expect(await relay.finished).toMatchObject({ how: 'moved', received: 10 });
  });

  it('goes on while one side has yet to take what the other one said', async () => {
    const { client, node, relay, session, how } = await relayed();
    session.relayed(relay, 'a');
    client.theirs.pause();
    node.theirs.write(Buffer.alloc(32 * 1024 * 1024));
    while (!relay.isBehind) await new Promise((resolve) => setImmediate(resolve));
    session.endQuietly('moved', 60_000);
    vi.advanceTimersByTime(10_000);

    expect(await how()).toBeUndefined();
    relay.end('stopping');
    client.theirs.destroy();
    node.theirs.destroy();
  });

  it('ends at the earlier of two limits, for the reason that has it', async () => {
    const { relay, session } = await relayed();
    session.relayed(relay, 'a');
    session.endQuietly('moved', 60_000);
    session.end('disabled');

    expect(await relay.finished).toMatchObject({ how: 'disabled' });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends once it is relayed, when the login was still under way', async () => {
    const { relay, session } = await relayed();
    session.endQuietly('moved', 60_000);
    session.end('disabled');
    session.relayed(relay, 'a');

    expect(await relay.finished).toMatchObject({ how: 'disabled' });
  });

  it('is watched no more when it has ended by itself', async () => {
    const { client, node, relay, session } = await relayed();
    session.relayed(relay, 'a');
    session.endQuietly('moved', 60_000);
    client.theirs.end();
    node.theirs.end();
    await relay.finished;
    session[Symbol.dispose]();

    expect(vi.getTimerCount()).toBe(0);
  });
});
