/** What every target is measured with: a directory of users, a node, a certificate, and the programs of `native/`. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { hashScram } from '../../auth/passwords/scram.ts';
import { Secret } from '../../auth/secret.ts';
import { freePorts } from '../support/ports.ts';
import { TestCa } from '../support/test-ca.ts';
import { type BenchDirectory, startDirectory } from './directory.ts';
import { Program, placed } from './processes.ts';

const NATIVE = join(import.meta.dirname, 'native');
const PROXY_KEY = 'a-key-that-the-benchmark-shares-with-its-node';
const ITERATIONS = 4096;

/** The four ports of a server of mail, on 127.0.0.1. */
export interface MailPorts {
  readonly imap: number;
  readonly pop3: number;
  readonly imaps: number;
  readonly pop3s: number;
}

export interface World {
  /** For configurations and logs; it goes with the world. */
  readonly folder: string;
  /** Of localhost and 127.0.0.1, on P-256, and its key; and the authority that issued it. PEM files. */
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  /** The proxy "proxy1" proves that it has this key. */
  readonly proxyKeyFile: string;
  readonly directory: BenchDirectory;
  readonly node: MailPorts;
  /** The load program. */
  readonly load: string;
}

/** What can't be measured since something is not installed: what it is, or nothing. */
export function missingForAll(): string | undefined {
  if (process.platform !== 'linux') return 'Linux (/proc tells what programs cost)';
  const probe = '#include <openssl/ssl.h>\nint main(void) { return TLS_client_method() == 0; }\n';
  const compiled = spawnSync('cc', ['-x', 'c', '-', '-o', '/dev/null', '-lssl', '-lcrypto'], {
    input: probe,
  });
  if (compiled.error !== undefined) return 'a C compiler (Debian: gcc, libc6-dev, libssl-dev)';
  return compiled.status === 0 ? undefined : 'the headers of OpenSSL (Debian: libssl-dev)';
}

/** Builds the programs and starts node and directory; all of it ends with the stack. */
export async function makeWorld(stack: AsyncDisposableStack, users: number): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'homing-bench-'));
  // At the exit, since an interrupt leaves no time for the stack.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  // Servers that drop privileges look into it; keys and passwords are for their owner only.
  chmodSync(folder, 0o755);
  const file = (name: string, content: string): string => {
    const path = join(folder, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  const ca = new TestCa('bench');
  const leaf = ca.issueEc({ commonName: 'localhost' });
  const files = {
    certificateFile: file('cert.pem', leaf.certificate),
    keyFile: file('key.pem', leaf.key),
    caFile: file('ca.pem', ca.certificate),
    proxyKeyFile: file('proxy1.key', `${PROXY_KEY}\n`),
  };
  const load = build(folder, 'load', ['load.c', 'wire.c']);
  mkdirSync(join(folder, 'ldap'));
  const directory = await startDirectory(stack, join(folder, 'ldap'), users);
  const node = await mailPorts();
  const stored = await hashScram(new Secret(Buffer.from(PROXY_KEY)), ITERATIONS);
  const ports = [node.imap, node.pop3, node.imaps, node.pop3s].map(String);
  const backend = new Program({
    command: build(folder, 'backend', ['backend.c', 'wire.c', 'scram.c']),
    args: [files.certificateFile, files.keyFile, stored.replace(/^\{.*\}/, ''), ...ports],
    place: 'measuring',
    logFile: join(folder, 'backend.log'),
  });
  stack.use(backend);
  await backend.listening(node.pop3s);
  return { folder, ...files, directory, node, load };
}

/** The port for a protocol in clear text or in TLS from the start. */
export function portOf(ports: MailPorts, protocol: 'imap' | 'pop3', tls: boolean): number {
  const { imap, imaps, pop3, pop3s } = ports;
  if (protocol === 'imap') return tls ? imaps : imap;
  return tls ? pop3s : pop3;
}

/** Ports on which nobody listens yet. */
export async function mailPorts(): Promise<MailPorts> {
  const [imap = 0, pop3 = 0, imaps = 0, pop3s = 0] = await freePorts(4);
  return { imap, pop3, imaps, pop3s };
}

function build(folder: string, name: string, sources: readonly string[]): string {
  const program = join(folder, name);
  const files = sources.map((source) => join(NATIVE, source));
  const made = spawnSync('cc', ['-O2', '-o', program, ...files, '-lssl', '-lcrypto'], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`cc can't build ${name}:\n${made.stderr}`);
  return program;
}

/** What the load program is to do. */
export interface Load {
  readonly port: number;
  readonly protocol: 'imap' | 'pop3';
  readonly tls: 'none' | 'tls' | 'resume';
  readonly sessions: number;
  readonly atOnce?: number;
  readonly users: number;
  /** Messages that each session fetches, and their size. */
  readonly fetches?: number;
  readonly kib?: number;
  readonly noops?: number;
}

/** What the load program tells. */
export interface LoadReport {
  readonly sessions: number;
  readonly failed: number;
  readonly resumed: number;
  readonly octets: number;
  readonly seconds: number;
  readonly rttUs: { readonly p50: number; readonly p95: number; readonly p99: number };
}

/** Runs the load to its end. @throws {Error} when a session failed. */
export async function runLoad(world: World, load: Load): Promise<LoadReport> {
  return await reportOf(startLoad(world, load, false));
}

/** Sessions that stay open; dispose of them to end them. */
export class HeldSessions implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #report: Promise<LoadReport>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#report = reportOf(child);
  }

  /** Opens them, and gives them when all are logged in and have what they fetched. */
  static async open(world: World, load: Load): Promise<HeldSessions> {
    const child = startLoad(world, load, true);
    const held = new HeldSessions(child);
    if (child.stdout === null) throw new Error('the load program has no output');
    await once(child.stdout, 'data');
    return held;
  }

  /** @throws {Error} when a session failed or ended before. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    await this.#report;
  }
}

function startLoad(world: World, load: Load, hold: boolean): ChildProcess {
  const { port, protocol, tls, sessions, atOnce = 16, users, fetches = 0, kib = 0, noops = 0 } = load;
  const words = [port, protocol, tls, sessions, atOnce, users, fetches, kib, noops].map(String);
  const [command, args] = placed('measuring', world.load, hold ? [...words, 'hold'] : words);
  return spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
}

async function reportOf(child: ChildProcess): Promise<LoadReport> {
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('the load program has no output');
  let complaint = '';
  let last = '';
  stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  createInterface(stdout).on('line', (line) => {
    last = line;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`the load program ended with ${code}: ${complaint}`);
  return JSON.parse(last) as LoadReport;
}
