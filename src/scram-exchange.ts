import { once } from 'node:events';
import { Deadline } from '../auth/deadline.ts';
import type { LoginGuard } from '../auth/directory.ts';
import type { StoredAccounts } from '../auth/mechanisms/stored-accounts.ts';

/** SCRAM's first message is answered at a multiple of this after it came. */
const TICK_MS = 100;

/**
 * The accounts, as one SCRAM exchange asks for them. Its first question has no proof yet, so it is charged to the
 * client's address; and it is answered at a tick, as all that follows is told when the login ends: an unknown name
 * costs a directory one search for each of its filters, and a known one fewer. The ticks are counted from the
 * question, since at ticks of the clock a difference would show in how often they are missed.
 */
export function beginExchange(accounts: StoredAccounts, guard: LoginGuard | undefined): StoredAccounts {
  let isBegun = false;
  return {
    directoryMs: accounts.directoryMs,
    credentials: async (name, signal) => {
      if (isBegun) return await accounts.credentials(name, signal);
      isBegun = true;
      const startedMs = performance.now();
      await guard?.beginExchange?.();
      try {
        return await accounts.credentials(name, signal);
      } finally {
        await untilTick(startedMs, signal);
      }
    },
  };
}

async function untilTick(startedMs: number, signal: AbortSignal): Promise<void> {
  const spentMs = performance.now() - startedMs;
  // The signal also ends it: the client is gone, or the directory's time is over, which has an answer of its own.
  using tick = new Deadline(Math.ceil(spentMs / TICK_MS) * TICK_MS - spentMs, signal);
  if (!tick.signal.aborted) await once(tick.signal, 'abort');
}
