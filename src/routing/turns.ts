import { Gate } from '../../auth/gate.ts';

interface Queue {
  readonly gate: Gate;
  users: number;
}

/** Connects to each node only so many times at once: after a restart it is not flooded by all who come back. */
export class Turns {
  readonly #perNode: number;
  readonly #queues = new Map<string, Queue>();

  constructor(perNode: number) {
    this.#perNode = perNode;
  }

  /**
   * Waits for a turn, in the order of those who wait; it is given back by disposing of it.
   * @throws the signal's reason when it is aborted before.
   */
  async take(node: string, signal: AbortSignal): Promise<Disposable> {
    const queue = this.#queues.get(node) ?? { gate: new Gate(this.#perNode), users: 0 };
    this.#queues.set(node, queue);
    queue.users += 1;
    const leave = (): void => {
      queue.users -= 1;
      if (queue.users === 0) this.#queues.delete(node);
    };
    try {
      const place = await queue.gate.enter(signal);
      return {
        [Symbol.dispose]: () => {
          place[Symbol.dispose]();
          leave();
        },
      };
    } catch (error) {
      leave();
      throw error;
    }
  }
}
