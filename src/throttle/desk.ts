import { isIP } from 'node:net';
import type { Observer } from '../events.ts';
import { addressKeys } from './address.ts';
import type { Counted, Subject } from './counters.ts';
import type { Throttle } from './throttle.ts';

/** Whom an operator asks for, as he typed it. */
export type Asked = { readonly user: string } | { readonly address: string };

/** What the throttle has of somebody. */
export interface Found {
  readonly counts: readonly (Counted & { readonly limit: number; readonly refuses: boolean })[];
  /** Addresses where the user is known. */
  readonly knownAt: readonly string[];
  /** Whether so many fail everywhere that limits are a quarter: nobody's count is the reason for that. */
  readonly isTight: boolean;
}

/** Who forgets something. */
export interface Operator {
  /** As he says himself. */
  readonly name: string;
  readonly ip: string;
}

/** Shows operators what the throttle counts of somebody, and has it forgotten. */
export class ThrottleDesk {
  readonly #throttle: Throttle;
  readonly #readName: (typed: string) => string | undefined;
  readonly #observe: Observer;

  /** @param readName normalises a login name; `undefined` for what can't be one. */
  constructor(
    throttle: Throttle,
    { readName, observe }: { readName: (typed: string) => string | undefined; observe: Observer },
  ) {
    this.#throttle = throttle;
    this.#readName = readName;
    this.#observe = observe;
  }

  /** @returns `undefined` for what is no login name, or no address. */
  async show(asked: Asked): Promise<Found | undefined> {
    const subjects = this.#subjectsOf(asked);
    if (subjects === undefined) return undefined;
    const { store, known, charges } = this.#throttle;
    const counts: Found['counts'][number][] = [];
    for (const subject of subjects) {
      for (const counted of await store.list(subject)) {
        const limit = charges.limitNow(counted);
        if (counted.count > 0) counts.push({ ...counted, limit, refuses: counted.count + 1 > limit });
      }
    }
    const names = subjects.flatMap((subject) => ('user' in subject ? [subject.user] : []));
    return { counts, knownAt: known.addressesOf(names), isTight: charges.isTight };
  }

  /** Forgets what `show` shows but where he is known. @returns what that was; `undefined` as above. */
  async forget(asked: Asked, { name, ip }: Operator): Promise<Found | undefined> {
    const found = await this.show(asked);
    if (found === undefined) return undefined;
    for (const subject of this.#subjectsOf(asked) ?? []) {
      await this.#throttle.store.forget(subject);
      this.#throttle.announcements.forget(subject);
    }
    const whose = 'user' in asked ? { user: asked.user } : { client: asked.address };
    this.#observe({
      event: 'throttleForgotten',
      ...whose,
      counts: found.counts.length,
      operator: name,
      from: ip,
    });
    return found;
  }

  #subjectsOf(asked: Asked): readonly Subject[] | undefined {
    if ('user' in asked) {
      const name = this.#readName(asked.user);
      return name === undefined ? undefined : this.#throttle.names.sameAs(name).map((user) => ({ user }));
    }
    // A network, as the log shows it, is asked for by its first address.
    const [ip = ''] = asked.address.split('/', 1);
    if (isIP(ip) === 0) return undefined;
    const { address, network } = addressKeys(ip);
    return [{ place: address }, ...(network === undefined ? [] : [{ place: network }])];
  }
}
