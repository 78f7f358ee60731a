import type { Random } from './random.ts';
import type { Sample } from './sample.ts';

/** How much is tried with one input: what a long run has time for, or all that could show a failure again. */
export type Effort = 'quick' | 'thorough';

/** Something that takes hostile input, with what must hold for each: one small file in `targets/`. */
export interface Target {
  readonly name: string;
  /** Its share of a run's time, relative to the others. */
  readonly share: number;
  /** Makes a new input, mostly well-formed: what is refused at once teaches nothing. */
  generate(random: Random): Sample;
  /** Words of its language, which mutations put in. */
  readonly words: readonly string[];
  /**
   * Feeds the input and checks what must hold.
   * @returns its way in steps, with `|` between them: an input with a new step is mutated further.
   * @throws what must not happen: a `Violation`, or an exception that the product let through.
   */
  run(sample: Sample, effort: Effort): string | Promise<string>;
}
