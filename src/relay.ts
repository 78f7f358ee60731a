import type { Detached, Sink, Transport } from '../protocols/transport.ts';
import type { SpreadSession } from './end-spread.ts';
import type { SessionEnd } from './events.ts';

/** What a relayed session came to. */
export type RelayEnd = Pick<SessionEnd, 'received' | 'sent' | 'endedBy' | 'how'>;

/** Why the proxy ends a session that could go on. */
export type ProxyEnd = Exclude<SessionEnd['how'], 'closed' | 'reset' | 'timeout'>;

/** A node's end so soon behind what a client said is its answer, as to LOGOUT. */
const PROMPT_MS = 1000;

/** The end of a node that its client has not been told of. */
interface Hold {
  tell: () => void;
  readonly timer: NodeJS.Timeout;
}

/** Two connections spliced into one session: octets go through untouched, in order, as fast as the slower side. */
export class Relay {
  readonly #client: Side;
  readonly #node: Side;
  readonly #halfCloseMs: number;
  readonly #spread: Pick<SpreadSession, 'gone'> | undefined;
  readonly #finished = Promise.withResolvers<RelayEnd>();
  #endedBy: SessionEnd['endedBy'] | undefined;
  #patience: NodeJS.Timeout | undefined;
  #hold: Hold | undefined;
  #nodeIsGone = false;
  #done = false;

  /**
   * Takes both connections over, residual first.
   * @param halfCloseMs how long one side may go on after the other's FIN.
   * @param spread says when the client learns that the node is gone; at once if it is left out.
   */
  constructor(client: Detached, node: Detached, halfCloseMs: number, spread?: Pick<SpreadSession, 'gone'>) {
    this.#halfCloseMs = halfCloseMs;
    this.#spread = spread;
    // What follows is there for as long as the session: it must not hold what is left of the logins, whose octets are
    // slices of larger pieces of memory.
    const [toClient, toNode] = [client.transport, node.transport];
    this.#client = new Side(toClient, toNode, {
      drained: () => this.#node.goOn(),
      ended: () => {
        this.#letGo();
        this.#ended('client', toNode);
      },
      closed: (error) => {
        this.#letGo();
        this.#closed('client', error);
      },
    });
    this.#node = new Side(toNode, toClient, {
      drained: () => this.#client.goOn(),
      ended: () => this.#nodeGone(() => this.#ended('node', toClient)),
      closed: (error) => this.#nodeGone(() => this.#closed('node', error)),
    });
    this.#client.begin(client.residual);
    this.#node.begin(node.residual);
  }

  /** Settles when both connections are closed or about to be. Never rejects. */
  get finished(): Promise<RelayEnd> {
    return this.#finished.promise;
  }

  /** Octets that came from both sides, for who wants to know whether any came. */
  get octetsRead(): number {
    return this.#client.octetsRead + this.#node.octetsRead;
  }

  /** Whether a side has yet to take what the other one said. */
  get isBehind(): boolean {
    return this.#client.isHeldUp || this.#node.isHeldUp;
  }

  /** Ends the session behind what is queued; nothing is ever written into a relayed stream. */
  end(how: ProxyEnd): void {
    this.#endedBy = 'proxy';
    this.#finish('proxy', how);
  }

  /** A client that waits for nothing may learn later that its node is gone, lest all come back at once. */
  #nodeGone(tell: () => void): void {
    if (this.#hold !== undefined) {
      this.#hold.tell = tell;
      return;
    }
    const isAwaited = performance.now() - this.#client.heardMs < PROMPT_MS;
    const isFirst = !this.#nodeIsGone && this.#endedBy === undefined;
    this.#nodeIsGone = true;
    const holdMs = isFirst && !isAwaited ? (this.#spread?.gone() ?? 0) : 0;
    if (holdMs === 0) {
      tell();
      return;
    }
    this.#hold = { tell, timer: setTimeout(() => this.#letGo(), holdMs) };
    this.#client.divert(() => this.#letGo());
  }

  /** Tells the client now: its time has come, or it wants something, which nobody is there to answer. */
  #letGo(): void {
    const hold = this.#hold;
    if (hold === undefined) return;
    this.#hold = undefined;
    clearTimeout(hold.timer);
    hold.tell();
  }

  #ended(by: 'client' | 'node', other: Transport): void {
    if (this.#done) {
      return;
    }
    this.#endedBy ??= by;
    other.end();
    this.#patience ??= setTimeout(() => this.#finish(by, 'timeout'), this.#halfCloseMs);
  }

  #closed(by: 'client' | 'node', error: Error | undefined): void {
    // A side that had ended in order may still reset what we forward to it afterwards.
    this.#finish(by, error === undefined || this.#endedBy !== undefined ? 'closed' : 'reset');
  }

  #finish(by: SessionEnd['endedBy'], how: SessionEnd['how']): void {
    if (this.#done) {
      return;
    }
    this.#done = true;
    clearTimeout(this.#patience);
    clearTimeout(this.#hold?.timer);
    this.#hold = undefined;
    // After an end in order, what is queued for the other side is still delivered to a slow reader.
    const lingerMs = how === 'reset' || how === 'timeout' ? 0 : this.#halfCloseMs;
    this.#client.release(lingerMs);
    this.#node.release(lingerMs);
    this.#finished.resolve({
      received: this.#client.octetsRead,
      sent: this.#node.octetsRead,
      endedBy: this.#endedBy ?? by,
      how,
    });
  }
}

/** One side of a relay: what it brings goes to the other. */
class Side implements Sink {
  octetsRead = 0;
  /** Whether it is not read from, as the other side has too much to take already. */
  isHeldUp = false;
  /** When it said something last, by the clock of `performance`. */
  heardMs = performance.now();
  #diverted: (() => void) | undefined;
  readonly drained: () => void;
  readonly ended: () => void;
  readonly closed: (error: Error | undefined) => void;
  readonly #from: Transport;
  readonly #to: Transport;

  constructor(from: Transport, to: Transport, events: Pick<Sink, 'drained' | 'ended' | 'closed'>) {
    this.#from = from;
    this.#to = to;
    this.drained = events.drained;
    this.ended = events.ended;
    this.closed = events.closed;
  }

  /** Takes the connection over, which comes paused. What is left of its login goes before its FIN, if that came. */
  begin(residual: Buffer): void {
    const keptUp = residual.length === 0 || this.#forward(residual);
    this.#from.attach(this);
    if (keptUp) {
      this.#from.resume();
    }
  }

  /** From now on what it says goes nowhere, and is only noticed. */
  divert(noticed: () => void): void {
    this.#diverted = noticed;
    this.#from.resume();
  }

  octets(chunk: Buffer): void {
    this.heardMs = performance.now();
    if (this.#diverted !== undefined) {
      this.#diverted();
      return;
    }
    if (!this.#forward(chunk)) {
      this.#from.pause();
    }
  }

  /** The other side takes more. */
  goOn(): void {
    this.isHeldUp = false;
    this.#from.resume();
  }

  #forward(chunk: Buffer): boolean {
    this.octetsRead += chunk.length;
    this.isHeldUp = !this.#to.write(chunk);
    return !this.isHeldUp;
  }

  /** Lets the connection go: with what is queued for it, within `lingerMs`, or at once when that is 0. */
  release(lingerMs: number): void {
    if (lingerMs > 0) {
      this.#from.close(lingerMs);
    } else {
      this.#from.destroy();
    }
  }
}
