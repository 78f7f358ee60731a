import { nasty, number } from './grammar.ts';
import type { Random } from './random.ts';
import type { Sample } from './sample.ts';

/** What a sample may grow to. */
const MAX_PIECES = 24;
const MAX_OCTETS = 24 * 1024;
/** A part that is repeated becomes so long at most; seldom long enough to reach limits, since that is slow. */
const USUAL_REPEATED_OCTETS = 200;
const MAX_REPEATED_OCTETS = 20 * 1024;

/** What mutations draw from. */
export interface Material {
  readonly words: readonly string[];
  /** Another sample, to cross with. */
  readonly other: Sample;
}

/** Changes a sample in one to four places. */
export function mutate(sample: Sample, material: Material, random: Random): Sample {
  let { variant, pieces } = sample;
  for (let left = 1 + random.below(4); left > 0; left -= 1) {
    if (random.oneIn(8)) {
      variant = (variant ^ (1 << random.below(16))) >>> 0;
    } else {
      pieces = random.oneIn(3)
        ? mutatePieces(pieces, material.other.pieces, random)
        : mutateOctets(pieces, material, random);
    }
  }
  return { variant, pieces: bounded(pieces) };
}

function mutatePieces(
  pieces: readonly string[],
  others: readonly string[],
  random: Random,
): readonly string[] {
  const at = random.below(pieces.length);
  const piece = pieces[at] ?? '';
  switch (random.below(6)) {
    case 0:
      return pieces.toSpliced(at, 1);
    case 1:
      return pieces.toSpliced(at, 0, piece);
    case 2:
      return pieces.toSpliced(random.below(pieces.length + 1), 0, others[random.below(others.length)] ?? '');
    case 3:
      return [...pieces.slice(0, at), ...others.slice(random.below(others.length))];
    case 4:
      // What was said in two turns is said in one.
      return pieces.toSpliced(at, 2, piece + (pieces[at + 1] ?? ''));
    default: {
      const middle = random.below(piece.length + 1);
      return pieces.toSpliced(at, 1, piece.slice(0, middle), piece.slice(middle));
    }
  }
}

function mutateOctets(pieces: readonly string[], { words }: Material, random: Random): readonly string[] {
  const at = random.below(pieces.length);
  const piece = pieces[at] ?? '';
  const from = random.below(piece.length + 1);
  const to = from + random.below(Math.min(piece.length - from, 16) + 1);
  return pieces.toSpliced(
    at,
    1,
    piece.slice(0, from) + replacement(piece.slice(from, to), words, random) + piece.slice(to),
  );
}

function replacement(part: string, words: readonly string[], random: Random): string {
  switch (random.below(8)) {
    case 0:
      return '';
    case 1:
      return part + part;
    case 2:
      return String.fromCharCode(random.below(256));
    case 3:
      return String.fromCharCode((part.charCodeAt(0) ^ (1 << random.below(8))) & 0xff) + part.slice(1);
    case 4:
      return nasty(random);
    case 5:
      return number(random);
    case 6:
      return random.oneIn(10)
        ? repeated(part, random)
        : part.replaceAll(/[a-z]/g, (letter) => letter.toUpperCase());
    default:
      return words.length === 0 ? part : random.pick(words);
  }
}

function repeated(part: string, random: Random): string {
  const unit = part === '' ? 'A' : part;
  const most = random.oneIn(30) ? MAX_REPEATED_OCTETS : USUAL_REPEATED_OCTETS;
  return unit.repeat(1 + random.below(Math.floor(most / unit.length)));
}

function bounded(pieces: readonly string[]): readonly string[] {
  let left = MAX_OCTETS;
  return pieces.slice(0, MAX_PIECES).map((piece) => {
    const kept = piece.slice(0, left);
    left -= kept.length;
    return kept;
  });
}
