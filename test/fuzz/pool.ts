import type { Random } from './random.ts';
import type { Sample } from './sample.ts';

/** More samples find hardly more, and memory must be bounded. */
const MAX_SAMPLES = 1000;
const MAX_STEPS = 50_000;
/** A long sample makes all that follow from it slow. */
const MAX_KEPT_OCTETS = 2 * 1024;

/**
 * The samples of a target that did something new, to be mutated further. What is new is told by the answers, not by the
 * code that ran: by V8's block coverage (1.4 ms for a batch) nothing is new behind the first few thousand inputs of a
 * grammar, while two answers in a row tell states apart that run through the same code.
 */
export class Pool {
  readonly #samples: Sample[];
  readonly #steps = new Set<string>();

  constructor(seeds: readonly Sample[]) {
    this.#samples = [...seeds];
  }

  /** How many different steps were seen. */
  get steps(): number {
    return this.#steps.size;
  }

  /**
   * Keeps a sample if a step of its way was new: an answer, and the one behind it. Whole ways would all be new.
   * @param way steps, with `|` between them.
   */
  offer(sample: Sample, way: string, random: Random): void {
    const before = this.#steps.size;
    let last = '';
    for (const step of way.split('|')) {
      if (this.#steps.size < MAX_STEPS) {
        this.#steps.add(`${last}|${step}`);
      }
      last = step;
    }
    if (this.#steps.size === before || sample.pieces.join('').length > MAX_KEPT_OCTETS) {
      return;
    }
    if (this.#samples.length < MAX_SAMPLES) {
      this.#samples.push(sample);
    } else {
      this.#samples[random.below(MAX_SAMPLES)] = sample;
    }
  }

  /** One of them, the newest more often; `undefined` while there are none. */
  draw(random: Random): Sample | undefined {
    const recent = Math.min(32, this.#samples.length);
    return random.oneIn(3)
      ? this.#samples[this.#samples.length - 1 - random.below(recent)]
      : this.#samples[random.below(this.#samples.length)];
  }
}
