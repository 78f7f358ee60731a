import { Recent } from './recent.ts';

/** An entry, as changes name it. */
export interface ChangedEntry {
  readonly entry: string | undefined;
  readonly id?: string | undefined;
}

/** When entries changed, of so many as are kept apart: of more, all are taken for changed. */
export class ChangeTimes {
  readonly #changed: Recent<number>;
  readonly #max: number;
  readonly #keptMs: number;
  readonly #now: () => number;
  #allMs = Number.NEGATIVE_INFINITY;

  /** @param keptMs for how long anybody asks. @param now a monotonic clock in milliseconds. */
  constructor(max: number, keptMs: number, now: () => number) {
    this.#changed = new Recent(max, now);
    this.#max = max;
    this.#keptMs = keptMs;
    this.#now = now;
  }

  note({ entry, id }: ChangedEntry): void {
    const nowMs = this.#now();
    this.#changed.expire();
    if (this.#changed.size + 2 > this.#max) this.#allMs = nowMs;
    for (const name of [entry, id]) {
      if (name !== undefined) this.#changed.set(name, nowMs, this.#keptMs);
    }
  }

  /** Whether an entry changed at this time or later, by its name or its id. */
  since({ entry, id }: ChangedEntry, sinceMs: number): boolean {
    if (sinceMs <= this.#allMs) return true;
    const changedMs = (name: string): number => this.#changed.get(name) ?? Number.NEGATIVE_INFINITY;
    return [entry, id].some((name) => name !== undefined && changedMs(name) >= sinceMs);
  }
}
