import { promises as dns, type LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { Gate } from '../../auth/gate.ts';

/** How long an answer is taken without asking again. */
const FRESH_MS = 10_000;
/** How long the last good answer serves while there is none. */
const LAST_GOOD_MS = 3_600_000;
/** How long anybody waits for an answer where an earlier one would do. */
const PATIENCE_MS = 500;
/** How long an answer that failed is not asked for again where an earlier one serves. */
const RETRY_MS = 5000;
/** Each lookup keeps a thread of the process, of four by default, for as long as a dead name server lets it wait. */
const AT_A_TIME = 2;
/** More hosts than any cluster has; patterns let the directory name more. */
const MAX_HOSTS = 10_000;
/** Of one name; each may cost a part of a login's time. */
const MAX_ADDRESSES = 8;

export interface AddressesOptions {
  /** Asks the system; `dns.lookup` unless a test scripts it. */
  readonly lookup?: (host: string) => Promise<readonly LookupAddress[]>;
  /** Monotonic, in milliseconds. */
  readonly now?: () => number;
}

interface Host {
  asking: Promise<readonly LookupAddress[]> | undefined;
  good: { readonly addresses: readonly LookupAddress[]; readonly atMs: number } | undefined;
  failedMs: number;
}

/**
 * The addresses of the nodes, as the system's resolver has them: asked once for all who want them at the same time,
 * kept for 10 s, and for an hour where the resolver fails. A new address is taken by the next connection.
 */
export class Addresses {
  readonly #lookup: (host: string) => Promise<readonly LookupAddress[]>;
  readonly #now: () => number;
  readonly #hosts = new Map<string, Host>();
  readonly #gate = new Gate(AT_A_TIME);

  constructor({ lookup = lookupAll, now = () => performance.now() }: AddressesOptions = {}) {
    this.#lookup = lookup;
    this.#now = now;
  }

  /**
   * @returns at least one address, the system's preferred first.
   * @throws the resolver's error, or the signal's reason.
   */
  async of(name: string, signal: AbortSignal): Promise<readonly LookupAddress[]> {
    signal.throwIfAborted();
    const family = isIP(name);
    if (family !== 0) return [{ address: name, family }];
    const host = this.#host(name);
    const nowMs = this.#now();
    const ageMs = nowMs - (host.good?.atMs ?? Number.NEGATIVE_INFINITY);
    if (host.good === undefined || ageMs >= LAST_GOOD_MS)
      return await unlessAborted(this.#ask(name, host), signal);
    if (ageMs < FRESH_MS || nowMs - host.failedMs < RETRY_MS) return host.good.addresses;
    return await this.#askInPatience(name, host, host.good.addresses, signal);
  }

  #host(name: string): Host {
    const host = this.#hosts.get(name) ?? {
      asking: undefined,
      good: undefined,
      failedMs: Number.NEGATIVE_INFINITY,
    };
    // The one that was wanted longest ago is forgotten first.
    this.#hosts.delete(name);
    this.#hosts.set(name, host);
    const [oldest] = this.#hosts.keys();
    if (this.#hosts.size > MAX_HOSTS && oldest !== undefined) this.#hosts.delete(oldest);
    return host;
  }

  #ask(name: string, host: Host): Promise<readonly LookupAddress[]> {
    host.asking ??= this.#answer(name, host);
    return host.asking;
  }

  async #answer(name: string, host: Host): Promise<readonly LookupAddress[]> {
    try {
      using _ = await this.#gate.enter(FOREVER);
      const found = await this.#lookup(name);
      if (found.length === 0) throw new Error(`${name} has no address`);
      const addresses = found.slice(0, MAX_ADDRESSES);
      host.good = { addresses, atMs: this.#now() };
      return addresses;
    } catch (error) {
      host.failedMs = this.#now();
      throw error;
    } finally {
      host.asking = undefined;
    }
  }

  async #askInPatience(
    name: string,
    host: Host,
    lastGood: readonly LookupAddress[],
    signal: AbortSignal,
  ): Promise<readonly LookupAddress[]> {
    const { promise: patience, resolve } = Promise.withResolvers<readonly LookupAddress[]>();
    const timer = setTimeout(() => resolve(lastGood), PATIENCE_MS);
    // What fails later, when nobody waits any more, is told by the next who asks.
    const asked = this.#ask(name, host).catch(() => lastGood);
    try {
      return await unlessAborted(Promise.race([asked, patience]), signal);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Who waits for a lookup gives up by himself; the lookup goes on for the others. */
const FOREVER = new AbortController().signal;

function lookupAll(host: string): Promise<readonly LookupAddress[]> {
  return dns.lookup(host, { all: true, order: 'verbatim' });
}

async function unlessAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const giveUp = (): void => reject(signal.reason);
  signal.addEventListener('abort', giveUp);
  answer.then(resolve, reject);
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
