import { promises as dns, type LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { Gate } from '../../auth/gate.ts';
import { Recent } from '../../auth/recent.ts';

/** How long an answer is taken without asking again. */
const FRESH_MS = 10_000;
/** How long the last good answer serves while there is none. */
const LAST_GOOD_MS = 3_600_000;
/** How long anybody waits for an answer where an earlier one would do. */
const PATIENCE_MS = 500;
/** How long a name that failed is not asked for again. */
const RETRY_MS = 5000;
/** Each lookup keeps a thread of the process, of four by default, for as long as a dead name server lets it wait. */
const AT_A_TIME = 2;
/** A lookup that takes longer has failed for those who wait, and makes room for another. */
const SLOW_MS = 5000;
/** So many make room: their threads are still kept, and one must be left for files and hashes. */
const MAX_SLOW = 1;
/** How long a slow name is not asked for again; most of that time its threads are free for others. */
const SLOW_RETRY_MS = 60_000;
/** More hosts than any cluster has; patterns let the directory name more. */
const MAX_HOSTS = 10_000;
/** Of one name; each may cost a part of a login's time. */
const MAX_ADDRESSES = 8;

type Answer = readonly LookupAddress[];

export interface AddressesOptions {
  /** Asks the system; `dns.lookup` unless a test scripts it. */
  readonly lookup?: (host: string) => Promise<Answer>;
  /** Monotonic, in milliseconds. */
  readonly now?: () => number;
}

/** A question that waits for its turn, or for its answer. */
interface Asking {
  readonly answer: Promise<Answer>;
  readonly sinceMs: number;
  /** Takes it back, if it still waits for its turn. */
  readonly drop: () => void;
}

interface Host {
  asking: Asking | undefined;
  /** How many can't go on without an answer. */
  waiting: number;
  good: { readonly addresses: Answer; readonly atMs: number } | undefined;
  failed: { readonly error: unknown; readonly untilMs: number } | undefined;
}

class SlowLookup extends Error {}

/**
 * The addresses of the nodes, as the system's resolver has them: asked once for all who want them at the same time,
 * kept for 10 s, and for an hour where the resolver fails. A new address is taken by the next connection. Names that
 * are slow or fail keep no other name waiting for long.
 */
export class Addresses {
  readonly #lookup: (host: string) => Promise<Answer>;
  readonly #now: () => number;
  readonly #hosts: Recent<Host>;
  readonly #gate = new Gate(AT_A_TIME);
  /** Lookups that go on though they have made room for others. */
  #slow = 0;

  constructor({ lookup = lookupAll, now = () => performance.now() }: AddressesOptions = {}) {
    this.#lookup = lookup;
    this.#now = now;
    this.#hosts = new Recent(MAX_HOSTS, now);
  }

  /**
   * @returns at least one address, the system's preferred first.
   * @throws the resolver's error, also one of the last seconds, or the signal's reason.
   */
  async of(name: string, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    const family = isIP(name);
    if (family !== 0) return [{ address: name, family }];
    const host = this.#host(name);
    const nowMs = this.#now();
    const ageMs = nowMs - (host.good?.atMs ?? Number.NEGATIVE_INFINITY);
    const lastGood = ageMs < LAST_GOOD_MS ? host.good?.addresses : undefined;
    if (lastGood !== undefined && ageMs < FRESH_MS) return lastGood;
    if (host.failed !== undefined && nowMs < host.failed.untilMs) {
      if (lastGood === undefined) throw host.failed.error;
      return lastGood;
    }
    return lastGood === undefined
      ? await this.#askAndWait(name, host, signal)
      : await this.#askInPatience(name, host, lastGood, signal);
  }

  #host(name: string): Host {
    const host = this.#hosts.get(name) ?? {
      asking: undefined,
      waiting: 0,
      good: undefined,
      failed: undefined,
    };
    this.#hosts.set(name, host, Number.POSITIVE_INFINITY);
    return host;
  }

  async #askAndWait(name: string, host: Host, signal: AbortSignal): Promise<Answer> {
    const { answer, drop } = this.#ask(name, host);
    host.waiting += 1;
    try {
      return await unlessAborted(answer, signal);
    } finally {
      host.waiting -= 1;
      if (host.waiting === 0) drop();
    }
  }

  async #askInPatience(name: string, host: Host, lastGood: Answer, signal: AbortSignal): Promise<Answer> {
    const { answer, sinceMs } = this.#ask(name, host);
    const { promise: patience, resolve } = Promise.withResolvers<Answer>();
    // Not each login in turn: one that comes later waits for what is left.
    const timer = setTimeout(() => resolve(lastGood), PATIENCE_MS - (this.#now() - sinceMs));
    // What fails later, when nobody waits any more, is told by the next who asks.
    const asked = answer.catch(() => lastGood);
    try {
      return await unlessAborted(Promise.race([asked, patience]), signal);
    } finally {
      clearTimeout(timer);
    }
  }

  #ask(name: string, host: Host): Asking {
    if (host.asking !== undefined) return host.asking;
    const queued = new AbortController();
    let isQueued = true;
    const end = (): void => {
      if (host.asking === asking) host.asking = undefined;
    };
    const turn = this.#gate.enter(queued.signal).finally(() => {
      isQueued = false;
    });
    const asking: Asking = {
      answer: this.#answer(name, host, turn).finally(end),
      sinceMs: this.#now(),
      drop: () => {
        if (!isQueued) return;
        queued.abort(new Error(`nobody waits for ${name}`));
        end();
      },
    };
    host.asking = asking;
    return asking;
  }

  async #answer(name: string, host: Host, turn: Promise<Disposable>): Promise<Answer> {
    const place = await turn;
    try {
      return await this.#unlessSlow(this.#learn(name, host), name, place);
    } catch (error) {
      const retryMs = error instanceof SlowLookup ? SLOW_RETRY_MS : RETRY_MS;
      host.failed = { error, untilMs: this.#now() + retryMs };
      throw error;
    }
  }

  /** Looks it up, and remembers a good answer also where it comes late. */
  async #learn(name: string, host: Host): Promise<Answer> {
    const found = await this.#lookup(name);
    if (found.length === 0) throw new Error(`${name} has no address`);
    const addresses = found.slice(0, MAX_ADDRESSES);
    host.good = { addresses, atMs: this.#now() };
    host.failed = undefined;
    return addresses;
  }

  async #unlessSlow(answer: Promise<Answer>, name: string, place: Disposable): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    let giveBack = (): void => place[Symbol.dispose]();
    const timer = setTimeout(() => {
      reject(new SlowLookup(`no answer for ${name} in ${SLOW_MS} ms`));
      if (this.#slow >= MAX_SLOW) return;
      this.#slow += 1;
      giveBack();
      giveBack = () => {
        this.#slow -= 1;
      };
    }, SLOW_MS).unref();
    const end = (): void => {
      clearTimeout(timer);
      giveBack();
    };
    answer.finally(end).then(resolve, reject);
    return await promise;
  }
}

function lookupAll(host: string): Promise<Answer> {
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
