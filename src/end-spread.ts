/** Below so many ends a second of one node, the clients may come back at once. */
const FEW = 10;
const WINDOW_MS = 1000;
const STEP_MS = 100;

export interface EndSpreadOptions {
  /** Over how long the ends are spread; 0 for not at all. */
  readonly spreadMs: number;
  /** Monotonic, in milliseconds. */
  readonly now?: () => number;
  readonly random?: () => number;
}

interface NodeSessions {
  sessions: number;
  windowMs: number;
  ended: number;
}

/** One relayed session of a node, until it is disposed of. */
export interface SpreadSession extends Disposable {
  /** The node has ended it, unasked. @returns how many milliseconds its client shall not notice. */
  gone(): number;
}

/**
 * Keeps the clients of a node that dies from coming back all at once: when more than the node's sessions by the seconds
 * of the spread end within one second, the others' clients learn of it one after the other.
 */
export class EndSpread {
  readonly #spreadMs: number;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #nodes = new Map<string, NodeSessions>();

  constructor({ spreadMs, now = () => performance.now(), random = Math.random }: EndSpreadOptions) {
    this.#spreadMs = spreadMs;
    this.#now = now;
    this.#random = random;
  }

  /** Counts one more session of a node. */
  enter(node: string): SpreadSession {
    const counts = this.#nodes.get(node) ?? { sessions: 0, windowMs: Number.NEGATIVE_INFINITY, ended: 0 };
    this.#nodes.set(node, counts);
    counts.sessions += 1;
    return {
      gone: () => this.#delay(counts),
      [Symbol.dispose]: () => {
        counts.sessions -= 1;
        if (counts.sessions === 0) this.#nodes.delete(node);
      },
    };
  }

  #delay(counts: NodeSessions): number {
    if (this.#spreadMs === 0) return 0;
    const nowMs = this.#now();
    if (nowMs - counts.windowMs >= WINDOW_MS) {
      counts.windowMs = nowMs;
      counts.ended = 0;
    }
    counts.ended += 1;
    const most = Math.max(FEW, (counts.sessions * WINDOW_MS) / this.#spreadMs);
    return counts.ended <= most ? 0 : Math.ceil((this.#random() * this.#spreadMs) / STEP_MS) * STEP_MS;
  }
}
