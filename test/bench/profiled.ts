/**
 * Loaded into the process that is profiled, with its folder behind a question mark: SIGUSR2 begins a profile there, the
 * next one ends it.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { type Profiler, Session } from 'node:inspector/promises';
import { join } from 'node:path';

/** What one process did between two signals. */
export interface Profile {
  readonly cpu: Profiler.Profile;
  /** Memory behind a collection of garbage, at the beginning and the end; octets. */
  readonly before: NodeJS.MemoryUsage;
  readonly after: NodeJS.MemoryUsage;
}

const SAMPLE_US = 500;

const folder = new URL(import.meta.url).searchParams.get('folder') ?? '';
const session = new Session();
let before: NodeJS.MemoryUsage | undefined;

function write(kind: 'begun' | 'ended', content: string): void {
  const file = join(folder, `${process.pid}.${kind}`);
  writeFileSync(`${file}.new`, content);
  renameSync(`${file}.new`, file);
}

function memory(): NodeJS.MemoryUsage {
  globalThis.gc?.();
  return process.memoryUsage();
}

async function turn(): Promise<void> {
  if (before === undefined) {
    before = memory();
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_US });
    await session.post('Profiler.start');
    write('begun', '');
    return;
  }
  const { profile: cpu } = await session.post('Profiler.stop');
  write('ended', JSON.stringify({ cpu, before, after: memory() } satisfies Profile));
}

process.on('SIGUSR2', () => {
  turn().catch((error: unknown) => write('ended', JSON.stringify({ error: String(error) })));
});
