/** `npm run fuzz`: hostile input for a given time. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Failure, runCampaign, type Tally, tryThoroughly } from './campaign.ts';
import { loadCorpus } from './corpus.ts';
import { readSamples, writeSample } from './sample.ts';
import type { Target } from './target.ts';
import { TARGETS } from './targets/all.ts';
import { Watchdog } from './watchdog.ts';

const USAGE = `npm run fuzz -- [--minutes N] [--target NAME] [--seed N] [--workers N] [--replay FILE]
targets: ${TARGETS.map(({ name }) => name).join(', ')}
`;
const ARTIFACTS = join(import.meta.dirname, 'artifacts');
const PROGRESS_MS = 10_000;
/** Pools, caches and compiled code; what grows with the number of inputs is soon far beyond. */
const MAX_HEAP_GROWTH_OCTETS = 96 * 1024 * 1024;

interface Wish {
  readonly targets: readonly Target[];
  readonly minutes: number;
  readonly seed: number;
}

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '1' },
      target: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      workers: { type: 'string', default: '1' },
      replay: { type: 'string' },
    },
  });
  const wish: Wish = {
    targets: TARGETS.filter(({ name }) => values.target === undefined || name === values.target),
    minutes: Number(values.minutes),
    seed: Number(values.seed),
  };
  const workers = Number(values.workers);
  mkdirSync(ARTIFACTS, { recursive: true });
  if (values.replay !== undefined) {
    return await replay(values.replay);
  }
  if (wish.targets.length === 0 || !(wish.minutes > 0) || !Number.isInteger(wish.seed) || !(workers >= 1)) {
    print(USAGE);
    return 2;
  }
  return workers > 1 ? await runWorkers(workers, wish.seed) : await runHere(wish);
}

async function runHere({ targets, minutes, seed }: Wish): Promise<number> {
  print(`seed ${seed}, ${minutes} min: ${targets.map(({ name }) => name).join(', ')}\n`);
  const heapBefore = heapAfterCollection();
  const startMs = performance.now();
  const cpuBefore = process.cpuUsage();
  using watchdog = new Watchdog(ARTIFACTS);
  const { tallies, failure } = await runCampaign({
    targets,
    seed,
    seeds: loadCorpus(),
    endMs: startMs + minutes * 60_000,
    ownsTimers: true,
    onBatch: (target, samples) => watchdog.alive(target, samples),
    onProgress: progress(startMs),
  });
  const cpu = process.cpuUsage(cpuBefore);
  report(tallies, performance.now() - startMs, (cpu.user + cpu.system) / 1000);
  return failure === undefined ? checkHeap(heapBefore) : reportFailure(failure, seed);
}

/** Runs processes of their own, with seeds of their own. @returns the worst exit code. */
async function runWorkers(count: number, seed: number): Promise<number> {
  const rest = process.argv.slice(2).filter((_argument, index, all) => {
    return !['--workers', '--seed'].some((name) => all[index] === name || all[index - 1] === name);
  });
  const codes = Array.from({ length: count }, async (_none, index) => {
    const child = fork(import.meta.filename, [...rest, '--seed', String(seed + index)]);
    const [code] = (await once(child, 'exit')) as [number | null];
    return code ?? 1;
  });
  return Math.max(...(await Promise.all(codes)));
}

async function replay(file: string): Promise<number> {
  let broken = 0;
  for (const sample of readSamples(file)) {
    const target = TARGETS.find(({ name }) => name === sample.target);
    // Before it runs, since it may never come back.
    print(`${sample.target} ${sample.note}: `);
    const error =
      target === undefined
        ? new Error(`there is no target ${sample.target}`)
        : await tryThoroughly(target, sample, true);
    print(`${error === undefined ? 'holds' : described(error)}\n`);
    broken += error === undefined ? 0 : 1;
  }
  return broken === 0 ? 0 : 1;
}

function progress(startMs: number): (tallies: readonly Tally[]) => void {
  let toldMs = startMs;
  return (tallies) => {
    if (performance.now() - toldMs >= PROGRESS_MS) {
      toldMs = performance.now();
      const inputs = tallies.reduce((sum, tally) => sum + tally.inputs, 0);
      print(`${Math.round((toldMs - startMs) / 1000)} s: ${inputs} inputs\n`);
    }
  };
}

function report(tallies: readonly Tally[], ms: number, cpuMs: number): void {
  for (const { target, inputs, ms: spentMs, steps } of tallies) {
    const rate = Math.round((inputs / spentMs) * 1000);
    print(
      `${target.padEnd(16)} ${String(inputs).padStart(10)} inputs ${String(rate).padStart(7)}/s ${steps} steps\n`,
    );
  }
  const inputs = tallies.reduce((sum, tally) => sum + tally.inputs, 0);
  print(`${inputs} inputs in ${Math.round(ms / 1000)} s: ${Math.round((inputs / ms) * 1000)}/s, `);
  print(`${Math.round((inputs / cpuMs) * 1000)} a second of CPU\n`);
}

function reportFailure({ sample, error }: Failure, seed: number): number {
  const file = join(ARTIFACTS, `${sample.target}-${seed}.json`);
  writeSample(file, sample);
  print(`\nFAILED with seed ${seed}: ${described(error)}\n${JSON.stringify(sample)}\n`);
  print(`again: npm run fuzz -- --replay ${file}\n`);
  return 1;
}

/** Whether memory stayed within bounds; it can only be told with `--expose-gc`. */
function checkHeap(before: number | undefined): number {
  const after = heapAfterCollection();
  if (before === undefined || after === undefined) {
    return 0;
  }
  const grown = after - before;
  print(`heap: ${Math.round(before / 2 ** 20)} MiB before, ${Math.round(after / 2 ** 20)} MiB behind\n`);
  if (grown > MAX_HEAP_GROWTH_OCTETS) {
    print('FAILED: the heap grew with the inputs\n');
    return 1;
  }
  return 0;
}

function heapAfterCollection(): number | undefined {
  globalThis.gc?.();
  return globalThis.gc === undefined ? undefined : process.memoryUsage().heapUsed;
}

function described(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function print(text: string): void {
  process.stdout.write(text);
}
