/** Watches from another thread that no input keeps the fuzzer for ever: a loop without end lets nothing else run. */
import { writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import type { Sample, StoredSample } from './sample.ts';
import type { Target } from './target.ts';

/** No batch takes nearly as long, on the slowest machine. */
const STUCK_MS = 60_000;
const LOOK_MS = 5000;
const STDERR = 2;
/** Room for the samples of a batch, as JSON. */
const MAX_BATCH_OCTETS = 16 * 1024 * 1024;

/** What both threads see. */
interface Shared {
  /** How many batches began, and how long the text of the last is. */
  readonly counters: SharedArrayBuffer;
  readonly text: SharedArrayBuffer;
  /** Where the samples go that got stuck. */
  readonly file: string;
}

/** The watch over one run. */
export class Watchdog implements Disposable {
  readonly #counters = new Int32Array(new SharedArrayBuffer(8));
  readonly #text = Buffer.from(new SharedArrayBuffer(MAX_BATCH_OCTETS));
  readonly #worker: Worker;

  /** @param artifacts the folder for what got stuck. */
  constructor(artifacts: string) {
    const shared: Shared = {
      counters: this.#counters.buffer,
      text: this.#text.buffer as unknown as SharedArrayBuffer,
      file: join(artifacts, 'stuck.json'),
    };
    this.#worker = new Worker(new URL(import.meta.url), { workerData: shared });
    this.#worker.unref();
  }

  /** Says what is done next. */
  alive(target: Target, samples: readonly Sample[]): void {
    const stored = samples.map((sample): StoredSample => {
      return { target: target.name, note: 'one of these is stuck', ...sample };
    });
    Atomics.store(this.#counters, 1, this.#text.write(JSON.stringify(stored)));
    Atomics.add(this.#counters, 0, 1);
  }

  [Symbol.dispose](): void {
    this.#worker.terminate().catch(() => {
      // It is gone, which is what was asked for.
    });
  }
}

function watch({ counters, text, file }: Shared): void {
  const counts = new Int32Array(counters);
  let last = -1;
  let sinceMs = performance.now();
  setInterval(() => {
    const count = Atomics.load(counts, 0);
    if (count !== last) {
      last = count;
      sinceMs = performance.now();
    } else if (performance.now() - sinceMs > STUCK_MS) {
      writeFileSync(file, Buffer.from(text, 0, Atomics.load(counts, 1)));
      // What a stream of this thread writes would be passed to the one that is stuck.
      writeSync(STDERR, `STUCK for ${STUCK_MS} ms\nagain: npm run fuzz -- --replay ${file}\n`);
      process.kill(process.pid, 'SIGKILL');
    }
  }, LOOK_MS);
}

if (!isMainThread) {
  watch(workerData as Shared);
}
