import { once } from 'node:events';
import { connect, createServer } from 'node:net';

// Below the range that the kernel takes for outgoing connections, so that none of those gets a port first.
const FIRST = 15_000;
const LAST = 32_000;
const LISTENING_MS = 15_000;

/** Gives so many ports of 127.0.0.1 on which nobody listens. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  let candidate = FIRST + Math.floor(Math.random() * (LAST - FIRST - 1000));
  while (ports.length < count) {
    candidate += 1;
    if (await isFree(candidate)) {
      ports.push(candidate);
    }
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

/** Waits until somebody listens on a port of 127.0.0.1. @throws {Error} when that takes too long. */
export async function listening(port: number): Promise<void> {
  const deadline = Date.now() + LISTENING_MS;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch (cause) {
      if (Date.now() > deadline) {
        throw new Error(`nothing listens on port ${port}`, { cause });
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      socket.destroy();
    }
  }
}
