/** A listener whose certificates are in files, as a configuration names them, and clients that look at it. */
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { TlsState } from '../../protocols/transport.ts';
import { CertificateStore } from '../../src/certificates.ts';
import type { Event } from '../../src/events.ts';
import { serverUpgrade } from '../../src/tls.ts';
import { SocketTransport } from '../../src/transport.ts';
import { ConfigFolder, GOOD } from './config-folder.ts';
import { listenOn } from './sockets.ts';
import type { TestCa } from './test-ca.ts';

/** Files by name: `cert.pem` and `key.pem`, and those that further settings name. */
export type FileContents = Readonly<Record<string, string>>;

export interface CertificateFiles extends Disposable {
  readonly events: Event[];
  readonly store: CertificateStore;
  readonly upgrade: ReturnType<typeof serverUpgrade>;
  write(files: FileContents): void;
}

/** Starts with these files. @param further settings of the listener's TLS, in YAML. */
export function filed(files: FileContents, further = ''): CertificateFiles {
  const folder = new ConfigFolder();
  const write = (contents: FileContents): void => {
    for (const [name, content] of Object.entries(contents)) {
      // As certbot and others do it: a new file takes the place of the old.
      renameSync(folder.write(`${name}.new`, content), join(folder.path, name));
    }
  };
  write(files);
  const { settings } = folder.load(GOOD.replace('keyFile: key.pem', `keyFile: key.pem\n  ${further}`));
  const tls = settings.listeners[0]?.tls;
  if (tls === undefined || tls.mode === 'none') throw new Error('the listener has no TLS');
  const events: Event[] = [];
  const store = new CertificateStore([tls], (event) => events.push(event));
  const upgrade = serverUpgrade(() => store.contextsOf(tls), 'imap', 10_000);
  const dispose = (): void => {
    store[Symbol.dispose]();
    folder[Symbol.dispose]();
  };
  return { events, store, upgrade, write, [Symbol.dispose]: dispose };
}

/** Who a listener says it is, by the common name of the certificate that it shows. */
export async function shown(
  upgrade: ReturnType<typeof serverUpgrade>,
  ca: TestCa,
  options: ConnectionOptions = { servername: 'localhost' },
): Promise<string> {
  return (await met(upgrade, ca, options)).name;
}

/** Who a listener says it is, and what it knows of its client. */
export async function met(
  upgrade: ReturnType<typeof serverUpgrade>,
  ca: TestCa,
  options: ConnectionOptions,
): Promise<{ readonly name: string; readonly tls: TlsState | undefined }> {
  const server = createServer({ allowHalfOpen: true });
  const port = await listenOn(server);
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connectTls({
    socket: connect({ port, host: '127.0.0.1' }),
    ca: ca.certificate,
    checkServerIdentity: () => undefined,
    ...options,
  });
  const [socket] = await accepted;
  const secured = once(client, 'secureConnect');
  const ours = await new SocketTransport(socket, upgrade).upgradeTls(new AbortController().signal);
  await secured;
  const name = String(client.getPeerCertificate().subject.CN);
  ours.destroy();
  client.destroy();
  server.close();
  return { name, tls: ours.tls };
}
