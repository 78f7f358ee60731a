import { Worker } from 'node:worker_threads';
import type { CryptJob } from './crypt-worker.ts';

/** Threads that wait for work. There are never more than there are places to hash, of which each job has one. */
const idle = new Set<Worker>();

/**
 * Computes a crypt(3) hash in a thread. The caller has a place to hash, so that threads are few; the threads are kept,
 * and keep no process alive that has nothing else to do. A hash is computed to its end, at most a second, though its
 * client may have left: a login that nobody judged counts as a guess, also of who had the right password, and the thread
 * that would be ended costs as much to start anew as an ordinary hash. Who waits for a place gives it up when he leaves.
 * @throws {Error} when the thread ended, as when memory is short.
 */
export async function computeCrypt(job: CryptJob): Promise<string> {
  const [worker = startWorker()] = idle;
  idle.delete(worker);
  worker.ref();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const answered = (hash: unknown): void => resolve(String(hash));
  const exited = (): void => reject(new Error('the thread that hashes passwords ended'));
  worker.on('message', answered).on('error', reject).on('exit', exited);
  try {
    worker.postMessage(job);
    const hash = await promise;
    idle.add(worker);
    return hash;
  } finally {
    worker.off('message', answered).off('error', reject).off('exit', exited);
    worker.unref();
  }
}

function startWorker(): Worker {
  const worker = new Worker(new URL('./crypt-worker.ts', import.meta.url));
  const forget = (): void => {
    idle.delete(worker);
  };
  return worker.on('error', forget).on('exit', forget);
}
