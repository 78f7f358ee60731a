import { expect } from 'vitest';
import type { Reason } from '../../auth/failure.ts';
import { Secret } from '../../auth/secret.ts';
import type { Event } from '../../src/events.ts';
import type { ThrottleSettings } from '../../src/throttle/settings.ts';
import { Throttle } from '../../src/throttle/throttle.ts';

export const MINUTE_MS = 60_000;
/** As in a configuration that says nothing, but for a network that is exempt. */
export const SETTINGS: ThrottleSettings = {
  windowMs: 15 * MINUTE_MS,
  perAddress: 30,
  perNetwork: 120,
  perUser: 4,
  perUserAndAddress: 6,
  overall: 100_000,
  maxDelayMs: 15_000,
  knownForMs: 24 * 60 * MINUTE_MS,
  rememberWrongMs: MINUTE_MS,
  maxKeys: 1000,
  exempt: ['203.0.113.0/24'],
};
export const secret = (text: string) => new Secret(Buffer.from(text));
export const password = (text: string) => ({ kind: 'password', password: secret(text) }) as const;

/** A login that is tried. */
export interface Try {
  readonly from?: string;
  /** The login name; the account's name, if it is another one, is behind a `>`. */
  readonly as: string;
  readonly by: string | undefined;
  readonly result?: 'ok' | Reason;
}

/** A throttle with a clock that stands still, and logins to it. */
export function setUp(changes: Partial<ThrottleSettings> = {}) {
  const clock = { ms: 0 };
  const events: Event[] = [];
  const throttle = new Throttle(
    { ...SETTINGS, ...changes },
    { observe: (event) => events.push(event), now: () => clock.ms },
  );
  /** One login: `throttled`, or the result that it was said to have. */
  const login = async ({ from = '192.0.2.1', as, by, result = 'wrongPassword' }: Try) => {
    const [typed = '', account = typed] = as.split('>');
    const watch = throttle.watch(from, by === undefined ? { kind: 'refuted' } : password(by));
    let ended = result;
    try {
      await watch.admit(typed);
      await watch.admit(account);
    } catch (error) {
      expect(error).toMatchObject({ name: 'LoginFailure', reason: 'throttled' });
      ended = 'throttled';
    }
    await watch.end({ result: ended, who: account });
    return { ended, delayMs: watch.delayMs(2000) };
  };
  /** Guesses until it is refused, and says how often it was not. */
  const guesses = async (next: (count: number) => Try, most = 2000) => {
    for (let count = 0; count < most; count += 1) {
      if ((await login(next(count))).ended === 'throttled') return count;
    }
    return most;
  };
  return { clock, events, throttle, login, guesses };
}
