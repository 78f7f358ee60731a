/** The demonstration: two nodes, a directory and the proxy in front of them, in one process and with no setup. */
import { randomBytes } from 'node:crypto';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { deriveStoredKey } from '../../auth/mechanisms/scram-keys.ts';
import { Secret } from '../../auth/secret.ts';
import { loadConfig } from '../config.ts';
import { openDirectories } from '../directories.ts';
import type { Listening, Observer } from '../events.ts';
import { startProxy } from '../proxy.ts';
import { keepCertificate } from './certificate.ts';
import { configurationYaml, type DemoPorts, FILES, PROXY_NAME } from './configuration.ts';
import { directoryLdif } from './directory.ts';
import { type DemoNode, startNode } from './node/node.ts';
import { readKept, writePrivate } from './private-file.ts';

/** The key is random, so nobody can guess it, and more iterations would only delay the start. */
const SCRAM_ITERATIONS = 4096;
const NODE_NAMES = ['node-a', 'node-b'];

/** Where the demonstration keeps its files, where it listens, and who is told what happens. */
export interface DemoOptions {
  /** Made if it isn't there. */
  readonly folder: string;
  readonly ports: DemoPorts;
  readonly observe: Observer;
}

/** A running demonstration; disposing ends it at once. */
export interface Demo extends AsyncDisposable {
  /** The configuration that it runs on, for the other commands. */
  readonly configurationFile: string;
  readonly listening: readonly Listening[];
}

/** Starts the demonstration. @throws {Error} when a port is taken, or its files can't be written. */
export async function startDemo({ folder, ports, observe }: DemoOptions): Promise<Demo> {
  await using stack = new AsyncDisposableStack();
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const at = (file: keyof typeof FILES): string => join(folder, FILES[file]);
  const key = await keepKey(at('proxyKey'));
  const nodes: DemoNode[] = [];
  for (const name of NODE_NAMES) {
    const stored = await deriveStoredKey(key, randomBytes(16), SCRAM_ITERATIONS);
    nodes.push(stack.use(await startNode({ name, proxyName: PROXY_NAME, stored, observe })));
  }
  await keepCertificate({ certificate: at('certificate'), key: at('certificateKey') });
  await writePrivate(at('directory'), await directoryLdif());
  await writePrivate(at('newConfiguration'), configurationYaml(ports, nodes));
  const { settings, directories } = loadConfig(at('newConfiguration'));
  const { authenticator } = stack.use(openDirectories(directories, settings, observe));
  const { listening } = stack.use(await startProxy(settings, { authenticator, observe }));
  await rename(at('newConfiguration'), at('configuration'));
  const all = stack.move();
  return {
    configurationFile: at('configuration'),
    listening,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function keepKey(path: string): Promise<Secret> {
  const kept = await readKept(path);
  const line = kept ?? `${randomBytes(32).toString('base64')}\n`;
  if (kept === undefined) {
    await writePrivate(path, line);
  }
  return new Secret(Buffer.from(line.trimEnd()));
}
