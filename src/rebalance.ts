/** Brings users' sessions to where they belong when nodes change: away from those that drain, and home again. */
import type { ProxyEnd } from './relay.ts';
import type { TableChange } from './routing/node-table.ts';
import { bestPlace, type PlaceTerms } from './routing/place.ts';
import type { UserSession } from './user-session.ts';
import type { UserSessions } from './user-sessions.ts';

const TICK_MS = 100;
/** Each costs a few hashes: so many are looked at together. */
const LOOKS = 500;
/** What one session costs: rates are counted in thousandths, which add up without rounding. */
const ONE = 1000;
/** A node that is down is left within this. */
const LEAVE_MS = 30_000;

export interface RebalanceTerms extends PlaceTerms {
  readonly sessions: UserSessions;
  /** How many sessions are moved in a second, so that their clients don't come back all at once. */
  readonly perSecond: number;
  /** How long a session may go on that is to be moved; it ends as soon as it is quiet. */
  readonly withinMs: number;
  /** Users are brought back to a node that has not failed for so long: one that comes and goes would shake them. */
  readonly settleMs: number;
}

/**
 * Ends sessions whose user has a better place now, at a rate: each is looked at again when its turn comes. Where users
 * of a group would be on two members, this ends it.
 */
export class Rebalance implements Disposable {
  readonly #terms: RebalanceTerms;
  readonly #waiting = new Set<UserSession>();
  readonly #left = new Set<string>();
  readonly #returned = new Set<string>();
  readonly #strayed = new Set<UserSession>();
  readonly #settling = new Map<string | UserSession, NodeJS.Timeout>();
  #arePlacesMoved = false;
  #perTick: number;
  #credit = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(terms: RebalanceTerms) {
    this.#terms = terms;
    this.#perTick = this.#usualPerTick;
  }

  /** Listens to the node table. */
  readonly nodesChanged = ({ states, placesMoved }: TableChange): void => {
    for (const { node, after } of states) {
      if (after === 'up') this.#return(node);
      else this.#leave(node, after === 'draining' ? 0 : LEAVE_MS);
    }
    if (!placesMoved) return;
    this.#arePlacesMoved = true;
    this.#queue(this.#terms.sessions);
  };

  /** A node may be given users again, as far as its health goes. */
  returned(node: string): void {
    this.#whenSettled(node, () => {
      const known = this.#terms.nodes.find(node);
      if (known !== undefined && (known.settings.state ?? 'up') === 'up') this.#return(node);
    });
  }

  /** The way to the best node of a session failed once, of which nobody tells any more when it is there again. */
  strayed(session: UserSession): void {
    this.#whenSettled(session, () => {
      this.#strayed.add(session);
      this.#queue([session]);
    });
  }

  [Symbol.dispose](): void {
    for (const timer of this.#settling.values()) clearTimeout(timer);
    this.#settling.clear();
    this.#stop();
  }

  #whenSettled(what: string | UserSession, act: () => void): void {
    clearTimeout(this.#settling.get(what));
    const settle = (): void => {
      this.#settling.delete(what);
      act();
    };
    this.#settling.set(what, setTimeout(settle, this.#terms.settleMs).unref());
  }

  #return(node: string): void {
    this.#left.delete(node);
    this.#returned.add(node);
    this.#queue(this.#terms.sessions);
  }

  get #usualPerTick(): number {
    return Math.ceil((this.#terms.perSecond * ONE * TICK_MS) / 1000);
  }

  /** @param withinMs how soon all are to be asked to leave; 0 leaves that to the usual rate. */
  #leave(node: string, withinMs: number): void {
    const sessions = this.#terms.sessions.on(node);
    this.#returned.delete(node);
    this.#left.add(node);
    if (withinMs > 0) {
      this.#perTick = Math.max(this.#perTick, Math.ceil((sessions.length * ONE * TICK_MS) / withinMs));
    }
    this.#queue([...sessions, ...this.#underWay()]);
  }

  /** Logins that may be on their way to where they don't belong any more. */
  #underWay(): readonly UserSession[] {
    return [...this.#terms.sessions].filter((session) => session.node === undefined);
  }

  #queue(sessions: Iterable<UserSession>): void {
    for (const session of sessions) this.#waiting.add(session);
    if (this.#waiting.size > 0) this.#timer ??= setInterval(() => this.#move(), TICK_MS);
    else this.#stop();
  }

  #move(): void {
    this.#credit = Math.min(this.#credit + this.#perTick, Math.max(ONE, this.#perTick));
    const isDecided = ({ node, isOver }: UserSession): boolean => node !== undefined || isOver;
    for (const session of this.#waiting.values().filter(isDecided).take(LOOKS)) {
      if (this.#credit < ONE) return;
      this.#waiting.delete(session);
      const how = this.#whyMoved(session);
      if (how === undefined) continue;
      this.#credit -= ONE;
      session.endQuietly(how, this.#terms.withinMs);
    }
    if (this.#waiting.size === 0) this.#stop();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#waiting.clear();
    this.#left.clear();
    this.#returned.clear();
    this.#strayed.clear();
    this.#arePlacesMoved = false;
    this.#perTick = this.#usualPerTick;
    this.#credit = 0;
  }

  #whyMoved(session: UserSession): ProxyEnd | undefined {
    const { node, service, homes, isOver, isReferred } = session;
    if (isOver || node === undefined || isReferred) return undefined;
    const { nodes, health } = this.#terms;
    const best = bestPlace(session, homes, this.#terms);
    if (best === undefined || best.name === node || !health.usable(best, service)) return undefined;
    if (this.#left.has(node)) return 'drained';
    const isMoved = this.#arePlacesMoved || this.#returned.has(best.name) || this.#strayed.has(session);
    if (!isMoved) return undefined;
    // Where new logins fail, those that are in may still work.
    const current = nodes.find(node);
    return current !== undefined && health.usable(current, service) ? 'rebalanced' : undefined;
  }
}
