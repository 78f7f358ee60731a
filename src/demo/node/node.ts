import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Channel, DeadlinePassed, Disconnected, InputTooLong } from '../../../protocols/channel.ts';
import type { Observer } from '../../events.ts';
import { noUpgrade } from '../../tls.ts';
import { SocketTransport } from '../../transport.ts';
import { logInByImap } from './imap-login.ts';
import { serveImap } from './imap-session.ts';
import { MailStore } from './mail-store.ts';
import { logInByPop3 } from './pop3-login.ts';
import { servePop3 } from './pop3-session.ts';
import type { TrustedProxy } from './proxy-proof.ts';

/** What a node is made of. */
export interface NodeTerms extends TrustedProxy {
  readonly name: string;
  readonly observe: Observer;
}

/** A running mail server of the demonstration; disposing ends it with its connections. */
export interface DemoNode extends AsyncDisposable {
  readonly name: string;
  readonly imapPort: number;
  readonly pop3Port: number;
}

/** How a node serves one connection, to its end. */
type Serve = (channel: Channel) => Promise<void>;

/**
 * Starts a mail server on free ports of 127.0.0.1. It stands for a real one: it has no user database, believes one
 * proxy alone, and shows each user two messages.
 */
export async function startNode(terms: NodeTerms): Promise<DemoNode> {
  const mailStore = new MailStore();
  const about = { ...terms, mailStore };
  await using stack = new AsyncDisposableStack();
  const imap = stack.use(
    await listen(terms.observe, async (channel) => {
      const mailbox = await logInByImap(channel, about);
      if (mailbox !== undefined) {
        await serveImap(channel, mailbox);
      }
    }),
  );
  const pop3 = stack.use(
    await listen(terms.observe, async (channel) => {
      const mailbox = await logInByPop3(channel, about);
      if (mailbox !== undefined) {
        await servePop3(channel, mailbox);
      }
    }),
  );
  const all = stack.move();
  return {
    name: terms.name,
    imapPort: imap.port,
    pop3Port: pop3.port,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

interface NodeListener extends AsyncDisposable {
  readonly port: number;
}

async function listen(observe: Observer, serve: Serve): Promise<NodeListener> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    void serveToTheEnd(socket, serve, observe);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: portOf(server), [Symbol.asyncDispose]: () => close(server, sockets) };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function serveToTheEnd(socket: Socket, serve: Serve, observe: Observer): Promise<void> {
  const channel = new Channel(new SocketTransport(socket, noUpgrade));
  try {
    await serve(channel);
  } catch (error) {
    const isExpected = [Disconnected, DeadlinePassed, InputTooLong].some((kind) => error instanceof kind);
    if (!isExpected) {
      const stack = error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
      observe({ event: 'bug', detail: `demonstration node: ${String(error)}`, ...stack });
    }
  }
  channel.close();
}

async function close(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  server.close();
  for (const socket of sockets) {
    socket.destroy();
  }
  await once(server, 'close');
}
