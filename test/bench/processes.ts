/** The programs that are measured and those that measure: on cores of their own, and what they cost by the kernel's count. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { listening } from '../support/ports.ts';

/** USER_HZ, in which Linux tells times to programs. */
const TICKS_PER_SECOND = 100;
const STOP_MS = 5000;

/** What is measured has the last core to itself; load, node and directory have the others. */
export type Place = 'measured' | 'measuring';

/** How a program is started. */
export interface Start {
  readonly command: string;
  readonly args: readonly string[];
  readonly place: Place;
  /** What it prints goes on to this file. */
  readonly logFile: string;
  readonly cwd?: string;
}

/** Whether a program can be found. */
export function installed(program: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0;
}

/** Puts a program on its cores, and has it end when we do, as the words of a command line. */
export function placed(place: Place, command: string, args: readonly string[]): [string, string[]] {
  const last = availableParallelism() - 1;
  const cores = place === 'measured' || last === 0 ? `${last}` : `0-${last - 1}`;
  return ['setpriv', ['--pdeathsig', 'TERM', 'taskset', '-c', cores, command, ...args]];
}

/** A program in a process group of its own, with all that it starts; dispose of it to end it. */
export class Program implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #start: Start;

  constructor(start: Start) {
    const { command, args, place, logFile, cwd } = start;
    this.#start = start;
    const log = openSync(logFile, 'a');
    const [program, words] = placed(place, command, args);
    this.#child = spawn(program, words, { cwd, stdio: ['ignore', log, log], detached: true });
    closeSync(log);
  }

  /** The process itself and all below it. */
  get pids(): readonly number[] {
    return this.#child.pid === undefined ? [] : treeOf(this.#child.pid);
  }

  /** Waits until somebody listens on the port. @throws {Error} with its output when the program has ended. */
  async listening(port: number): Promise<void> {
    try {
      await listening(port);
    } catch (cause) {
      throw new Error(`${this.#start.command} does not listen:\n${this.#output()}`, { cause });
    }
    if (this.#child.exitCode === null && this.#child.signalCode === null) return;
    throw new Error(`${this.#start.command} has ended:\n${this.#output()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const members = treeOf(pid);
    const exited = once(this.#child, 'exit');
    process.kill(-pid, 'SIGINT');
    const late = setTimeout(() => process.kill(-pid, 'SIGKILL'), STOP_MS);
    await exited;
    clearTimeout(late);
    await gone(members);
  }

  #output(): string {
    return readFileSync(this.#start.logFile, 'utf8').slice(-2000);
  }
}

/** Seconds of CPU, in a program's own code and in the kernel. */
export interface CpuTimes {
  readonly user: number;
  readonly kernel: number;
}

/** What processes and what they started have used. */
export function cpuTimes(pids: readonly number[]): CpuTimes {
  const times = { user: 0, kernel: 0 };
  for (const pid of pids) {
    // utime, stime, cutime, cstime: fields 14 to 17 of proc_pid_stat(5).
    const [user, kernel, childrenUser, childrenKernel] = statOf(pid)?.slice(11, 15).map(Number) ?? [
      0, 0, 0, 0,
    ];
    times.user += ((user ?? 0) + (childrenUser ?? 0)) / TICKS_PER_SECOND;
    times.kernel += ((kernel ?? 0) + (childrenKernel ?? 0)) / TICKS_PER_SECOND;
  }
  return times;
}

/** Memory of processes, each page shared out among those that have it. */
export function memoryOctets(pids: readonly number[]): number {
  const sizes = pids.map((pid) => {
    const rollup = readIfThere(`/proc/${pid}/smaps_rollup`);
    return Number(/^Pss: +(\d+) kB$/m.exec(rollup ?? '')?.[1] ?? 0) * 1024;
  });
  return sizes.reduce((sum, size) => sum + size, 0);
}

function treeOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const parent = /^\d+$/.test(name) ? Number(statOf(Number(name))?.[1]) : Number.NaN;
    if (!Number.isNaN(parent)) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const tree: number[] = [];
  for (let next: number[] = [root]; next.length > 0; next = next.flatMap((pid) => children.get(pid) ?? [])) {
    tree.push(...next);
  }
  return tree;
}

/** The fields of proc_pid_stat(5) from the third on, behind the name, which may hold anything. */
function statOf(pid: number): string[] | undefined {
  const text = readIfThere(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** @returns `undefined` when the process has ended meanwhile. */
function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return undefined;
  }
}

/** Waits until none of the processes is left: some servers leave before their children. */
async function gone(pids: readonly number[]): Promise<void> {
  const endMs = performance.now() + STOP_MS;
  for (;;) {
    const left = pids.filter((pid) => (statOf(pid)?.[0] ?? 'Z') !== 'Z');
    if (left.length === 0) return;
    if (performance.now() > endMs) throw new Error(`processes ${left.join(', ')} do not end`);
    await sleep(20);
  }
}
