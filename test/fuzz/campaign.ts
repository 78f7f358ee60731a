import { mutate } from './mutate.ts';
import { ruleOf, Violation } from './oracles.ts';
import { Pool } from './pool.ts';
import { Random } from './random.ts';
import type { Sample, StoredSample } from './sample.ts';
import { shrink } from './shrink.ts';
import type { Target } from './target.ts';

/** Samples of one target that run side by side: they share the turns of the event loop. */
const BATCH = 64;
/** Stacks cost a tenth of the time, and are only looked at when something failed. */
const STACK_FRAMES = 10;

/** What one target came to. */
export interface Tally {
  readonly target: string;
  inputs: number;
  /** Time spent, in milliseconds. */
  ms: number;
  /** How many different steps were seen. */
  steps: number;
}

/** An input that broke a rule, as small as it got. */
export interface Failure {
  readonly sample: StoredSample;
  readonly error: unknown;
}

/** What a run is to do. */
export interface Plan {
  readonly targets: readonly Target[];
  readonly seed: number;
  readonly seeds: readonly StoredSample[];
  /** When it is over, by `performance.now()`. */
  readonly endMs: number;
  /** Whether a timer that is left counts as a failure; only where nobody else has any. */
  readonly ownsTimers?: boolean;
  /** Is told now and then how far it is. */
  readonly onProgress?: (tallies: readonly Tally[]) => void;
  /** Is told before each batch, for whoever watches from outside. */
  readonly onBatch?: (target: Target, samples: readonly Sample[]) => void;
}

/** How a run ended: at its time, or at the first failure. */
export interface Result {
  readonly tallies: readonly Tally[];
  readonly failure: Failure | undefined;
}

/** Feeds all targets in turn, each for its share of the time, until the time is over or one fails. */
export async function runCampaign(plan: Plan): Promise<Result> {
  const lanes = plan.targets.map((target, index) => new Lane(target, plan, index));
  const stackFrames = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  const rejections = new Rejections();
  try {
    while (performance.now() < plan.endMs) {
      const lane = lanes.reduce((least, one) => (one.spent < least.spent ? one : least));
      const failed = await lane.runBatch(rejections);
      if (failed !== undefined) {
        Error.stackTraceLimit = STACK_FRAMES;
        return { tallies: lanes.map(({ tally }) => tally), failure: await lane.explain(failed, rejections) };
      }
      plan.onProgress?.(lanes.map(({ tally }) => tally));
    }
    return { tallies: lanes.map(({ tally }) => tally), failure: undefined };
  } finally {
    rejections.dispose();
    Error.stackTraceLimit = stackFrames;
  }
}

/**
 * Runs one sample with all that is tried for it. @returns what it broke.
 * @param ownsTimers as in a plan.
 */
export async function tryThoroughly(target: Target, sample: Sample, ownsTimers = false): Promise<unknown> {
  const rejections = new Rejections();
  const timersBefore = ownsTimers ? timers() : Number.POSITIVE_INFINITY;
  try {
    await target.run(sample, 'thorough');
    return (await rejections.first()) ?? timerLeft(timersBefore);
  } catch (error) {
    return error;
  } finally {
    rejections.dispose();
  }
}

/** A timer of something that is over holds all of it until it fires. @param before how many there were before. */
function timerLeft(before: number): Violation | undefined {
  return timers() > before ? new Violation('leaves no timer', 'one still runs when all is over') : undefined;
}

function timers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
}

/** One target with its pool. */
class Lane {
  readonly tally: Tally;
  readonly #target: Target;
  readonly #random: Random;
  readonly #pool: Pool;
  readonly #onBatch: Plan['onBatch'];
  readonly #ownsTimers: boolean;

  constructor(target: Target, plan: Plan, index: number) {
    this.#target = target;
    this.#random = new Random(plan.seed * 1009 + index);
    this.#pool = new Pool(plan.seeds.filter((seed) => seed.target === target.name));
    this.#onBatch = plan.onBatch;
    this.#ownsTimers = plan.ownsTimers ?? false;
    this.tally = { target: target.name, inputs: 0, ms: 0, steps: 0 };
  }

  /** Time spent in relation to the share. */
  get spent(): number {
    return this.tally.ms / this.#target.share;
  }

  /** Runs one batch. @returns its samples when one of them failed. */
  async runBatch(rejections: Rejections): Promise<readonly Sample[] | undefined> {
    const startedMs = performance.now();
    const samples = Array.from({ length: BATCH }, () => this.#next());
    this.#onBatch?.(this.#target, samples);
    const results = await Promise.allSettled(
      samples.map(async (sample) => this.#target.run(sample, 'quick')),
    );
    const rejected = (await rejections.first()) ?? timerLeft(this.#ownsTimers ? 0 : Number.POSITIVE_INFINITY);
    if (rejected !== undefined || results.some(({ status }) => status === 'rejected')) {
      return samples;
    }
    for (const [index, result] of results.entries()) {
      const sample = samples[index];
      if (sample !== undefined && result.status === 'fulfilled') {
        this.#pool.offer(sample, result.value, this.#random);
      }
    }
    this.tally.inputs += samples.length;
    this.tally.steps = this.#pool.steps;
    this.tally.ms += performance.now() - startedMs;
    return undefined;
  }

  /** Finds the sample that failed, and makes it small. */
  async explain(samples: readonly Sample[], rejections: Rejections): Promise<Failure> {
    rejections.dispose();
    for (const sample of samples) {
      const error = await this.#try(sample);
      if (error !== undefined) {
        const rule = ruleOf(error);
        const small = await shrink(sample, async (candidate) => {
          const found = await this.#try(candidate);
          return found !== undefined && ruleOf(found) === rule;
        });
        const found = (await this.#try(small)) ?? error;
        const note = found instanceof Error ? found.message : String(found);
        return { sample: { ...small, target: this.#target.name, note }, error: found };
      }
    }
    throw new Error(`a batch of ${this.#target.name} failed, but none of its samples does alone`);
  }

  #try(sample: Sample): Promise<unknown> {
    return tryThoroughly(this.#target, sample, this.#ownsTimers);
  }

  #next(): Sample {
    const random = this.#random;
    const base = random.oneIn(3) ? undefined : this.#pool.draw(random);
    if (base === undefined) {
      return this.#target.generate(random);
    }
    const other = this.#pool.draw(random) ?? base;
    return mutate(base, { words: this.#target.words, other }, random);
  }
}

/** Rejections that nobody took care of while it stands. */
class Rejections {
  #first: unknown;
  readonly #listener = (error: unknown): void => {
    this.#first ??= error ?? new Error('rejected with nothing');
  };

  constructor() {
    process.on('unhandledRejection', this.#listener);
  }

  /** The first one so far; Node tells it behind the microtasks. */
  async first(): Promise<unknown> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.#first;
  }

  dispose(): void {
    process.off('unhandledRejection', this.#listener);
  }
}
