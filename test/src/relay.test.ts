import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { Relay } from '../../src/relay.ts';
import { readAll, type SocketPair, sha256, socketPair } from '../support/sockets.ts';

const EMPTY = Buffer.alloc(0);

interface Spliced {
  readonly client: SocketPair;
  readonly node: SocketPair;
  readonly relay: Relay;
}

async function splice(
  residuals: { client?: Buffer; node?: Buffer; halfCloseMs?: number } = {},
): Promise<Spliced> {
  const [client, node] = await Promise.all([socketPair(), socketPair()]);
  const relay = new Relay(
    { transport: client.ours, residual: residuals.client ?? EMPTY },
    { transport: node.ours, residual: residuals.node ?? EMPTY },
    residuals.halfCloseMs ?? 5000,
  );
  return { client, node, relay };
}

/** Splices where a login left nothing. @returns a relay that goes on, and what it might still hold. */
async function spliceBehindLogin() {
  const residual = Buffer.alloc(0);
  return { ...(await splice({ node: residual })), residual: new WeakRef(residual) };
}

describe('Relay', () => {
  it('sends what was read behind the login first, on both sides, and counts it', async () => {
    const { client, node, relay } = await splice({ client: Buffer.from('b NO'), node: Buffer.from('* 3 ') });
    client.theirs.end('OP\r\n');
    node.theirs.end('EXISTS\r\n');

    const [atNode, atClient] = await Promise.all([readAll(node.theirs), readAll(client.theirs)]);

    expect([atNode.toString(), atClient.toString()]).toEqual(['b NOOP\r\n', '* 3 EXISTS\r\n']);
    expect(await relay.finished).toMatchObject({ received: 8, sent: 12, how: 'closed' });
  });

  it('holds nothing of the logins while it goes on', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const { client, node, relay, residual } = await spliceBehindLogin();

    await expect
      .poll(() => {
        collect();
        return residual.deref() === undefined;
      })
      .toBe(true);
    client.theirs.end();
    node.theirs.end();
    await relay.finished;
  });

  it('loses and changes nothing of 32 MiB to a reader that stops again and again', async () => {
    const { client, node, relay } = await splice();
    const mailbox = randomBytes(32 * 1024 * 1024);
    const chunks: Buffer[] = [];
    client.theirs.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (chunks.length % 16 === 0) {
        client.theirs.pause();
        setImmediate(() => client.theirs.resume());
      }
    });
    node.theirs.end(mailbox);
    await once(client.theirs, 'end');
    client.theirs.end();

    expect(sha256(Buffer.concat(chunks))).toBe(sha256(mailbox));
    expect(await relay.finished).toMatchObject({ sent: mailbox.length, endedBy: 'node', how: 'closed' });
  });

  it('loses and changes nothing of what a client uploads', async () => {
    const { client, node, relay } = await splice();
    const message = randomBytes(8 * 1024 * 1024);
    client.theirs.end(message);

    expect(sha256(await readAll(node.theirs))).toBe(sha256(message));
    node.theirs.end();
    expect(await relay.finished).toMatchObject({
      received: message.length,
      endedBy: 'client',
      how: 'closed',
    });
  });

  it('stops reading from the node while the client does not read (A23, F31)', async () => {
    const { client, node, relay } = await splice();
    client.theirs.pause();
    node.theirs.write(Buffer.alloc(64 * 1024 * 1024));
    while (!node.ourSocket.isPaused()) {
      await new Promise((resolve) => setImmediate(resolve));
    }

    expect(client.ourSocket.writableLength).toBeLessThan(512 * 1024);
    client.theirs.destroy();
    await relay.finished;
  });

  it("passes the client's FIN on, and still delivers what the node says then", async () => {
    const { client, node, relay } = await splice();
    client.theirs.end('a LOGOUT\r\n');
    await readAll(node.theirs);
    node.theirs.end('* BYE\r\na OK\r\n');

    expect((await readAll(client.theirs)).toString()).toBe('* BYE\r\na OK\r\n');
    expect(await relay.finished).toMatchObject({ endedBy: 'client', how: 'closed' });
  });

  it('does not wait for ever for the other side of a half-closed session', async () => {
    const { client, node, relay } = await splice({ halfCloseMs: 1 });
    const nodeToldOfIt = once(node.theirs.resume(), 'end');
    client.theirs.end();

    expect(await relay.finished).toMatchObject({ endedBy: 'client', how: 'timeout' });
    await nodeToldOfIt;
  });

  it.each(['client', 'node'] as const)(
    'F27 F28 ends both when the %s resets its connection',
    async (side) => {
      const spliced = await splice();
      const other = side === 'client' ? spliced.node : spliced.client;
      const otherEnded = once(other.theirs.resume(), 'end');
      spliced[side].theirs.resetAndDestroy();

      expect(await spliced.relay.finished).toMatchObject({ endedBy: side, how: 'reset' });
      await otherEnded;
    },
  );

  it('ends behind what is queued when it is told to stop, and says so', async () => {
    const { client, node, relay } = await splice();
    node.theirs.write('* 1 EXISTS\r\n');
    await once(client.theirs, 'readable');
    relay.end('stopping');

    expect(await relay.finished).toMatchObject({ endedBy: 'proxy', how: 'stopping', sent: 12 });
    expect((await readAll(client.theirs)).toString()).toBe('* 1 EXISTS\r\n');
  });
});
