/** Keeps logins from nodes that would let anyone in. */
import { Deadline } from '../auth/deadline.ts';
import { LoginFailure } from '../auth/failure.ts';
import type { MailProtocol } from '../protocols/protocol.ts';
import type { Observer } from './events.ts';
import type { KnownNode } from './routing/node-table.ts';
import type { Home, Member } from './routing/route.ts';
import { bareMember, type Finding } from './trust-check.ts';

/** How it is found out, and how often. */
export interface TrustWatchTerms {
  /** Tries a wrong proof at a port of a node. */
  readonly check: (member: Member, protocol: MailProtocol, signal: AbortSignal) => Promise<Finding>;
  /** From one check to the next. */
  readonly everyMs: number;
  /** One check may take so long. */
  readonly checkMs: number;
  readonly protocols: ReadonlyMap<string, MailProtocol>;
  readonly observe: Observer;
}

interface Watched {
  readonly node: KnownNode;
  readonly protocol: MailProtocol;
  /** When to look, by the clock of `performance`. */
  dueMs: number;
  trustsAnyone: boolean;
  /** When a login last wanted it, by the same clock; `Infinity` for one of the table, which is always watched. */
  wantedMs: number;
  /** Since when it could not be told, by the same clock; `Infinity` where that was said already. */
  untoldMs: number | undefined;
}

/** A pattern may stand for any number of names; who can edit an entry could make them up. */
const MAX_WATCHED = 10_000;
/** For so long a name that no login wants is watched. */
const FORGET_MS = 3_600_000;
const AT_A_TIME = 4;
const TICK_MS = 1000;
/** Where it could not be told, or an operator is at work on a node that trusts anyone. */
const AGAIN_MS = 60_000;
/** So long it may take to mend a node, and nobody is told that it can't be asked. */
const UNTOLD_MS = 3_600_000;

/**
 * Tries a wrong proof at each node, at the start or when a login first goes there, and again from time to time. A node
 * that takes it gets no logins until it refuses one. Nobody waits for it: what a node has always done is not urgent.
 */
export class TrustWatch implements Disposable {
  readonly #terms: TrustWatchTerms;
  readonly #watched = new Map<string, Watched>();
  readonly #closing = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #running = 0;

  constructor(terms: TrustWatchTerms) {
    this.#terms = terms;
    this.#timer = setInterval(() => this.#look(), TICK_MS).unref();
  }

  /** Nodes are gone, or other servers are in their place, which are tried at once: until then the old ones are believed. */
  replace(names: readonly string[], nodes: readonly KnownNode[]): void {
    const anyone = new Map<string, Watched>();
    for (const [key, watched] of this.#watched) {
      if (!names.includes(watched.node.name)) continue;
      this.#watched.delete(key);
      if (watched.trustsAnyone) anyone.set(key, watched);
    }
    for (const node of nodes) this.watch(node);
    for (const [key, before] of anyone) {
      const now = this.#watched.get(key);
      if (now !== undefined) now.trustsAnyone = true;
      else this.#tell(before, false, 'it is in the node table no more');
    }
  }

  /** Watches all ports of a node from now on. */
  watch(node: KnownNode): void {
    for (const protocol of this.#terms.protocols.values()) {
      if (node.settings.ports.has(protocol.name)) this.#add(node, protocol, Number.POSITIVE_INFINITY);
    }
  }

  /**
   * Leaves the members out that trust anyone.
   * @throws {LoginFailure} `homeNotAllowed` when none is left.
   */
  admit(members: Home, service: string): Home {
    for (const { node } of members) {
      const protocol = this.#terms.protocols.get(service);
      if (protocol !== undefined) this.#add(node, protocol, performance.now());
    }
    const [first, ...others] = members.filter(
      ({ node }) => this.#watched.get(keyOf(node, service))?.trustsAnyone !== true,
    );
    if (first === undefined) {
      const names = members.map(({ node }) => node.name).join(', ');
      throw new LoginFailure(
        'homeNotAllowed',
        `node ${names}: it takes wrong proofs for right (homing doctor)`,
      );
    }
    return [first, ...others];
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#closing.abort(new Error('the proxy is stopping'));
  }

  #add(node: KnownNode, protocol: MailProtocol, wantedMs: number): void {
    const key = keyOf(node, protocol.name);
    const known = this.#watched.get(key);
    if (known !== undefined) known.wantedMs = Math.max(known.wantedMs, wantedMs);
    const isOne = known === undefined && node.settings.trust.kind !== 'replay';
    if (!isOne || this.#watched.size >= MAX_WATCHED) return;
    this.#watched.set(key, {
      node,
      protocol,
      dueMs: 0,
      trustsAnyone: false,
      wantedMs,
      untoldMs: undefined,
    });
    this.#look();
  }

  #look(): void {
    const nowMs = performance.now();
    for (const [key, watched] of this.#watched) {
      if (nowMs - watched.wantedMs >= FORGET_MS && !watched.trustsAnyone) this.#watched.delete(key);
      else if (watched.dueMs <= nowMs && this.#running < AT_A_TIME) {
        // Who was looked at last is last: many that can't be asked must not come before the others again and again.
        this.#watched.delete(key);
        this.#watched.set(key, watched);
        void this.#check(watched);
      }
    }
  }

  async #check(watched: Watched): Promise<void> {
    const { node, protocol } = watched;
    const member = bareMember(node, protocol);
    if (member === undefined) return;
    watched.dueMs = Number.POSITIVE_INFINITY;
    this.#running += 1;
    using deadline = new Deadline(this.#terms.checkMs, this.#closing.signal);
    try {
      const finding = await this.#terms.check(member, protocol, deadline.signal);
      this.#conclude(watched, finding);
    } catch (error) {
      this.#terms.observe({ event: 'bug', detail: String(error) });
    } finally {
      this.#running -= 1;
    }
  }

  #conclude(watched: Watched, { verdict, detail }: Finding): void {
    const { node, protocol, trustsAnyone } = watched;
    // Another one may have taken its place meanwhile.
    if (this.#watched.get(keyOf(node, protocol.name)) !== watched) return;
    const nowMs = performance.now();
    watched.dueMs = nowMs + (verdict === 'right' ? this.#terms.everyMs : AGAIN_MS);
    if (verdict === 'unknown') {
      this.#noteUntold(watched, nowMs, detail);
      return;
    }
    watched.untoldMs = undefined;
    if (trustsAnyone === (verdict === 'wrong')) return;
    watched.trustsAnyone = verdict === 'wrong';
    this.#tell(watched, watched.trustsAnyone, detail);
  }

  #noteUntold(watched: Watched, nowMs: number, detail: string): void {
    watched.untoldMs ??= nowMs;
    if (nowMs - watched.untoldMs < UNTOLD_MS) return;
    watched.untoldMs = Number.POSITIVE_INFINITY;
    this.#terms.observe({ event: 'nodeTrustUnknown', ...namesOf(watched), detail });
  }

  #tell(watched: Watched, trustsAnyone: boolean, detail: string): void {
    this.#terms.observe({ event: 'nodeTrust', ...namesOf(watched), trustsAnyone, detail });
  }
}

function namesOf({ node, protocol }: Watched) {
  return { node: node.name, nodeEntry: node.settings.name, protocol: protocol.name };
}

function keyOf({ name }: KnownNode, service: string): string {
  return `${name} ${service}`;
}
