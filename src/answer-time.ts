import { setTimeout as sleep } from 'node:timers/promises';

/** Failed logins are answered together at each tick, so that the time of an answer tells little. */
const TICK_MS = 500;

/**
 * When a failed login may be answered: not before `failureMs` have passed, and not before it is known to have failed.
 * Unknown users need no dummy verification then: all failures take equally long.
 * @param failureMs 0 answers at once.
 */
export function answerTime(startedMs: number, failedMs: number, failureMs: number): number {
  return failureMs === 0
    ? failedMs
    : Math.ceil(Math.max(startedMs + failureMs, failedMs) / TICK_MS) * TICK_MS;
}

/** Waits until a failed login may be answered; no longer than its client is there. It holds nothing but a timer. */
export async function waitToAnswer(startedMs: number, failureMs: number, gone: AbortSignal): Promise<void> {
  const nowMs = performance.now();
  const waitMs = answerTime(startedMs, nowMs, failureMs) - nowMs;
  if (waitMs > 0) {
    await sleep(waitMs, undefined, { signal: gone }).catch(() => {
      // Nobody waits for the answer any more.
    });
  }
}
