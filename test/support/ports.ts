import { once } from 'node:events';
import { createServer } from 'node:net';

// Below the range that the kernel takes for outgoing connections, so that none of those gets a port first.
const FIRST = 15_000;
const LAST = 32_000;

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
