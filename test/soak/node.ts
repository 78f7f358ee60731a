/**
 * A node for more sessions than a real one has room for here: the demonstration's, in clear text and in TLS, in a
 * process of its own so that it can be killed and frozen.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { deriveStoredKey } from '../../auth/mechanisms/scram-keys.ts';
import { Secret } from '../../auth/secret.ts';
import { Channel, DeadlinePassed, Disconnected, InputTooLong } from '../../protocols/channel.ts';
import { logInByImap } from '../../src/demo/node/imap-login.ts';
import { serveImap } from '../../src/demo/node/imap-session.ts';
import { MailStore } from '../../src/demo/node/mail-store.ts';
import { noUpgrade } from '../../src/tls.ts';
import { SocketTransport } from '../../src/transport.ts';

/** What the node is made of; handed over as JSON in the first argument. */
export interface SoakNodeTerms {
  readonly proxyName: string;
  readonly keyFile: string;
  /** PEM files. */
  readonly certificate: string;
  readonly certificateKey: string;
  readonly ports: { readonly plain: number; readonly tls: number };
}

const ITERATIONS = 4096;
const BACKLOG = 4096;
const OPTIONS = { allowHalfOpen: true, noDelay: true };

const terms = JSON.parse(process.argv[2] ?? '{}') as SoakNodeTerms;
const key = new Secret(Buffer.from(readFileSync(terms.keyFile, 'utf8').trimEnd()));
const trusted = {
  name: 'soak',
  proxyName: terms.proxyName,
  stored: await deriveStoredKey(key, randomBytes(16), ITERATIONS),
  mailStore: new MailStore(),
};
const certificate = { cert: readFileSync(terms.certificate), key: readFileSync(terms.certificateKey) };
const serve = (socket: Socket): void => void serveToTheEnd(socket);
const servers = [
  createServer(OPTIONS, serve).listen({ port: terms.ports.plain, host: '127.0.0.1', backlog: BACKLOG }),
  createTlsServer({ ...OPTIONS, ...certificate }, serve).listen({
    port: terms.ports.tls,
    host: '127.0.0.1',
    backlog: BACKLOG,
  }),
];
await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))));
process.stdout.write('listening\n');

async function serveToTheEnd(socket: Socket): Promise<void> {
  const channel = new Channel(new SocketTransport(socket, noUpgrade));
  try {
    const mailbox = await logInByImap(channel, trusted);
    if (mailbox !== undefined) await serveImap(channel, mailbox);
  } catch (error) {
    const isExpected = [Disconnected, DeadlinePassed, InputTooLong].some((kind) => error instanceof kind);
    if (!isExpected) throw error;
  }
  channel.close();
}
