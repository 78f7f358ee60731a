/** Watches from another thread that no input keeps the fuzzer for ever: a loop without end lets nothing else run. */
import { writeSync } from 'node:fs';
import { type Debugger, Session } from 'node:inspector';
import { join } from 'node:path';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { type Sample, writeSample } from './sample.ts';
import type { Target } from './target.ts';

/** No batch takes nearly as long, on the slowest machine. */
const STUCK_MS = 60_000;
const LOOK_MS = 5000;
/** Where the watching thread looks for what was being done, by the debugger. */
const PLACE = 'fuzzedBatch';

interface WatchData {
  readonly batches: SharedArrayBuffer;
  readonly artifacts: string;
}

/** The watch over one run. */
export class Watchdog implements Disposable {
  readonly #batches = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: Worker;

  /** @param artifacts the folder for what got stuck. */
  constructor(artifacts: string) {
    const data: WatchData = { batches: this.#batches.buffer, artifacts };
    this.#worker = new Worker(new URL(import.meta.url), { workerData: data });
    this.#worker.unref();
  }

  /** Says what is done next. */
  alive(target: Target, samples: readonly Sample[]): void {
    Reflect.set(globalThis, PLACE, { target: target.name, samples });
    Atomics.add(this.#batches, 0, 1);
  }

  [Symbol.dispose](): void {
    this.#worker.terminate().catch(() => {
      // It is gone, which is what was asked for.
    });
  }
}

function watch({ batches, artifacts }: WatchData): void {
  const counter = new Int32Array(batches);
  let last = -1;
  let sinceMs = performance.now();
  setInterval(() => {
    const count = Atomics.load(counter, 0);
    if (count !== last) {
      last = count;
      sinceMs = performance.now();
    } else if (performance.now() - sinceMs > STUCK_MS) {
      sinceMs = Number.POSITIVE_INFINITY;
      tellWhereItIsStuck(artifacts);
    }
  }, LOOK_MS);
}

/** Stops the main thread wherever it is, writes down what it was given, and ends the process. */
function tellWhereItIsStuck(artifacts: string): void {
  const session = new Session();
  session.connectToMainThread();
  session.on('Debugger.paused', ({ params: { callFrames } }) => {
    const stack = callFrames.slice(0, 12).map(({ functionName, url, location }) => {
      return `    at ${functionName} (${url}:${location.lineNumber + 1})`;
    });
    // What stream writes would be passed to the thread that is stuck.
    writeSync(process.stderr.fd, `\nSTUCK for ${STUCK_MS} ms\n${stack.join('\n')}\n`);
    const [frame] = callFrames;
    const evaluation = {
      callFrameId: frame?.callFrameId ?? '',
      expression: `JSON.stringify(globalThis.${PLACE})`,
      returnByValue: true,
    };
    session.post(
      'Debugger.evaluateOnCallFrame',
      evaluation,
      (_error: Error | null, answer?: Debugger.EvaluateOnCallFrameReturnType) => {
        writeBatch(artifacts, String(answer?.result.value));
        process.kill(process.pid, 'SIGKILL');
      },
    );
  });
  session.post('Debugger.enable');
  session.post('Debugger.pause');
}

function writeBatch(artifacts: string, batch: string): void {
  const { target, samples } = JSON.parse(batch) as { target: string; samples: readonly Sample[] };
  for (const [index, sample] of samples.entries()) {
    writeSample(join(artifacts, `stuck-${index}.json`), { ...sample, target, note: 'one of these is stuck' });
  }
}

if (!isMainThread) {
  watch(workerData as WatchData);
}
