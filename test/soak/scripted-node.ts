import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { SoakNodeTerms } from './node.ts';

/** The process of `node.ts`, which can be killed, started again at the same ports, and frozen. */
export class ScriptedNode implements AsyncDisposable {
  readonly #terms: SoakNodeTerms;
  #process: ChildProcess | undefined;

  constructor(terms: SoakNodeTerms) {
    this.#terms = terms;
  }

  get ports(): SoakNodeTerms['ports'] {
    return this.#terms.ports;
  }

  /** Resolves when it listens. @throws {Error} when it ends instead. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, ['test/soak/node.ts', JSON.stringify(this.#terms)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#process = child;
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the scripted node ended with ${code}`);
    });
    await Promise.race([once(child.stdout, 'data'), ended]);
    // It will end, some day.
    ended.catch(() => undefined);
  }

  async kill(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  freeze(): void {
    this.#process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process?.kill('SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
