import { z } from 'zod';
import type { ThrottleSettings } from '../throttle/settings.ts';
import { delay, duration, longDuration, network } from './values.ts';

const limit = z.int().min(1).max(1_000_000);

export const throttleSchema = z.strictObject({
  enabled: z.boolean().default(true).describe('whether failed logins are throttled'),
  window: duration.prefault('15m').describe('how long it takes until failed logins are forgotten'),
  perUser: limit
    .default(4)
    .describe(
      'different wrong passwords of one user before further logins are refused; below what locks accounts in the directory',
    ),
  perUserAndAddress: limit
    .default(6)
    .describe('the same for one user from one address: all that counts where he logged in lately'),
  perAddress: limit.default(30).describe('failed logins of one IPv4 address, or of a /64 of IPv6'),
  perNetwork: limit.default(120).describe('failed logins of a /48 of IPv6'),
  overall: limit
    .default(5000)
    .describe(
      'failed logins of all clients; beyond, the other limits are a quarter for whoever is not known',
    ),
  maxDelay: duration
    .prefault('15s')
    .describe('failed logins are answered later each time, from times.failure up to this'),
  knownFor: longDuration.prefault('14d').describe('how long after a login a user is known at his address'),
  rememberWrong: delay
    .prefault('60s')
    .describe('how long a wrong password is refused without asking the directory again; 0s asks always'),
  maxKeys: z
    .int()
    .min(1000)
    .max(10_000_000)
    .default(100_000)
    .describe(
      'addresses, networks and users that are remembered, of each kind; about 300 octets each, up to 3 KiB for who fails all the time',
    ),
  exempt: z
    .array(network)
    .default([])
    .describe('networks where many users share an address, as webmail: only users are limited there'),
});

/**
 * Makes the settings of the throttle.
 * @param balancers whose clients can't be told apart by their address.
 * @returns `undefined` where there shall be none.
 */
export function buildThrottle(
  written: z.output<typeof throttleSchema>,
  balancers: readonly string[],
): ThrottleSettings | undefined {
  const { enabled, window, maxDelay, knownFor, rememberWrong, ...limits } = written;
  if (!enabled) return undefined;
  return {
    ...limits,
    exempt: [...limits.exempt, ...balancers],
    windowMs: window,
    maxDelayMs: maxDelay,
    knownForMs: knownFor,
    rememberWrongMs: rememberWrong,
  };
}
