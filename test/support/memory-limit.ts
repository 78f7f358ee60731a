/** A real limit of memory, by a control group of the kernel, for processes that a test starts. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { ownName } from './owner.ts';

const ROOT = '/sys/fs/cgroup/memory';

/** Whether this machine has control groups of the first version, and lets us make one. */
export const CAN_LIMIT_MEMORY = existsSync(`${ROOT}/memory.limit_in_bytes`) && process.getuid?.() === 0;

/** A control group; dispose of it when its processes have ended. */
export class MemoryLimit implements Disposable {
  readonly #path: string;
  readonly octets: number;

  constructor(octets: number) {
    this.octets = octets;
    this.#path = `${ROOT}/homing-test-${ownName()}`;
    mkdirSync(this.#path);
    this.#write('memory.limit_in_bytes', octets);
  }

  /** Starts a process there: what it takes from its first octet on is counted. */
  async start<Started>(start: () => Promise<Started>): Promise<Started> {
    const [, before = '/'] = /^\d+:memory:(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8')) ?? [];
    this.#write('cgroup.procs', process.pid);
    const started = start();
    // It was started when the call came back; we are to go on without a limit.
    writeFileSync(`${ROOT}${before}/cgroup.procs`, String(process.pid));
    return await started;
  }

  /** The most that was ever in use, in octets. */
  get most(): number {
    return Number(this.#read('memory.max_usage_in_bytes'));
  }

  /** How many processes the kernel has ended for want of memory. */
  get kills(): number {
    return Number(/^oom_kill (\d+)$/m.exec(this.#read('memory.oom_control'))?.[1] ?? 0);
  }

  [Symbol.dispose](): void {
    rmdirSync(this.#path);
  }

  #read(file: string): string {
    return readFileSync(`${this.#path}/${file}`, 'utf8');
  }

  #write(file: string, value: number): void {
    writeFileSync(`${this.#path}/${file}`, String(value));
  }
}
