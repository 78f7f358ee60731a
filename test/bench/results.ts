/** What the runs gave, as a table for people and as JSON. */
import type { Measure } from './measures.ts';
import type { Target } from './targets/target.ts';

/** The numbers of one target for one measure. */
export interface Row {
  readonly measure: string;
  readonly title: string;
  readonly unit: string;
  readonly target: string;
  readonly values: readonly number[];
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** The first target's median, divided by this one's. */
  readonly ratio: number | undefined;
}

/** Numbers as they come in. */
export class Results {
  readonly #values = new Map<Measure, Map<Target, number[]>>();
  readonly #failures: string[] = [];

  add(measure: Measure, target: Target, value: number): void {
    const ofMeasure = this.#values.get(measure) ?? new Map<Target, number[]>();
    this.#values.set(measure, ofMeasure);
    ofMeasure.set(target, [...(ofMeasure.get(target) ?? []), value]);
  }

  fail(what: string): void {
    this.#failures.push(what);
  }

  /** What could not be measured, and why. */
  get failures(): readonly string[] {
    return this.#failures;
  }

  get rows(): readonly Row[] {
    return [...this.#values].flatMap(([measure, targets]) => {
      const [first] = targets.values();
      const base = first === undefined ? undefined : median(first);
      return [...targets].map(([target, values], index) =>
        rowOf(measure, target, values, index === 0 ? undefined : base),
      );
    });
  }
}

function rowOf(
  { name, title, unit }: Measure,
  target: Target,
  values: readonly number[],
  base: number | undefined,
): Row {
  const middle = median(values);
  return {
    measure: name,
    title,
    unit,
    target: target.name,
    values,
    median: middle,
    min: Math.min(...values),
    max: Math.max(...values),
    ratio: base === undefined ? undefined : base / middle,
  };
}

/** The rows as a table in Markdown. @param first the target that the others are compared with. */
export function tableOf(rows: readonly Row[], first: string): string {
  const lines = rows.map((row, index) => {
    const title = rows[index - 1]?.measure === row.measure ? '' : `${row.title}, ${row.unit}`;
    const range = `${shown(row.min)}–${shown(row.max)}`;
    const ratio = row.ratio === undefined ? '' : row.ratio.toFixed(2);
    return [title, row.target, shown(row.median), range, ratio];
  });
  const all = [['', 'target', 'median', 'range', `${first}/target`], ...lines];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((cells) => cells[column]?.length ?? 0)));
  const text = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column < 2 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  const [head = [], ...body] = all;
  return [text(head), rule, ...body.map(text)].join('\n');
}

/** Three figures, or all of a whole number. */
function shown(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
