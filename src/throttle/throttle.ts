import { createHmac, randomBytes } from 'node:crypto';
import type { LoginGuard } from '../../auth/directory.ts';
import { LoginFailure } from '../../auth/failure.ts';
import type { Secret } from '../../auth/secret.ts';
import type { Observer } from '../events.ts';
import { Networks } from '../networks.ts';
import { type AddressKeys, addressKeys } from './address.ts';
import {
  type Charge,
  COUNTER_KINDS,
  type CounterKind,
  type CounterStore,
  MemoryCounters,
  randomToken,
  type Tally,
} from './counters.ts';
import { KnownWrong } from './known-wrong.ts';
import { LoginWatch } from './login-watch.ts';
import { Recent } from './recent.ts';

/** How failed logins are throttled. Limits are numbers of different wrong passwords, which fade within `windowMs`. */
export interface ThrottleSettings {
  readonly windowMs: number;
  readonly perAddress: number;
  /** For a /48 of IPv6. */
  readonly perNetwork: number;
  readonly perUser: number;
  readonly perUserAndAddress: number;
  /** Failures of all clients beyond which addresses and users have a quarter of their limits. */
  readonly overall: number;
  /** The longest time after which a failed login is answered. */
  readonly maxDelayMs: number;
  /** How long after a login its user is known at its address. */
  readonly knownForMs: number;
  /** How long a wrong password is refused without asking the directory again. */
  readonly rememberWrongMs: number;
  /** Of each kind. */
  readonly maxKeys: number;
  /** Networks whose addresses many users share; users are limited there too. */
  readonly exempt: readonly string[];
}

/** What an operator may see of the throttle, by kind. */
export interface ThrottleState {
  readonly keys: ReadonlyMap<CounterKind, number>;
  readonly refusals: ReadonlyMap<CounterKind, number>;
  /** Wrong passwords that were refused without asking the directory. */
  readonly knownWrong: number;
}

/** What a throttle is made of besides its settings. */
export interface ThrottleParts {
  readonly observe: Observer;
  /** Counts in this process if it's left out. */
  readonly store?: CounterStore;
  /** A monotonic clock in milliseconds. */
  readonly now?: () => number;
}

/** From where and by whom failures are, for the log. */
export interface Origin {
  readonly ip: string;
  /** The user as the log may show him: the account's name, or a hash. */
  readonly who: string;
}

/** Stands for what a login tried; nothing, where it can't have been a guess. */
export type Tried =
  /** A password, which is the same guess when it is tried again. */
  | { readonly kind: 'password'; readonly password: Secret }
  /** The mechanism has found the proof right, or wrong, by itself. */
  | { readonly kind: 'proved' | 'refuted' }
  /** A token or a certificate, right or wrong, which is no guess at a user's password; `token` as above. */
  | { readonly kind: 'noPassword'; readonly token?: Secret };

/** Counts all failures. */
const OVERALL = { kind: 'overall', id: '', limit: Number.POSITIVE_INFINITY } as const;
/** How much is left of a limit while failures come from everywhere. */
const TIGHT = 1 / 4;

/**
 * Slows down and stops whoever guesses passwords, and nobody else: different wrong passwords count, not the same one
 * again; and who logged in lately from an address is stopped there by his own failures alone.
 */
export class Throttle {
  readonly settings: ThrottleSettings;
  readonly store: CounterStore;
  readonly wrong: KnownWrong;
  readonly #limits: Readonly<Record<CounterKind, number>>;
  readonly #observe: Observer;
  readonly #exempt: Networks;
  readonly #key = randomBytes(32);
  /** Users by name and address. */
  readonly #known: Recent<true>;
  /** What has been said to be throttled. */
  readonly #announced: Recent<true>;
  readonly #refusals = new Map<CounterKind, number>(COUNTER_KINDS.map((kind) => [kind, 0]));
  #overall = 0;

  constructor(settings: ThrottleSettings, { observe, store, now = () => performance.now() }: ThrottleParts) {
    const { windowMs, maxKeys } = settings;
    this.settings = settings;
    this.#limits = {
      address: settings.perAddress,
      network: settings.perNetwork,
      user: settings.perUser,
      userAndAddress: settings.perUserAndAddress,
      overall: settings.overall,
    };
    this.store = store ?? new MemoryCounters({ limits: this.#limits, windowMs, maxKeys, now });
    this.wrong = new KnownWrong({ forMs: settings.rememberWrongMs, max: maxKeys, now });
    this.#observe = observe;
    this.#exempt = new Networks(settings.exempt);
    this.#known = new Recent(maxKeys, now);
    this.#announced = new Recent(maxKeys, now);
  }

  /** Watches one login. It has to be told how the login ended. */
  watch(ip: string, tried: Tried): LoginWatch {
    return new LoginWatch(this, ip, tried);
  }

  /**
   * Stands before what mechanisms ask on a connection before there is a login to be watched. It only asks, each time:
   * what became of a proof is told when its login was counted, and not before.
   */
  guard(ip: string): LoginGuard {
    return {
      admit: (name) =>
        this.#ask([...this.questionsOfAddress(ip, name), ...this.chargesOfUser(name, ip, undefined)]),
      admitAddress: (name) => this.#ask(this.questionsOfAddress(ip, name)),
      knownWrong: () => false,
    };
  }

  async #ask(questions: readonly Charge[]): Promise<void> {
    const taken = await this.store.take(questions);
    if (taken.kind === 'full') this.refuse(taken.full);
  }

  /** Whether many users share an address. */
  isExempt(ip: string): boolean {
    return this.#exempt.has(ip);
  }

