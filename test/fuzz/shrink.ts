import type { Sample } from './sample.ts';

/** A sample that takes more tries to become smaller is small enough to read. */
const MAX_TRIES = 3000;

/**
 * Makes a failing sample as small as it gets while it fails in the same way.
 * @param fails whether a sample still does.
 */
export async function shrink(
  sample: Sample,
  fails: (candidate: Sample) => Promise<boolean>,
): Promise<Sample> {
  let best = sample;
  let tries = 0;
  const attempt = async (candidate: Sample): Promise<boolean> => {
    tries += 1;
    if (tries > MAX_TRIES || !(await fails(candidate))) {
      return false;
    }
    best = candidate;
    return true;
  };
  for (let before = ''; before !== JSON.stringify(best) && tries < MAX_TRIES; ) {
    before = JSON.stringify(best);
    await shrinkVariant(() => best, attempt);
    await shrinkList(
      () => best.pieces,
      (pieces) => attempt({ ...best, pieces }),
    );
    await joinPieces(() => best, attempt);
    for (let at = 0; at < best.pieces.length; at += 1) {
      await shrinkList(
        () => [...(best.pieces[at] ?? '')],
        (octets) => attempt({ ...best, pieces: best.pieces.with(at, octets.join('')) }),
      );
    }
  }
  return best;
}

async function shrinkVariant(
  best: () => Sample,
  attempt: (candidate: Sample) => Promise<boolean>,
): Promise<void> {
  for (let bit = 0; bit < 32; bit += 1) {
    const { variant } = best();
    if (((variant >>> bit) & 1) === 1) {
      await attempt({ ...best(), variant: (variant & ~(1 << bit)) >>> 0 });
    }
  }
}

async function joinPieces(
  best: () => Sample,
  attempt: (candidate: Sample) => Promise<boolean>,
): Promise<void> {
  for (let at = 0; at + 1 < best().pieces.length; ) {
    const { pieces } = best();
    const candidate = { ...best(), pieces: pieces.toSpliced(at, 2, `${pieces[at]}${pieces[at + 1]}`) };
    if (!(await attempt(candidate))) {
      at += 1;
    }
  }
}

/** Leaves out runs of items, long ones first. */
async function shrinkList<T>(
  items: () => readonly T[],
  attempt: (candidate: readonly T[]) => Promise<boolean>,
): Promise<void> {
  for (let run = Math.ceil(items().length / 2); run >= 1; run = Math.floor(run / 2)) {
    for (let at = 0; at < items().length; ) {
      if (!(await attempt(items().toSpliced(at, run)))) {
        at += run;
      }
    }
  }
}
