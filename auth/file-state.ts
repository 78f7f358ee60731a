import { stat } from 'node:fs/promises';

/** Gives what changes when a file is written, or replaced by another one of that name. */
export async function fileState(file: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(file);
    return `${ino}:${size}:${mtimeMs}`;
  } catch {
    // Gone for a moment, or for good: reading it tells which, when it is to be read.
    return 'none';
  }
}
