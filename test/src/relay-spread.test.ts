import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Relay } from '../../src/relay.ts';
import { type SocketPair, socketPair } from '../support/sockets.ts';

const EMPTY = Buffer.alloc(0);
const HOLD_MS = 7000;

interface Held {
  readonly client: SocketPair;
  readonly node: SocketPair;
  readonly relay: Relay;
  /** How often it was asked when the client may learn that its node is gone. */
  readonly asked: () => number;
  /** Settles when it was asked. */
  readonly gone: Promise<void>;
}

async function splice(): Promise<Held> {
  const [client, node] = await Promise.all([socketPair(), socketPair()]);
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  const spread = {
    gone: vi.fn(() => {
      resolve();
      return HOLD_MS;
    }),
  };
  const relay = new Relay(
    { transport: client.ours, residual: EMPTY },
    { transport: node.ours, residual: EMPTY },
    5000,
    spread,
  );
  client.theirs.resume();
  node.theirs.on('error', () => undefined);
  client.theirs.on('error', () => undefined);
  return { client, node, relay, gone, asked: () => spread.gone.mock.calls.length };
}

describe('a relay whose node dies with many others', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([
    ['ends its side', (node: SocketPair) => node.theirs.end()],
    ['resets', (node: SocketPair) => node.theirs.resetAndDestroy()],
  ])('A39 tells a client that waits for nothing when its turn comes, where the node %s', async (_, die) => {
    const { client, node, relay, gone } = await splice();
    vi.advanceTimersByTime(1000);
    const ended = once(client.theirs, 'close');
    client.theirs.on('end', () => client.theirs.end());
    die(node);
    await gone;

    vi.advanceTimersByTime(HOLD_MS - 1);
    expect(client.theirs.readyState).toBe('open');
    vi.advanceTimersByTime(1);
    await ended;

    expect(await relay.finished).toMatchObject({ endedBy: 'node' });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('tells a client at once that says something, as nobody would answer', async () => {
    const { client, node, relay, gone } = await splice();
    vi.advanceTimersByTime(1000);
    node.theirs.resetAndDestroy();
    await gone;

    client.theirs.write('a NOOP\r\n');

    expect(await relay.finished).toMatchObject({ endedBy: 'node', how: 'reset' });
  });

  it('forgets a client that leaves meanwhile', async () => {
    const { client, node, relay, gone } = await splice();
    vi.advanceTimersByTime(1000);
    node.theirs.resetAndDestroy();
    await gone;

    client.theirs.destroy();
    await relay.finished;

    expect(vi.getTimerCount()).toBe(0);
  });

  it('ends when the proxy does', async () => {
    const { node, relay, gone } = await splice();
    vi.advanceTimersByTime(1000);
    node.theirs.resetAndDestroy();
    await gone;

    relay.end('stopping');

    expect(await relay.finished).toMatchObject({ endedBy: 'proxy', how: 'stopping' });
  });

  it('takes no end for a death that a client has just asked for', async () => {
    const { client, node, relay, asked } = await splice();
    vi.advanceTimersByTime(60_000);
    client.theirs.write('a LOGOUT\r\n');
    await once(node.theirs, 'data');

    node.theirs.end('* BYE\r\na OK\r\n');
    client.theirs.on('end', () => client.theirs.end());

    expect(await relay.finished).toMatchObject({ endedBy: 'node', how: 'closed' });
    expect(asked()).toBe(0);
  });
});
