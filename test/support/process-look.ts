/** What the kernel and the metrics tell of a proxy's process. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { metricsOf } from './live-sessions.ts';
import type { RunningProxy } from './running-proxy.ts';

/** Options of Node: it collects garbage when `collectGarbage` says so, since V8 has no reason to when nothing happens. */
export const COLLECTING = ['--expose-gc', '--import', "data:text/javascript,process.on('SIGUSR2',()=>gc())"];

const MIB = 2 ** 20;
/** What is let go by the callbacks of one collection is collected by the next. */
const COLLECTIONS = 3;
const COLLECTION_MS = 300;

/** One look at a proxy's process. */
export interface Look {
  readonly heapMiB: number;
  /** Outside of V8's heap: mostly buffers. */
  readonly externalMiB: number;
  /** With the part of what it shares with others; PSS of proc(5). */
  readonly pssMiB: number;
  readonly rssMiB: number;
  readonly descriptors: number;
  /** The text of its metrics. */
  readonly metrics: string;
}

/** Looks at a proxy with an admin listener. */
export async function lookAt(proxy: RunningProxy): Promise<Look> {
  const metrics = await metricsOf(proxy);
  const memory = readFileSync(`/proc/${proxy.pid}/smaps_rollup`, 'utf8');
  const mib = (field: string): number =>
    Number(new RegExp(`^${field}: +(\\d+) kB$`, 'm').exec(memory)?.[1]) / 1024;
  return {
    heapMiB: sumOf(metrics, 'nodejs_heap_size_used_bytes') / MIB,
    externalMiB: sumOf(metrics, 'nodejs_external_memory_bytes') / MIB,
    pssMiB: mib('Pss'),
    rssMiB: mib('Rss'),
    descriptors: readdirSync(`/proc/${proxy.pid}/fd`).length,
    metrics,
  };
}

/** Has a proxy that was started with `COLLECTING` collect its garbage. */
export async function collectGarbage({ pid }: RunningProxy): Promise<void> {
  for (let count = 0; count < COLLECTIONS; count += 1) {
    process.kill(pid, 'SIGUSR2');
    await sleep(COLLECTION_MS);
  }
}

/** The sum of a metric over its labels, of those that have all of `labels` (`by="node"`); 0 where there is none. */
export function sumOf(metrics: string, name: string, ...labels: readonly string[]): number {
  const lines = metrics
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  const wanted = lines.filter((line) => labels.every((label) => line.includes(label)));
  return wanted.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
