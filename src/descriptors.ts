import { readFileSync } from 'node:fs';

/** A session has two descriptors: its client's and its node's. */
const PER_SESSION = 2;
/** What sessions may have of the descriptors; the rest is for connections that are turned away, directories and files. */
const SHARE = 0.8;

/** How many sessions the process's limit of open files has room for; `undefined` where the system doesn't tell. */
export function sessionsByDescriptors(limits = readLimits()): number | undefined {
  const [, soft] = /^Max open files\s+(\d+)\s/m.exec(limits) ?? [];
  return soft === undefined ? undefined : Math.floor((Number(soft) * SHARE) / PER_SESSION);
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'latin1');
  } catch {
    // Only Linux has this file; elsewhere there is nothing to compare with.
    return '';
  }
}
