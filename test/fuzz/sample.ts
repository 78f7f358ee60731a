import { readFileSync, writeFileSync } from 'node:fs';

/** One input of a target. A character of a piece is an octet, so that a sample is readable as JSON. */
export interface Sample {
  /** Bits by which a target chooses the circumstances: TLS or not, what the directory says. */
  readonly variant: number;
  /** What is sent without waiting in between. Targets without a dialogue join them. */
  readonly pieces: readonly string[];
}

/** A sample in a file: a failure to replay, or a seed of the corpus. */
export interface StoredSample extends Sample {
  readonly target: string;
  /** What it is for, or what it broke. */
  readonly note: string;
}

/** Reads samples from a file, one or a list. @throws {Error} when it has none. */
export function readSamples(file: string): readonly StoredSample[] {
  const content: unknown = JSON.parse(readFileSync(file, 'utf8'));
  return (Array.isArray(content) ? content : [content]).map((item) => checked(item, file));
}

/** Writes one sample. */
export function writeSample(file: string, sample: StoredSample): void {
  writeFileSync(file, `${JSON.stringify(sample, undefined, 2)}\n`);
}

/** All octets of a sample in a row. */
export function joined({ pieces }: Sample): Buffer {
  return Buffer.from(pieces.join(''), 'latin1');
}

function checked(item: unknown, file: string): StoredSample {
  const { target, note, variant, pieces } = (item ?? {}) as Record<string, unknown>;
  if (
    typeof target !== 'string' ||
    typeof variant !== 'number' ||
    !Array.isArray(pieces) ||
    !pieces.every((piece) => typeof piece === 'string')
  ) {
    throw new Error(`${file} holds something else than samples: {target, note, variant, pieces}`);
  }
  return { target, note: typeof note === 'string' ? note : '', variant, pieces };
}
