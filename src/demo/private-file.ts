/** Files that only their owner can read, kept from one start to the next. */
import { readFile, rm, writeFile } from 'node:fs/promises';

/** Writes a file in the place of what was there. */
export async function writePrivate(path: string, content: string): Promise<void> {
  // A mode is only given to a file that is made; one that was there might be open to others, or a link.
  await rm(path, { force: true });
  await writeFile(path, content, { mode: 0o600, flag: 'wx' });
}

/** Reads a file; `undefined` when there is none. */
export async function readKept(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}
