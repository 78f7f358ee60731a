import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const FETCHES = 3000;
const READ_EVERY_MS = 60;

/**
 * Asks for ten megabytes over a connection in clear text, all at once, and takes them a piece at a time.
 * @throws {Error} when it does not get them all.
 */
export async function readSlowly(port: number, user: string, password: string): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    await once(socket, 'connect');
    socket.write(`l LOGIN ${user} ${password}\r\ns EXAMINE INBOX\r\n`);
    socket.write('f FETCH 1:* BODY.PEEK[]\r\n'.repeat(FETCHES));
    socket.write('z NOOP\r\n');
    let fetched = 0;
    let unread = '';
    for await (const chunk of socket) {
      unread += (chunk as Buffer).toString('latin1');
      const lines = unread.split('\r\n');
      unread = lines.pop() ?? '';
      fetched += lines.filter((line) => line.startsWith('f OK')).length;
      if (lines.some((line) => line.startsWith('z OK'))) break;
      await sleep(READ_EVERY_MS);
    }
    if (fetched !== FETCHES) throw new Error(`${fetched} of ${FETCHES} answers came`);
  } finally {
    socket.destroy();
  }
}
