import type { Detached, Sink, Transport } from '../protocols/transport.ts';
import type { SessionEnd } from './events.ts';

/** What a relayed session came to. */
export type RelayEnd = Pick<SessionEnd, 'received' | 'sent' | 'endedBy' | 'how'>;

/** Two connections spliced into one session: octets go through untouched, in order, as fast as the slower side. */
export class Relay {
  readonly #client: Side;
  readonly #node: Side;
  readonly #halfCloseMs: number;
  readonly #finished = Promise.withResolvers<RelayEnd>();
  #endedBy: SessionEnd['endedBy'] | undefined;
  #patience: NodeJS.Timeout | undefined;
  #done = false;

  /**
   * Takes both connections over, residual first.
   * @param halfCloseMs how long one side may go on after the other's FIN.
   */
  constructor(client: Detached, node: Detached, halfCloseMs: number) {
    this.#halfCloseMs = halfCloseMs;
    this.#client = new Side(client.transport, node.transport, {
      ended: () => this.#ended('client', node.transport),
      closed: (error) => this.#closed('client', error),
    });
    this.#node = new Side(node.transport, client.transport, {
      ended: () => this.#ended('node', client.transport),
      closed: (error) => this.#closed('node', error),
    });
    this.#client.begin(client.residual);
    this.#node.begin(node.residual);
  }

  /** Settles when both connections are closed or about to be. Never rejects. */
  get finished(): Promise<RelayEnd> {
    return this.#finished.promise;
  }

  /** Ends the session behind what is queued; nothing is ever written into a relayed stream. */
  stop(): void {
    this.#finish('proxy', 'stopping');
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
    // After an end in order, what is queued for the other side is still delivered to a slow reader.
    const lingerMs = how === 'closed' || how === 'stopping' ? this.#halfCloseMs : 0;
    this.#client.release(lingerMs);
    this.#node.release(lingerMs);
    this.#finished.resolve({
      received: this.#client.octetsRead,
      sent: this.#node.octetsRead,
      endedBy: how === 'stopping' ? by : (this.#endedBy ?? by),
      how,
    });
  }
}

/** One side of a relay: what it brings goes to the other. */
class Side implements Sink {
  octetsRead = 0;
  readonly ended: () => void;
  readonly closed: (error: Error | undefined) => void;
  readonly #from: Transport;
  readonly #to: Transport;

  constructor(from: Transport, to: Transport, events: Pick<Sink, 'ended' | 'closed'>) {
    this.#from = from;
    this.#to = to;
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

  octets(chunk: Buffer): void {
    if (!this.#forward(chunk)) {
      this.#from.pause();
    }
  }

  drained(): void {
    this.#to.resume();
  }

  #forward(chunk: Buffer): boolean {
    this.octetsRead += chunk.length;
    return this.#to.write(chunk);
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
