/** Keeps passwords that are slow to hash from taking all threads: one place for every such hash of the process. */
import { availableParallelism } from 'node:os';
import { whyAborted } from '../deadline.ts';
import { LoginFailure } from '../failure.ts';
import { Gate, GateFull } from '../gate.ts';

/** libuv's pool, which DNS and files need too; unless UV_THREADPOOL_SIZE says otherwise. */
const POOL_THREADS = 4;
/** Each slow hash holds a thread, and Argon2 its memory too: no more at a time than there are cores. */
const SLOW_HASHES_AT_A_TIME = Math.min(availableParallelism(), POOL_THREADS - 1);
/** More than can be done in the time that a login may wait for the directory. */
const MAX_WAITING = 1000;

const slowHashes = new Gate(SLOW_HASHES_AT_A_TIME, MAX_WAITING);

/**
 * Waits for a turn to hash a password, which is given back by disposing of it.
 * @throws {LoginFailure} `directoryDown` when it did not come in time, or too many wait already.
 */
export function placeToHash(signal: AbortSignal): Promise<Disposable> {
  return slowHashes.enter(signal).catch((cause: unknown) => {
    const tooMany = 'too many passwords are being verified';
    const why = cause instanceof GateFull ? tooMany : whyAborted(signal, tooMany);
    throw new LoginFailure('directoryDown', why, { cause });
  });
}
