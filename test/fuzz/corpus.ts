import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readSamples, type StoredSample } from './sample.ts';

const FOLDER = join(import.meta.dirname, 'corpus');

/** Reads the committed samples: conversations of real clients, and all that ever broke a rule. */
export function loadCorpus(): readonly StoredSample[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => readSamples(join(FOLDER, name)));
}
