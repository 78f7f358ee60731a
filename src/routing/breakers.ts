import { LoginFailure, type Reason } from '../../auth/failure.ts';
import { Recent } from '../../auth/recent.ts';
import type { NodeState, Observer } from '../events.ts';
import { Breaker, type Trial } from './breaker.ts';
import type { Attempt, NodeWatch, Stage } from './node-health.ts';
import type { KnownNode, TableChange } from './node-table.ts';

/** More nodes than any cluster has; of what patterns let the directory name beyond, nothing is remembered. */
const MAX_BREAKERS = 10_000;
/** For so long a node that is down is remembered, though nobody has wanted it. */
const FORGET_MS = 3_600_000;

/** No attempt takes so long. */
const ATTEMPT_MS = 600_000;

/** What the node itself is to blame for, or the way to it; never what a user did. */
const NODE_FAILED: ReadonlySet<Reason> = new Set(['nodeUnreachable', 'nodeTlsFailed', 'nodeBrokeProtocol']);

export interface BreakersOptions {
  readonly observe: Observer;
  /** How long a node that is down is left alone between two trials. */
  readonly retryMs: number;
  /** Monotonic, in milliseconds. */
  readonly now?: () => number;
}

/** A service of a node that is down. */
export interface DownNode {
  readonly node: KnownNode;
  readonly service: string;
}

/**
 * Circuit breakers, one per node and service: after three failures in a row, or those of five users, a node is left
 * alone, and logins fail at once or go elsewhere; then one login and one probe at a time may try it again. Nodes that
 * never failed cost nothing.
 */
export class Breakers implements NodeWatch {
  readonly #observe: Observer;
  readonly #retryMs: number;
  readonly #now: () => number;
  readonly #all = new Map<string, DownNode & { readonly breaker: Breaker; wantedMs: number }>();
  /** When names came to stand for another server; what began before tells of the old one. */
  readonly #replacedMs: Recent<number>;

  constructor({ observe, retryMs, now = () => performance.now() }: BreakersOptions) {
    this.#observe = observe;
    this.#retryMs = retryMs;
    this.#now = now;
    this.#replacedMs = new Recent(MAX_BREAKERS, now);
  }

  usable(node: KnownNode, service: string): boolean {
    return this.#all.get(keyOf(node, service))?.breaker.isOpen !== true;
  }

  attempt(node: KnownNode, service: string, user: string): Attempt {
    const known = this.#all.get(keyOf(node, service));
    const nowMs = this.#now();
    if (known === undefined) return this.#follow({ node, service }, nowMs, user);
    known.wantedMs = nowMs;
    if (!known.breaker.isOpen) return this.#follow(known, nowMs, user);
    const trial = known.breaker.beginTrial(nowMs, user);
    if (trial === undefined) {
      throw new LoginFailure('nodeUnreachable', `left alone for a while, as it failed: ${known.breaker.why}`);
    }
    return this.#follow(known, nowMs, user, trial);
  }

  /** The nodes that are down now. */
  down(): readonly DownNode[] {
    this.#forget();
    return [...this.#all.values()].filter(({ breaker }) => breaker.isOpen);
  }

  /** Listens to the node table: what was learned of a server says nothing of the one in its place. */
  readonly nodesChanged = ({ replaced, states }: TableChange): void => {
    const takenDown = states.filter(({ after }) => after === 'down').map(({ node }) => node);
    const names = new Set([...replaced, ...takenDown]);
    for (const name of names) this.#replacedMs.set(name, this.#now(), ATTEMPT_MS);
    for (const [key, { breaker, node, service }] of this.#all) {
      if (!names.has(node.name)) continue;
      this.#all.delete(key);
      if (breaker.isOpen) {
        this.#tell(
          'forgotten',
          { node, service },
          'it is gone or taken down, or another way leads there now',
        );
      }
    }
  };

  #forget(): void {
    const nowMs = this.#now();
    for (const [key, { breaker, wantedMs, node, service }] of this.#all) {
      const isUnwanted = nowMs - wantedMs >= FORGET_MS;
      if (!breaker.isIdle(nowMs) && !isUnwanted) continue;
      this.#all.delete(key);
      if (breaker.isOpen) this.#tell('forgotten', { node, service }, 'no login wanted it for an hour');
    }
  }

  /** Begins a probe; `undefined` where the node is being tried, or was lately, or only logins can tell. */
  probe(node: KnownNode, service: string): Attempt | undefined {
    const known = this.#all.get(keyOf(node, service));
    const nowMs = this.#now();
    if (known?.breaker.isOpen !== true) return this.#follow({ node, service }, nowMs, undefined);
    const trial = known.breaker.beginTrial(nowMs, undefined);
    return trial && this.#follow(known, nowMs, undefined, trial);
  }

  #follow(place: DownNode, startedMs: number, user: string | undefined, trial?: Trial): Attempt {
    return {
      succeeded: () => {
        trial?.end(this.#now());
        if (!this.#isOfOld(place, startedMs)) this.#succeeded(place, user === undefined ? 'probe' : 'login');
      },
      failed: (failure, stage) => {
        trial?.end(this.#now());
        if (this.#isOfOld(place, startedMs)) return;
        if (NODE_FAILED.has(failure.reason)) this.#failed(place, failure, { startedMs, user, stage });
        else this.#succeeded(place, 'login');
      },
      abandoned: () => trial?.giveBack(),
    };
  }

  #isOfOld({ node }: DownNode, startedMs: number): boolean {
    return startedMs < (this.#replacedMs.get(node.name) ?? startedMs);
  }

  #succeeded(place: DownNode, by: 'login' | 'probe'): void {
    const known = this.#all.get(keyOf(place.node, place.service));
    if (known === undefined) return;
    const wasOpen = known.breaker.isOpen;
    // A probe sees less than a login does: what it saw only ends what it can see.
    if (by === 'login') known.breaker.close(this.#now());
    else if (wasOpen) known.breaker.closeByProbe(this.#now());
    if (wasOpen) this.#tell('up', place);
  }

  #failed(
    place: DownNode,
    { message }: LoginFailure,
    { startedMs, user, stage }: { startedMs: number; user: string | undefined; stage: Stage },
  ): void {
    const key = keyOf(place.node, place.service);
    const nowMs = this.#now();
    const known = this.#all.get(key) ?? {
      ...place,
      breaker: new Breaker(this.#retryMs),
      wantedMs: nowMs,
    };
    if (!this.#all.has(key) && this.#all.size >= MAX_BREAKERS) this.#forget();
    if (!this.#all.has(key) && this.#all.size >= MAX_BREAKERS) return;
    this.#all.set(key, known);
    const wasOpen = known.breaker.isOpen;
    known.breaker.failed({ startedMs, nowMs, by: stage === 'loggingIn' ? user : undefined, why: message });
    if (!wasOpen && known.breaker.isOpen) this.#tell('down', place, message);
  }

  #tell(state: NodeState['state'], { node, service }: DownNode, detail?: string): void {
    this.#observe({
      event: 'nodeState',
      node: node.name,
      nodeEntry: node.settings.name,
      protocol: service,
      state,
      ...(detail !== undefined && { detail }),
    });
  }
}

function keyOf({ name }: KnownNode, service: string): string {
  return `${service} ${name}`;
}
