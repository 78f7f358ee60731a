/** Which members of a home serve an account, and in which order: the same on all proxies, which never ask each other. */
import { createHash } from 'node:crypto';

/** A node that may serve an account, with all that the choice looks at. */
export interface Choosable {
  /** The node's name, in lower case. */
  readonly name: string;
  /** Its share of the users, beside the others of its priority; above 0. */
  readonly weight: number;
  /** 1 is the best; others are spares. */
  readonly priority: number;
  readonly fitness: Fitness;
}

/**
 * What a member is good for now: all services of its group, this one alone, users that have no other place, or a try
 * when nothing else is left.
 */
export type Fitness = 'whole' | 'partial' | 'draining' | 'unusable';

const RANK: Readonly<Record<Fitness, number>> = { whole: 0, partial: 1, draining: 2, unusable: 3 };

/**
 * The members of a group, best first: the fittest, of these the best priority, of these by highest random weight, so
 * that a member's loss moves only its own users, and its return brings them back.
 * @param user the account name: every proxy knows it, whatever the client typed.
 */
export function orderMembers<T extends Choosable>(user: string, members: readonly T[]): readonly T[] {
  return members
    .map((member) => ({ member, score: scoreOf(user, member) }))
    .toSorted(
      (a, b) =>
        RANK[a.member.fitness] - RANK[b.member.fitness] ||
        a.member.priority - b.member.priority ||
        b.score - a.score ||
        (a.member.name < b.member.name ? -1 : 1),
    )
    .map(({ member }) => member);
}

/**
 * The members of a whole home, of which the groups are in order already: those that may serve first, each kind in the
 * order in which the home names it. Nobody is brought to a node that drains while another one may serve him.
 */
export function orderHome<T extends Choosable>(members: readonly T[]): readonly T[] {
  const ready = members.filter(isReady);
  const draining = ready.length > 0 ? [] : members.filter(({ fitness }) => fitness === 'draining');
  return [...ready, ...draining, ...members.filter(({ fitness }) => fitness === 'unusable')];
}

/** Whether a member may be given users that have another place too. */
function isReady({ fitness }: Choosable): boolean {
  return RANK[fitness] < RANK.draining;
}

/**
 * Weighted rendezvous hashing by the logarithm method: the highest score wins, as often as its weight says. The hash is
 * the first 53 bits of SHA-256 over the account name, NUL and the node's name; proxies of all versions must agree on it.
 */
export function scoreOf(user: string, { name, weight }: Pick<Choosable, 'name' | 'weight'>): number {
  const digest = createHash('sha256').update(`${user.toLowerCase()}\0${name.toLowerCase()}`).digest();
  const hash = Number(digest.readBigUInt64BE(0) >> 11n);
  // Half a step off, so that it is neither 0 nor 1.
  return -weight / Math.log((hash + 0.5) / 2 ** 53);
}
