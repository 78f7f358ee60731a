/**
 * A crowd of clients that want no mail, in a process of its own so that it slows nobody who measures: slow ones, which
 * hold a connection and hardly say anything, and hostile ones, which do the proxy's work in vain and come back.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** What the crowd is made of; handed over as JSON in the first argument. */
export interface CrowdTerms {
  /** Port with STARTTLS, and port with TLS from the start. */
  readonly imap: number;
  readonly imaps: number;
  readonly slow: number;
  readonly hostile: number;
  /** Connections of slow clients from one address. */
  readonly perAddress: number;
}

/** Opens a client's connection from an address; its end is the caller's to wait for. */
type Member = (terms: CrowdTerms, from: string) => Socket;

/** A slow client says an octet so often. */
const OCTET_MS = 4000;
/** A client whose connection has ended comes back after about so long. */
const RETURN_MS = 1000;
/** Connections that may be opened in one tick, so that the kernel's queue holds them. */
const OPENED_AT_ONCE = 100;

const SLOW: readonly Member[] = [
  ({ imap, imaps }, from) => plain(Math.random() < 0.5 ? imap : imaps, from),
  ({ imap }, from) => dribble(plain(imap, from), 'a LOGIN alice@example.org not-the-password-of-anyone'),
  ({ imap }, from) => dribble(plain(imap, from), `a ID ("name" {1000+}\r\n${'x'.repeat(1000)}`),
  ({ imaps }, from) => dribble(plain(imaps, from), '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
];

const HOSTILE: readonly Member[] = [
  ({ imap }, from) => flood(plain(imap, from), 'a NOOP\r\n'.repeat(2000)),
  ({ imap }, from) => flood(plain(imap, from), `a FOO {4096+}\r\n${'('.repeat(4096)}\r\n`.repeat(20)),
  ({ imap }, from) => flood(plain(imap, from), randomBytes(64 * 1024).toString('latin1')),
  ({ imaps }, from) => flood(plain(imaps, from), randomBytes(4096).toString('latin1')),
  ({ imaps }, from) => guess(imaps, from),
  ({ imaps }, from) => guess(imaps, from, true),
];

function plain(port: number, from: string): Socket {
  return connect({ host: '127.0.0.1', port, localAddress: from });
}

function dribble(socket: Socket, text: string): Socket {
  let said = 0;
  const timer = setInterval(() => {
    socket.write(text.slice(said, said + 1), 'latin1');
    said += 1;
  }, OCTET_MS);
  socket.once('close', () => clearInterval(timer));
  return socket;
}

function flood(socket: Socket, text: string): Socket {
  const pour = (): void => {
    while (socket.writable && socket.write(text, 'latin1')) {
      // Until the proxy takes no more.
    }
  };
  socket.once('connect', pour).on('drain', pour);
  return socket;
}

/** Guesses a password, and leaves without waiting for the answer if it's a coward. */
function guess(port: number, from: string, coward = false): Socket {
  const connection = plain(port, from);
  const socket = connectTls({ socket: connection, rejectUnauthorized: false });
  socket.once('secureConnect', () => {
    socket.write(`a LOGIN alice@example.org ${randomBytes(8).toString('hex')}\r\n`, () => {
      if (coward) {
        connection.resetAndDestroy();
      }
    });
  });
  return socket;
}

/** Keeps one client of the crowd there, whatever becomes of its connections. */
function keep(member: Member, terms: CrowdTerms, from: string): void {
  const socket = member(terms, from);
  socket.resume();
  // Being thrown out is what it came for.
  socket.on('error', () => undefined);
  socket.once('close', () => {
    setTimeout(() => keep(member, terms, from), RETURN_MS * (0.5 + Math.random()));
  });
}

function address(net: number, index: number): string {
  return `127.${net}.${Math.floor(index / 250)}.${(index % 250) + 1}`;
}

function pick(members: readonly Member[], index: number): Member {
  const member = members[index % members.length];
  if (member === undefined) {
    throw new Error('a crowd of nobody');
  }
  return member;
}

async function gather(terms: CrowdTerms): Promise<void> {
  for (let index = 0; index < terms.slow; index += 1) {
    keep(pick(SLOW, index), terms, address(1, Math.floor(index / terms.perAddress)));
    if (index % OPENED_AT_ONCE === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  for (let index = 0; index < terms.hostile; index += 1) {
    keep(pick(HOSTILE, index), terms, address(2, index));
  }
}

await gather(JSON.parse(process.argv[2] ?? '{}') as CrowdTerms);
process.stdout.write('gathered\n');
