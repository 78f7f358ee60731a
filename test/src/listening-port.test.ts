import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as nextRound } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ListeningPort } from '../../src/listening-port.ts';

const CLIENTS = 64;

function unexpected(error: Error): void {
  throw error;
}

describe('ListeningPort', () => {
  it('A21 accepts several connections in one round of the event loop', async () => {
    let accepted = 0;
    const all = Promise.withResolvers<void>();
    const port = new ListeningPort((socket) => {
      socket.destroy();
      accepted += 1;
      if (accepted === CLIENTS) all.resolve();
    });
    const number = await port.listen('127.0.0.1', 0, unexpected);
    const clients: Socket[] = Array.from({ length: CLIENTS }, () => connect(number, '127.0.0.1'));
    await Promise.all(clients.map((client) => once(client, 'connect')));

    const perRound: number[] = [];
    while (accepted < CLIENTS) {
      const before = accepted;
      await nextRound();
      perRound.push(accepted - before);
    }
    await all.promise;
    port.close();

    expect(Math.max(...perRound)).toBeGreaterThan(1);
  });

  it('takes no port that somebody else shares', async () => {
    const first = new ListeningPort((socket) => socket.destroy());
    const number = await first.listen('127.0.0.1', 0, unexpected);
    const second = new ListeningPort((socket) => socket.destroy());

    await expect(second.listen('127.0.0.1', number, unexpected)).rejects.toThrow('EADDRINUSE');
    first.close();
  });

  it('listens no more when it is closed', async () => {
    const port = new ListeningPort((socket) => socket.destroy());
    const number = await port.listen('127.0.0.1', 0, unexpected);
    port.close();

    const client = connect(number, '127.0.0.1');
    const [error] = (await once(client, 'error')) as [Error];

    expect(error.message).toContain('ECONNREFUSED');
  });
});
