import type { ProxyEnd, Relay } from './relay.ts';

const TICK_MS = 250;
/** So long nothing moves before a session is ended: in IDLE, or between the commands of a client. */
const QUIET_TICKS = 2000 / TICK_MS;

/** What is watched of a session. */
export type Endable = Pick<Relay, 'octetsRead' | 'isBehind' | 'end'>;

interface Ending {
  readonly how: ProxyEnd;
  ticksLeft: number;
  octets: number;
  quietTicks: number;
}

/**
 * Ends sessions when neither side has said anything for 2 s, since nothing may be written into their streams; at
 * their limit it ends them anyway. One timer serves them all, and only while there are any.
 */
export class QuietEnds {
  readonly #ending = new Map<Endable, Ending>();
  #timer: NodeJS.Timeout | undefined;

  /** @param withinMs the limit from now on; 0 ends it at once. An earlier limit that it has goes before. */
  add(session: Endable, how: ProxyEnd, withinMs: number): void {
    if (withinMs === 0) {
      this.forget(session);
      session.end(how);
      return;
    }
    const ticksLeft = Math.ceil(withinMs / TICK_MS);
    const before = this.#ending.get(session);
    if (before !== undefined && before.ticksLeft <= ticksLeft) return;
    const quietTicks = before?.quietTicks ?? 0;
    this.#ending.set(session, { how, ticksLeft, octets: session.octetsRead, quietTicks });
    this.#timer ??= setInterval(() => this.#sweep(), TICK_MS);
  }

  /** It has ended otherwise. */
  forget(session: Endable): void {
    this.#ending.delete(session);
    if (this.#ending.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #sweep(): void {
    for (const [session, ending] of this.#ending) {
      const { octetsRead, isBehind } = session;
      ending.quietTicks = octetsRead === ending.octets && !isBehind ? ending.quietTicks + 1 : 0;
      ending.octets = octetsRead;
      ending.ticksLeft -= 1;
      if (ending.quietTicks < QUIET_TICKS && ending.ticksLeft > 0) continue;
      this.forget(session);
      session.end(ending.how);
    }
  }
}
