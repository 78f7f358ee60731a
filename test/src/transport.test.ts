import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { readAll, socketPair } from '../support/sockets.ts';

describe('SocketTransport.close', () => {
  it('delivers the last words to a peer that still sends', async () => {
    const { ours, theirs } = await socketPair();
    const heard = readAll(theirs);

    ours.write(Buffer.from('* BYE\r\n'));
    ours.close();
    theirs.end(Buffer.alloc(64 * 1024));

    expect((await heard).toString()).toBe('* BYE\r\n');
  });

  it('A22 reads no flood to its end', async () => {
    const { ours, ourSocket, theirs } = await socketPair();
    const closed = once(ourSocket, 'close');

    // It would linger for an hour.
    ours.close(3_600_000);
    const pour = (): void => {
      while (theirs.writable && theirs.write(Buffer.alloc(64 * 1024))) {
        // Until the kernel takes no more.
      }
    };
    theirs.on('drain', pour);
    pour();
    await closed;

    expect(ourSocket.bytesRead).toBeGreaterThan(128 * 1024);
    expect(ourSocket.bytesRead).toBeLessThan(1024 * 1024);
  });
});
