/** What SCRAM's first answer tells by its time, and what is asked before it. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Credentials } from '../../auth/authenticator.ts';
import { LoginFailure } from '../../auth/failure.ts';
import { DerivedKeys } from '../../auth/mechanisms/derived-keys.ts';
import { Disguise } from '../../auth/mechanisms/disguise.ts';
import { offerMechanisms } from '../../src/mechanisms.ts';
import { beginExchange } from '../../src/scram-exchange.ts';
import { clientFirst } from '../support/scram-client.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const UNKNOWN: Credentials = { kind: 'none', login: 'nobody', reason: 'unknownUser' };
const FOUND: Credentials = {
  kind: 'found',
  login: 'ann',
  account: { name: 'ann', entry: 'uid=ann,dc=x', homes: [], forwarded: new Map(), bar: undefined },
  values: ['secret'],
  allowCleartext: true,
};

/** When a SCRAM exchange has its first answer, in milliseconds, where the directory takes `searchMs` for each filter. */
async function answeredAfter(credentials: Credentials, directoryMs: number): Promise<number> {
  const authenticator = {
    credentials: () => new Promise<Credentials>((tell) => void setTimeout(tell, directoryMs, credentials)),
    authenticate: vi.fn(),
    lookup: vi.fn(),
    admit: vi.fn(),
    describeUser: vi.fn(),
  };
  const scram = { disguise: new Disguise(Buffer.alloc(32)), derivedKeys: new DerivedKeys() };
  const parts = { authenticator, directoryMs: 6000, scram };
  const offered = offerMechanisms(['SCRAM-SHA-256'], parts, { service: 'imap' })(undefined);
  const startedMs = performance.now();
  const step = offered
    .get('SCRAM-SHA-256')?.()
    .step(Buffer.from(clientFirst({})), new AbortController().signal);
  const answered = Promise.resolve(step).then((told) => ({
    answer: told,
    ms: performance.now() - startedMs,
  }));
  await vi.advanceTimersByTimeAsync(10_000);
  const { answer, ms } = await answered;
  expect(answer).toMatchObject({ kind: 'challenge' });
  return ms;
}

describe('the first answer of SCRAM', () => {
  it('takes the same time for a name that one search finds and for one that three do not (A18)', async () => {
    const found = await answeredAfter(FOUND, 4);
    const unknown = await answeredAfter(UNKNOWN, 12);

    expect([found, unknown]).toEqual([100, 100]);
  });

  it('comes at the next tick where a directory is slow', async () => {
    expect(await answeredAfter(UNKNOWN, 130)).toBe(200);
  });
});

describe('an exchange that begins', () => {
  const terms = { directoryMs: 1000, credentials: async () => UNKNOWN };
  const guardOf = (begin: () => Promise<void>) => ({
    admit: vi.fn(),
    admitAddress: vi.fn(),
    knownWrong: () => false,
    beginExchange: vi.fn(begin),
  });
  const signal = new AbortController().signal;

  it('is charged once, however often it asks', async () => {
    const guard = guardOf(async () => undefined);
    const accounts = beginExchange(terms, guard);

    const first = accounts.credentials(Buffer.from('ann'), signal);
    await vi.advanceTimersByTimeAsync(100);
    await first;
    await accounts.credentials(Buffer.from('ann'), signal);

    expect(guard.beginExchange).toHaveBeenCalledTimes(1);
  });

  it('asks no directory where its address has begun too many (A19)', async () => {
    const credentials = vi.fn(terms.credentials);
    const guard = guardOf(async () => Promise.reject(new LoginFailure('throttled', 'too many')));
    const accounts = beginExchange({ ...terms, credentials }, guard);

    await expect(accounts.credentials(Buffer.from('ann'), signal)).rejects.toMatchObject({
      reason: 'throttled',
    });
    expect(credentials).not.toHaveBeenCalled();
  });

  it('waits for no tick when its client is gone', async () => {
    const gone = new AbortController();
    const answered = beginExchange(terms, undefined).credentials(Buffer.from('ann'), gone.signal);
    gone.abort();

    await expect(answered).resolves.toBe(UNKNOWN);
  });
});
