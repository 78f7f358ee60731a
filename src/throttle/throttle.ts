import { LoginFailure } from '../../auth/failure.ts';
import { KeyedHash } from '../../auth/keyed-hash.ts';
import type { Observer } from '../events.ts';
import { Announcements, type Who } from './announcements.ts';
import { Charges } from './charges.ts';
import { ConnectionGuard } from './connection-guard.ts';
import { type Charge, COUNTER_KINDS, type CounterKind, type CounterStore, type Tally } from './counters.ts';
import { KnownUsers } from './known-users.ts';
import { KnownWrong } from './known-wrong.ts';
import { LoginNames } from './login-names.ts';
import { LoginWatch } from './login-watch.ts';
import { MemoryCounters } from './memory-counters.ts';
import { PendingLogins } from './pending-logins.ts';
import { ProofTokens } from './proof-tokens.ts';
import type { ThrottleSettings } from './settings.ts';
import type { Tried } from './tried.ts';

/** What metrics show of the throttle. */
export interface ThrottleState {
  readonly keys: ReadonlyMap<CounterKind, number>;
  readonly refusals: ReadonlyMap<CounterKind, number>;
  /** Wrong passwords that were refused without asking the directory. */
  readonly knownWrong: number;
  /** Names of users, each at one address. */
  readonly knownUsers: number;
}

/** What a throttle is made of besides its settings. */
export interface ThrottleParts {
  readonly observe: Observer;
  /** Counts in this process if it's left out. */
  readonly store?: CounterStore;
  /** A monotonic clock in milliseconds. */
  readonly now?: () => number;
}

/**
 * Slows down and stops whoever guesses passwords, and nobody else: different wrong passwords count, not the same one
 * again; and who logged in lately from an address is stopped there by his own failures alone.
 */
export class Throttle {
  readonly settings: ThrottleSettings;
  readonly store: CounterStore;
  readonly known: KnownUsers;
  readonly wrong: KnownWrong;
  readonly proofs: ProofTokens;
  readonly charges: Charges;
  readonly announcements: Announcements;
  readonly names: LoginNames;
  /** Logins of strangers, by place. */
  readonly pending = new PendingLogins();
  readonly #hash = new KeyedHash();
  readonly #refusals = new Map<CounterKind, number>(COUNTER_KINDS.map((kind) => [kind, 0]));

  constructor(settings: ThrottleSettings, { observe, store, now = () => performance.now() }: ThrottleParts) {
    const { windowMs, maxKeys } = settings;
    this.settings = settings;
    this.store = store ?? new MemoryCounters({ windowMs, maxKeys, now });
    this.known = new KnownUsers({ forMs: settings.knownForMs, max: maxKeys, now });
    this.wrong = new KnownWrong({ forMs: settings.rememberWrongMs, againMs: windowMs, max: maxKeys, now });
    this.proofs = new ProofTokens(settings, now);
    this.charges = new Charges(settings, this.known);
    this.announcements = new Announcements(observe, settings, now);
    this.names = new LoginNames(settings, now);
  }

  /** Stands before what is asked on one connection. */
  guard(ip: string): ConnectionGuard {
    return new ConnectionGuard(this, ip);
  }

  /**
   * Watches one login. It has to be told how the login ended.
   * @param begun what its exchange was charged with.
   */
  watch(ip: string, tried: Tried, begun: readonly Charge[] = []): LoginWatch {
    return new LoginWatch(this, { ip, tried, begun });
  }

  /** Whether many users share an address. */
  isExempt(ip: string): boolean {
    return this.charges.isExempt(ip);
  }

  /** Counts what has room, or nothing of it. @throws {LoginFailure} `throttled`. */
  async take(charges: readonly Charge[]): Promise<readonly Tally[]> {
    const taken = await this.store.take(charges);
    if (taken.kind === 'full') {
      this.#refusals.set(taken.full, (this.#refusals.get(taken.full) ?? 0) + 1);
      throw new LoginFailure('throttled', TOO_MANY[taken.full]);
    }
    const overall = charges.findIndex(({ kind }) => kind === 'overall');
    this.charges.overall = taken.tallies[overall]?.count ?? this.charges.overall;
    return taken.tallies;
  }

  /** Counts a failure from an address. @returns how many a stranger's would be as full with. */
  async countFailure(ip: string, token: number | undefined, who: Who): Promise<number> {
    const { charges, settings } = this;
    const ofAddress = charges.ofAddress(ip, token);
    const tallies = await this.take(ofAddress);
    const isFresh = tallies.length === 0 || tallies.some(({ fresh }) => fresh);
    const all = isFresh ? [charges.ofAll()] : [];
    this.announce([...ofAddress, ...all], [...tallies, ...(await this.take(all))], who);
    const [own] = ofAddress;
    return ((tallies[0]?.count ?? 0) * settings.perAddress) / (own?.capacity ?? 1);
  }

  /** Says which of what was charged has no more to give. */
  announce(charges: readonly Charge[], tallies: readonly Tally[], who: Who): void {
    for (const [index, tally] of tallies.entries()) {
      const charge = charges[index];
      if (charge !== undefined) this.announcements.note(charge, tally, who);
    }
  }

  /** Stands for what was tried, and tells nothing of it. */
  tokenOf(...parts: readonly (string | Buffer)[]): number {
    return this.#hash.of(...parts).readUIntBE(0, 6);
  }

  /** What metrics show. */
  async state(): Promise<ThrottleState> {
    return {
      keys: await this.store.sizes(),
      refusals: this.#refusals,
      knownWrong: this.wrong.hits,
      knownUsers: this.known.size,
    };
  }
}

const TOO_MANY: Readonly<Record<CounterKind, string>> = {
  address: "too many failed logins from the client's address",
  network: "too many failed logins from the client's /48",
  user: 'too many wrong passwords for this user',
  userAndAddress: "too many wrong passwords for this user from the client's address",
  exchange: "too many logins from the client's address that were begun and not ended",
  overall: 'too many failed logins',
};
