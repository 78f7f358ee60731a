/** How much of what the system gives this process is in use. */
import { readFileSync, statSync } from 'node:fs';
import { totalmem } from 'node:os';
import { getHeapStatistics } from 'node:v8';

/** What a process can run out of. */
export type Resource = 'memory' | 'descriptors';

/** How much is in use, as a part of what there may be, and both in words. */
export interface Use {
  readonly share: number;
  readonly detail: string;
}

/** How to find out; `undefined` where the system does not tell. */
export type Readings = Readonly<Record<Resource, () => Use | undefined>>;

const OPEN_FILES = '/proc/self/fd';
const NO_FILES: Use = { share: 1, detail: 'no more files can be opened' };
const KIB = 2 ** 10;
const MIB = 2 ** 20;
/** A session has two descriptors: its client's and its node's. */
const PER_SESSION = 2;
/** What sessions may have of the descriptors; the rest is for connections that are turned away, directories and files. */
const SHARE = 0.8;

/** How many sessions the process's limit of open files has room for; `undefined` where the system doesn't tell. */
export function sessionsByDescriptors(limits = readLimits()): number | undefined {
  const limit = descriptorLimit(limits);
  return limit === undefined ? undefined : Math.floor((limit * SHARE) / PER_SESSION);
}

/** The readings of this process. @param memoryLimit in octets; what the machine or its container has if it is left out. */
export function readingsOf(memoryLimit?: number): Readings {
  return { memory: () => memoryUse(memoryLimit ?? systemMemory()), descriptors: descriptorUse };
}

/** The nearer of two ends: what the system may give, and what V8 takes for its heap, beyond which it ends the process. */
function memoryUse(limit: number): Use {
  const { used_heap_size: heap, heap_size_limit: heapLimit } = getHeapStatistics();
  const resident = residentOctets();
  return heap / heapLimit > resident / limit
    ? { share: heap / heapLimit, detail: `${mib(heap)} of ${mib(heapLimit)} MiB of V8's heap` }
    : { share: resident / limit, detail: `${mib(resident)} of ${mib(limit)} MiB` };
}

/**
 * Without what the kernel can drop and read again from files, as the program itself: that must not keep a small container from
 * serving. It is read from a file, so that without a descriptor nobody knows: 0 then.
 */
function residentOctets(): number {
  try {
    const [, kib] = /^RssAnon:\s+(\d+) kB$/m.exec(readProc('status')) ?? [];
    return kib === undefined ? process.memoryUsage.rss() : Number(kib) * KIB;
  } catch (error) {
    if (isNoneLeft(error)) return 0;
    throw error;
  }
}

function mib(octets: number): number {
  return Math.round(octets / MIB);
}

function systemMemory(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

/** Node says nothing of clients that it could not accept: where no file can be opened, this alone shows it. */
function descriptorUse(): Use | undefined {
  try {
    const limit = descriptorLimit(readLimits());
    // Since Linux 6.2 the size of this directory is the number of what is in it.
    const { size: open } = statSync(OPEN_FILES, { throwIfNoEntry: false }) ?? { size: 0 };
    if (limit === undefined || open === 0) return undefined;
    return { share: open / limit, detail: `${open} of ${limit} files` };
  } catch (error) {
    if (isNoneLeft(error)) return NO_FILES;
    throw error;
  }
}

function descriptorLimit(limits: string): number | undefined {
  const [, soft] = /^Max open files\s+(\d+)\s/m.exec(limits) ?? [];
  return soft === undefined ? undefined : Number(soft);
}

function readLimits(): string {
  return readProc('limits');
}

/** Only Linux has these files; elsewhere they are empty. */
function readProc(file: string): string {
  try {
    return readFileSync(`/proc/self/${file}`, 'latin1');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw error;
  }
}

function isNoneLeft(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'EMFILE' || code === 'ENFILE';
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
