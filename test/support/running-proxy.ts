/** The proxy as its users run it: a process with a configuration file, its log read line by line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stringify } from 'yaml';
import type { Cluster, NodeName } from './cluster.ts';

/** A log line, parsed. */
export interface LogLine {
  readonly event?: string;
  readonly session?: string;
  readonly protocol?: string;
  readonly port?: number;
  readonly tls?: string;
  readonly detail?: string;
  readonly result?: string;
  readonly client?: string;
  readonly node?: string;
  readonly how?: string;
  readonly endedBy?: string;
  readonly [key: string]: unknown;
}

/** A configuration, as it is written into the file. */
export interface ConfigFile {
  readonly listeners: readonly unknown[];
  readonly [setting: string]: unknown;
}

export type TlsMode = 'none' | 'starttls' | 'implicit';

const PROTOCOLS = ['imap', 'pop3', 'sieve'] as const;
const TLS_MODES: readonly TlsMode[] = ['none', 'starttls', 'implicit'];
const CONFIG_FILE = 'homing.yaml';
const START_MS = 15_000;
const LOG_MS = 10_000;

/** A configuration that reaches all nodes of the cluster; `changes` replaces whole settings of the top level. */
export function clusterConfig(cluster: Cluster, changes: Record<string, unknown> = {}): ConfigFile {
  return {
    name: 'proxy1',
    keyFile: cluster.proxies.proxy1.keyFile,
    listeners: PROTOCOLS.flatMap((protocol) =>
      TLS_MODES.map((tls) => ({
        protocol,
        address: '127.0.0.1',
        port: 0,
        tls,
        ...(tls === 'none' ? { allowPlaintext: true } : {}),
      })),
    ),
    tls: { certificateFile: cluster.listener.certificate, keyFile: cluster.listener.key },
    directories: [ldapDirectory(cluster)],
    nodes: [
      clusterNode(cluster, 'node-a'),
      clusterNode(cluster, 'node-b'),
      clusterNode(cluster, 'node-c'),
      {
        name: 'node-down.example.org',
        host: '127.0.0.1',
        kind: 'dovecot',
        ports: { imap: cluster.downPort, pop3: cluster.downPort },
        tls: 'none',
      },
    ],
    // A failed login needs no delay where nobody guesses; trials of the nodes' trust would stand between the tests' logins.
    times: { failure: '0s', trustCheck: '0s' },
    limits: { unauthenticatedPerAddress: 4000, unauthenticatedPerNetwork: 4000 },
    // All tests are one address, and each account is many a test's.
    throttle: { perAddress: 10_000, perUser: 1000, perUserAndAddress: 1000 },
    log: { level: 'debug', format: 'json' },
    ...changes,
  };
}

/** The cluster's directory; `changes` replaces settings. */
export function ldapDirectory(
  cluster: Cluster,
  changes: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    kind: 'ldap',
    urls: [`ldap://127.0.0.1:${cluster.ldap.master.ldap}`, `ldap://127.0.0.1:${cluster.ldap.replica.ldap}`],
    startTls: true,
    caFile: cluster.caFile,
    serverName: 'localhost',
    bindDn: cluster.service.dn,
    passwordFile: cluster.service.passwordFile,
    base: 'ou=people,dc=example,dc=org',
    preset: 'qmail',
    ...changes,
  };
}

/** A node of the cluster, by implicit TLS; `changes` replaces settings. */
export function clusterNode(
  cluster: Cluster,
  name: NodeName,
  changes: Record<string, unknown> = {},
): Record<string, unknown> {
  const ports = cluster.nodes[name];
  return {
    name: `${name}.example.org`,
    host: '127.0.0.1',
    kind: name === 'node-c' ? 'courier' : 'dovecot',
    ports: {
      imap: ports.imaps,
      pop3: ports.pop3s,
      ...('sieves' in ports ? { sieve: ports.sieves } : {}),
    },
    tls: { mode: 'implicit', caFile: cluster.caFile, serverName: 'localhost' },
    ...changes,
  };
}

/** A proxy process; dispose of it to stop it. */
export class RunningProxy implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #directory: string;
  readonly #lines: string[] = [];
  readonly #log: LogLine[] = [];
  #wake: () => void = () => undefined;

  private constructor(process: ChildProcess, directory: string) {
    this.#process = process;
    this.#directory = directory;
  }

  /**
   * Starts a proxy and waits until it listens everywhere.
   * @param nodeOptions options of Node itself.
   * @throws {Error} with its output when it does not.
   */
  static async start(config: ConfigFile, nodeOptions: readonly string[] = []): Promise<RunningProxy> {
    const directory = mkdtempSync(join(tmpdir(), 'homing-test-'));
    const file = join(directory, CONFIG_FILE);
    writeFileSync(file, stringify(config));
    const child = spawn(process.execPath, [...nodeOptions, 'src/main.ts', 'serve', '--config', file], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const proxy = new RunningProxy(child, directory);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        proxy.#lines.push(line);
        if (line.startsWith('{')) proxy.#log.push(JSON.parse(line) as LogLine);
        proxy.#wake();
      });
    }
    child.once('exit', () => proxy.#wake());
    await proxy.#until(() => proxy.#listening().length === config.listeners.length, START_MS);
    return proxy;
  }

  /** All log lines so far. */
  get log(): readonly LogLine[] {
    return this.#log;
  }

  /** Everything that the process wrote. */
  get output(): string {
    return this.#lines.join('\n');
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  port(protocol: (typeof PROTOCOLS)[number], tls: TlsMode): number {
    const line = this.#listening().find((event) => event.protocol === protocol && event.tls === tls);
    return Number(line?.port);
  }

  /** Waits for log lines of this event with these values, `count` of them at least. */
  async events(event: string, values: LogLine = {}, count = 1): Promise<readonly LogLine[]> {
    const matching = (): readonly LogLine[] =>
      this.log.filter(
        (line) => line.event === event && Object.entries(values).every(([key, value]) => line[key] === value),
      );
    await this.#until(() => matching().length >= count, LOG_MS);
    return matching();
  }

  /** Waits for the only log line of this event with these values. @throws {Error} when there are more. */
  async event(event: string, values: LogLine = {}): Promise<LogLine> {
    const [line, ...others] = await this.events(event, values);
    if (line === undefined || others.length > 0) {
      throw new Error(`${others.length + 1} lines of ${event} ${JSON.stringify(values)}:\n${this.output}`);
    }
    return line;
  }

  /** Writes another configuration in the place of the one it was started with, and has it read. */
  reload(config: ConfigFile | string): void {
    writeFileSync(
      join(this.#directory, CONFIG_FILE),
      typeof config === 'string' ? config : stringify(config),
    );
    this.#process.kill('SIGHUP');
  }

  /** Sends a signal and gives the exit code. */
  async signal(name: NodeJS.Signals): Promise<number | null> {
    const exited = once(this.#process, 'exit');
    this.#process.kill(name);
    const [code] = (await exited) as [number | null];
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      await this.signal('SIGINT');
    }
    rmSync(this.#directory, { recursive: true });
  }

  #listening(): readonly LogLine[] {
    return this.log.filter((line) => line.event === 'listening');
  }

  async #until(condition: () => boolean, ms: number): Promise<void> {
    const end = performance.now() + ms;
    while (!condition()) {
      const leftMs = end - performance.now();
      if (leftMs <= 0 || this.#process.exitCode !== null) {
        throw new Error(`the proxy did not do what was waited for; its output:\n${this.output}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