  /**
   * Asks whether an address has failures left, and how many there are overall; counts none.
   * @param name of the user who logs in, or says so; `undefined` when that is nobody.
   */
  questionsOfAddress(ip: string, name: string | undefined): readonly Charge[] {
    const isFree = name !== undefined && this.#isKnown(name, addressKeys(ip));
    const questions = this.#chargesOfAddress(ip, undefined).map((charge) => ({
      ...charge,
      limit: this.#limitOf(charge.kind),
    }));
    return [...(isFree ? [] : questions), { ...OVERALL, token: undefined }];
  }

  /** What a failure from an address is counted by, besides its user: in any case. */
  #chargesOfAddress(ip: string, token: number | undefined): readonly Charge[] {
    if (this.#exempt.has(ip)) return [];
    const { address, network } = addressKeys(ip);
    const limit = Number.POSITIVE_INFINITY;
    const charge = { kind: 'address', id: address, token, limit } as const;
    return network === undefined ? [charge] : [charge, { kind: 'network', id: network, token, limit }];
  }

  /**
   * What guesses at a user are counted by. Where he is known, that are those from there alone: neither are the guesses
   * of others a reason to keep him out there, nor his own to keep him out elsewhere.
   */
  chargesOfUser(name: string, ip: string, token: number | undefined): readonly Charge[] {
    const keys = addressKeys(ip);
    const pair = {
      kind: 'userAndAddress',
      id: pairOf(name, keys),
      token,
      limit: this.#limits.userAndAddress,
    } as const;
    return this.#isKnown(name, keys)
      ? [pair]
      : [pair, { kind: 'user', id: name, token, limit: this.#limitOf('user') }];
  }

  /** Remembers that a user logged in from an address. */
  remember(name: string, ip: string): void {
    this.#known.set(pairOf(name, addressKeys(ip)), true, this.settings.knownForMs);
  }

  /** @throws {LoginFailure} always; `throttled`. */
  refuse(kind: CounterKind): never {
    this.#refusals.set(kind, (this.#refusals.get(kind) ?? 0) + 1);
    throw new LoginFailure('throttled', TOO_MANY[kind]);
  }

  /** Counts a failure from an address. @returns how many there are. */
  async countFailure(token: number, from: Origin): Promise<number> {
    const charges = this.#chargesOfAddress(from.ip, token);
    const tallies = await this.#takeAll(charges);
    for (const [index, { count, fresh }] of tallies.entries()) {
      const charge = charges[index];
      if (charge !== undefined && fresh) this.noteCount(charge, count, from);
    }
    if (tallies.length === 0 || tallies.some(({ fresh }) => fresh)) {
      await this.#countOverall(from);
    }
    return tallies[0]?.count ?? 0;
  }

  async #countOverall(from: Origin): Promise<void> {
    const charge = { ...OVERALL, token: randomToken() };
    const [tally] = await this.#takeAll([charge]);
    this.#overall = tally?.count ?? this.#overall;
    this.noteCount(charge, this.#overall, from);
  }

  async #takeAll(charges: readonly Charge[]): Promise<readonly Tally[]> {
    const taken = await this.store.take(charges);
    return taken.kind === 'taken' ? taken.tallies : [];
  }

  /** Takes note of how many failures there are overall. */
  noteOverall(count: number): void {
    this.#overall = count;
  }

  /** Says once in a window that a key has no more to give. */
  noteCount({ kind, id }: Charge, count: number, { who, ip }: Origin): void {
    if (count + 1 <= this.#limits[kind] || this.#announced.get(`${kind} ${id}`) === true) {
      return;
    }
    this.#announced.set(`${kind} ${id}`, true, this.settings.windowMs);
    const { address, network } = addressKeys(ip);
    const user = kind === 'user' || kind === 'userAndAddress' ? { user: who } : {};
    const client = kind === 'network' ? network : address;
    const from = kind === 'user' || kind === 'overall' || client === undefined ? {} : { client };
    this.#observe({ event: 'throttleStart', kind, ...user, ...from });
  }

  /** Stands for what was tried, and tells nothing of it. */
  tokenOf(...parts: readonly (string | Buffer)[]): number {
    const hash = createHmac('sha256', this.#key);
    for (const part of parts) hash.update(part).update('\0');
    return hash.digest().readUIntBE(0, 6);
  }

  get isTight(): boolean {
    return this.#overall >= this.settings.overall;
  }

  /** What metrics show. */
  state(): ThrottleState {
    return {
      keys: new Map(COUNTER_KINDS.map((kind) => [kind, this.store.size(kind)])),
      refusals: this.#refusals,
      knownWrong: this.wrong.hits,
    };
  }

  #isKnown(name: string, keys: AddressKeys): boolean {
    return this.#known.get(pairOf(name, keys)) === true;
  }

  #limitOf(kind: CounterKind): number {
    return this.isTight ? Math.max(1, this.#limits[kind] * TIGHT) : this.#limits[kind];
  }
}

const TOO_MANY: Readonly<Record<CounterKind, string>> = {
  address: "too many failed logins from the client's address",
  network: "too many failed logins from the client's /48",
  user: 'too many wrong passwords for this user',
  userAndAddress: "too many wrong passwords for this user from the client's address",
  overall: 'too many failed logins',
};

// The address itself, or the /64, and not the provider's /24: neighbours must neither borrow the trust in a user's
// address nor use up what failures it may have.
function pairOf(name: string, { address }: AddressKeys): string {
  return `${name} ${address}`;
}
