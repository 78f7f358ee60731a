/** The servers that `global-setup.ts` started, as tests see them, and what tests may do to them. */
import { inject } from 'vitest';
import { useEngine } from './engine.ts';
import { listening } from './ports.ts';

export type NodeName = 'node-a' | 'node-b' | 'node-c' | 'node-d' | 'node-p';
/** The containers of a run: the servers, and one with mail clients, where the CA is /homing/ca.pem. */
export type ServerName = NodeName | 'ldap-master' | 'ldap-replica' | 'clients';

/** The ports of a node on 127.0.0.1. */
export interface NodePorts {
  readonly imap: number;
  readonly imaps: number;
  readonly pop3: number;
  readonly pop3s: number;
}

/** The ports of a Dovecot node; ManageSieve has no usual one for TLS from the start, but may have one. */
export interface DovecotPorts extends NodePorts {
  readonly sieve: number;
  readonly sieves: number;
}

/** The ports of an LDAP server on 127.0.0.1. */
export interface LdapPorts {
  readonly ldap: number;
  readonly ldaps: number;
}

/** The paths of a certificate and its key. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Everything that a test needs to know of the servers. All files go when the run ends. */
export interface Cluster {
  /** The engine's address, as in DOCKER_HOST. */
  readonly dockerHost: string;
  readonly containers: Readonly<Record<ServerName, string>>;
  /** node-a is Dovecot 2.3, node-b and node-d 2.4, node-c Courier; node-p is Dovecot 2.3 that takes PLAIN too. */
  readonly nodes: Readonly<Record<Exclude<NodeName, 'node-c'>, DovecotPorts> & Record<'node-c', NodePorts>>;
  readonly ldap: Readonly<Record<'master' | 'replica', LdapPorts>>;
  /** A port where nothing listens: the home of heidi. */
  readonly downPort: number;
  /** Nodes take no proxy from this address of our own machine; from the rest of 127.0.0.0/8 they do. */
  readonly strangerAddress: string;
  /** The CA of every server's certificate (localhost, 127.0.0.1, and node-a.example.org and so on), PEM. */
  readonly ca: string;
  readonly caFile: string;
  /** A listener's certificate by the same CA. */
  readonly listener: CertificateFiles;
  /** The same, but expired. */
  readonly expired: CertificateFiles;
  /** One by another CA. */
  readonly foreign: CertificateFiles;
  readonly foreignCaFile: string;
  /** Two proxies that all nodes know, with keys of their own. The files have mode 0600. */
  readonly proxies: Readonly<Record<'proxy1' | 'proxy2', { readonly key: string; readonly keyFile: string }>>;
  /** The account by which proxies search, and the directory's administrator. */
  readonly service: { readonly dn: string; readonly password: string; readonly passwordFile: string };
  readonly admin: { readonly dn: string; readonly password: string };
}

declare module 'vitest' {
  interface ProvidedContext {
    cluster: Cluster;
  }
}

/** Gives the servers of this run. */
export function cluster(): Cluster {
  return inject('cluster');
}

/** Gives what a server has logged so far. */
export async function serverLog(server: ServerName): Promise<string> {
  const container = await containerOf(server);
  const frames = await container.logs({ stdout: true, stderr: true, follow: false });
  return withoutFrames(frames);
}

/** Waits until a server has logged a line that matches, and gives it. @throws {Error} after five seconds. */
export async function loggedLine(server: ServerName, pattern: RegExp): Promise<string> {
  const deadline = Date.now() + 5000;
  for (;;) {
    const line = (await serverLog(server)).split('\n').find((text) => pattern.test(text));
    if (line !== undefined) {
      return line;
    }
    if (Date.now() > deadline) {
      throw new Error(`${server} did not log ${pattern}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/**
 * Gives what a Dovecot node looked up for a session, as "database passdb" or "database userdb". Of a node that
 * believes its proxies that is its file of proxies, and "prefetch userdb", which only takes what was forwarded.
 */
export async function lookupsOf(node: 'node-a' | 'node-b', session: string): Promise<string[]> {
  const lines = (await serverLog(node)).split('\n').filter((line) => line.includes(session));
  return lines.flatMap((line) => {
    // 2.3 writes "driver(user,address,<session>): Performing", 2.4 "auth(…)<session>: Debug: name: Performing".
    const [, database, kind] = /([\w-]+)(?:\([^)]*\))?: Performing (passdb|userdb) lookup/.exec(line) ?? [];
    return database === undefined ? [] : [`${database} ${kind}`];
  });
}

/** Runs a command in a server's container. */
export async function exec(
  server: ServerName,
  command: string[],
): Promise<{ output: string; exitCode: number }> {
  const runtime = await engineClient();
  return await runtime.container.exec(runtime.container.getById(cluster().containers[server]), command);
}

/** Freezes a server: its ports accept connections, and nothing answers. */
export async function pause(server: ServerName): Promise<void> {
  await (await containerOf(server)).pause();
}

export async function unpause(server: ServerName): Promise<void> {
  await (await containerOf(server)).unpause();
}

/** Kills a server with all its processes, as a crash does. */
export async function kill(server: ServerName): Promise<void> {
  await (await containerOf(server)).kill();
}

/** Starts a server that was killed, with the data that it had, and waits until it listens. */
export async function startAgain(server: ServerName): Promise<void> {
  await (await containerOf(server)).start();
  await Promise.all(portsOf(server).map(listening));
}

function portsOf(server: ServerName): readonly number[] {
  const { nodes, ldap } = cluster();
  switch (server) {
    case 'clients':
      return [];
    case 'ldap-master':
      return Object.values(ldap.master);
    case 'ldap-replica':
      return Object.values(ldap.replica);
    default:
      return Object.values(nodes[server]);
  }
}

async function containerOf(server: ServerName) {
  return (await engineClient()).container.getById(cluster().containers[server]);
}

async function engineClient() {
  useEngine(cluster().dockerHost);
  // Imported here since it takes most of a second, which tests that touch no container need not wait for.
  const { getContainerRuntimeClient } = await import('testcontainers');
  return await getContainerRuntimeClient();
}

/** The engine's API sends each piece of output behind 8 octets, of which the last four are its size. */
function withoutFrames(octets: Buffer): string {
  const pieces: Buffer[] = [];
  let at = 0;
  while (at + 8 <= octets.length) {
    const end = at + 8 + octets.readUInt32BE(at + 4);
    pieces.push(octets.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(pieces).toString('utf8');
}
