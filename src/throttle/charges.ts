import { Networks } from '../networks.ts';
import { addressKeys } from './address.ts';
import type { Charge, CounterKind } from './counters.ts';
import type { KnownUsers } from './known-users.ts';
import type { ThrottleSettings } from './settings.ts';

/** What a guess at a user is, at the counters. */
export interface Guess {
  /** For the user at his address, and for the user; `undefined` is always another guess. */
  readonly here: number | undefined;
  readonly anywhere: number | undefined;
  /** False only asks whether it would be counted. */
  readonly counts: boolean;
}

/** How much is left of a limit while failures come from everywhere. */
const TIGHT = 1 / 4;
/** Failures that an address may have besides, for each account that is known there. */
const PER_ACCOUNT = 2;
/** What they may be at most, as a multiple of `perAddress`. */
const MOST_PER_ACCOUNTS = 9;
/** Exchanges that may be begun and not ended, as a multiple of the failures. */
const EXCHANGES = 20;

/**
 * What logins are charged with, and how much their keys may have.
 *
 * An address has room for two failures more for each account that is known there, at most for ten times as many as a
 * stranger's: 300 with the default limits, where 135 accounts are known. So an office whose users have all changed
 * their passwords is not shut out. Who has n accounts of his own gains 2 n guesses in a window (15 minutes) at each
 * address where he has logged in with all of them, and never more than 270; guesses at one user are limited as before.
 */
export class Charges {
  /** Failures of all clients, as they were when last counted. */
  overall = 0;
  readonly #settings: ThrottleSettings;
  readonly #known: KnownUsers;
  readonly #exempt: Networks;

  constructor(settings: ThrottleSettings, known: KnownUsers) {
    this.#settings = settings;
    this.#known = known;
    this.#exempt = new Networks(settings.exempt);
  }

  /** Whether so many fail that everybody's limits are a part of what they are. */
  get isTight(): boolean {
    return this.overall >= this.#settings.overall;
  }

  /** Whether many users share an address. */
  isExempt(ip: string): boolean {
    return this.#exempt.has(ip);
  }

  /**
   * What guesses at a user are counted by. Where he is known, that are those from there alone: neither are the guesses
   * of others a reason to keep him out there, nor his own to keep him out elsewhere.
   */
  ofUser(name: string, ip: string, { here, anywhere, counts }: Guess): readonly Charge[] {
    const { perUserAndAddress, perUser } = this.#settings;
    const place = addressKeys(ip).address;
    const pair: Charge = {
      kind: 'userAndAddress',
      user: name,
      place,
      token: here,
      counts,
      capacity: perUserAndAddress,
      limit: perUserAndAddress,
    };
    if (this.#known.has(name, ip)) return [pair];
    const limit = this.#tightened(perUser);
    return [pair, { kind: 'user', user: name, token: anywhere, counts, capacity: perUser, limit }];
  }

  /**
   * Asks whether an address has failures left, and how many there are overall; counts none.
   * @param name of the user who logs in, or says so; `undefined` when that is nobody.
   */
  questionsOf(ip: string, name: string | undefined): readonly Charge[] {
    const isFree = name !== undefined && this.#known.has(name, ip);
    const questions = this.#placesOf(ip).map(({ kind, place, capacity }) => {
      return { kind, place, capacity, token: undefined, counts: false, limit: this.#tightened(capacity) };
    });
    return [...(isFree ? [] : questions), { ...this.ofAll(), counts: false }];
  }

  /** What a failure from an address is counted by, besides its user: in any case. */
  ofAddress(ip: string, token: number | undefined): readonly Charge[] {
    const limit = Number.POSITIVE_INFINITY;
    return this.#placesOf(ip).map((place) => ({ ...place, token, counts: true, limit }));
  }

  /**
   * What an exchange is charged with that asks the directory before there is a proof, or a provider of its token.
   * @param token as of a charge: the same one tried again is no other exchange.
   */
  ofExchange(ip: string, token?: number): readonly Charge[] {
    return this.#placesOf(ip).map(({ place, capacity }) => {
      const most = EXCHANGES * capacity;
      return { kind: 'exchange', place, token, counts: true, capacity: most, limit: most };
    });
  }

  /** Counts all failures. */
  ofAll(): Charge {
    const { overall: capacity } = this.#settings;
    const limit = Number.POSITIVE_INFINITY;
    return { kind: 'overall', token: undefined, counts: true, capacity, limit };
  }

  /** What a key that has this capacity may have now. */
  limitNow({ kind, capacity }: Pick<Charge, 'kind' | 'capacity'>): number {
    const isTightened = kind === 'user' || kind === 'address' || kind === 'network';
    return isTightened ? this.#tightened(capacity) : capacity;
  }

  #placesOf(ip: string) {
    if (this.isExempt(ip)) return [];
    const { perAddress, perNetwork } = this.#settings;
    const { address, network } = addressKeys(ip);
    const one = this.#place('address', address, perAddress);
    return network === undefined ? [one] : [one, this.#place('network', network, perNetwork)];
  }

  #place(kind: Extract<CounterKind, 'address' | 'network'>, place: string, strangers: number) {
    const more = PER_ACCOUNT * this.#known.accountsAt(place);
    const capacity = strangers + Math.min(more, MOST_PER_ACCOUNTS * this.#settings.perAddress);
    return { kind, place, capacity };
  }

  #tightened(limit: number): number {
    return this.isTight ? Math.max(1, limit * TIGHT) : limit;
  }
}
