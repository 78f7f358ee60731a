import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { connect, createServer, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connectToFirst } from '../../src/connect.ts';
import { listenOn } from '../support/sockets.ts';

const NEVER = new AbortController().signal;
const V6 = { address: '2001:db8::1', family: 6 };
const V6_TOO = { address: '2001:db8::2', family: 6 };
const V4 = { address: '192.0.2.1', family: 4 };

/** Sockets that connect or fail when the test says so; a real network can't be made to drop packets here. */
class Network {
  readonly begun: string[] = [];
  readonly sockets = new Map<string, Socket>();

  readonly begin = ({ address }: LookupAddress): Socket => {
    const socket = new Socket();
    this.begun.push(address);
    this.sockets.set(address, socket);
    return socket;
  };

  to({ address }: LookupAddress): Socket {
    const socket = this.sockets.get(address);
    if (socket === undefined) throw new Error(`nobody connects to ${address}`);
    return socket;
  }
}

describe('connectToFirst', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('F50 tries the other family when the first says nothing for 250 ms, and leaves the loser', async () => {
    const network = new Network();
    const connecting = connectToFirst([V6, V6_TOO, V4], network.begin, NEVER);

    expect(network.begun).toEqual([V6.address]);
    vi.advanceTimersByTime(249);
    expect(network.begun).toEqual([V6.address]);
    vi.advanceTimersByTime(1);
    expect(network.begun).toEqual([V6.address, V4.address]);
    network.to(V4).emit('connect');

    expect(await connecting).toBe(network.to(V4));
    expect(network.to(V6).destroyed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('lets a slow address win that was tried first', async () => {
    const network = new Network();
    const connecting = connectToFirst([V6, V4], network.begin, NEVER);
    vi.advanceTimersByTime(250);

    network.to(V6).emit('connect');
    network.to(V4).emit('connect');

    expect(await connecting).toBe(network.to(V6));
    expect(network.to(V4).destroyed).toBe(true);
  });

  it('goes on at once when an address refuses', async () => {
    const network = new Network();
    const connecting = connectToFirst([V6, V4], network.begin, NEVER);

    network.to(V6).emit('error', new Error('ECONNREFUSED'));
    network.to(V4).emit('connect');

    expect(await connecting).toBe(network.to(V4));
  });

  it('tells of each address why it failed', async () => {
    const network = new Network();
    const connecting = connectToFirst([V6, V4], network.begin, NEVER);

    network.to(V6).emit('error', new Error('first'));
    network.to(V4).emit('error', new Error('second'));

    await expect(connecting).rejects.toMatchObject({ errors: [{ message: 'first' }, { message: 'second' }] });
  });

  it('leaves nothing open when it is given up', async () => {
    const network = new Network();
    const gone = new AbortController();
    const connecting = connectToFirst([V6, V4], network.begin, gone.signal);
    vi.advanceTimersByTime(250);

    gone.abort(new Error('the client is gone'));
    network.to(V4).emit('connect');

    await expect(connecting).rejects.toThrow('the client is gone');
    expect([...network.sockets.values()].map(({ destroyed }) => destroyed)).toEqual([true, true]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('connectToFirst with real sockets', () => {
  it('reaches the address that answers behind one that refuses', async () => {
    const server = createServer((accepted) => accepted.end());
    const port = await listenOn(server);
    const addresses = ['127.0.0.2', '127.0.0.1'].map((address) => ({ address, family: 4 }));

    const socket = await connectToFirst(addresses, ({ address: host }) => connect({ host, port }), NEVER);

    expect(socket.remoteAddress).toBe('127.0.0.1');
    expect(socket.listenerCount('connect')).toBe(0);
    socket.destroy();
    server.close();
    await once(server, 'close');
  });
});
