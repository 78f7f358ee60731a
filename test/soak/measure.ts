import { setTimeout as sleep } from 'node:timers/promises';
import { collectGarbage, type Look, lookAt, sumOf } from '../support/process-look.ts';
import type { RunningProxy } from '../support/running-proxy.ts';

const LOOK_MS = 1000;
const MINUTES_OF_HOUR = 60;

/** A row of the table: what the proxy holds at one moment, its garbage collected. */
export interface Measure extends Look {
  readonly name: string;
  readonly sessions: number;
  readonly connections: number;
}

/** Measures a proxy. */
export async function measure(name: string, proxy: RunningProxy): Promise<Measure> {
  await collectGarbage(proxy);
  const look = await lookAt(proxy);
  return {
    name,
    ...look,
    sessions: sumOf(look.metrics, 'homing_sessions'),
    connections: sumOf(look.metrics, 'homing_connections'),
  };
}

/** Measures when nobody is connected any more and no more descriptors are open than may be, or when time is up. */
export async function measureWhenQuiet(
  name: string,
  proxy: RunningProxy,
  { descriptors, withinMs }: { readonly descriptors: number; readonly withinMs: number },
): Promise<Measure> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const look = await lookAt(proxy);
    const isQuiet = sumOf(look.metrics, 'homing_connections') === 0 && look.descriptors <= descriptors;
    if (isQuiet || performance.now() > endMs) return await measure(name, proxy);
    await sleep(LOOK_MS);
  }
}

/** The table of all measures. */
export function tableOf(measures: readonly Measure[]): string {
  const head = ['', 'sessions', 'heap MiB', 'external MiB', 'PSS MiB', 'RSS MiB', 'descriptors'];
  const rows = measures.map(({ name, sessions, heapMiB, externalMiB, pssMiB, rssMiB, descriptors }) => [
    name,
    String(sessions),
    ...[heapMiB, externalMiB, pssMiB, rssMiB].map((mib) => mib.toFixed(1)),
    String(descriptors),
  ]);
  const lines = [head, ...rows].map(([first = '', ...others]) => [
    first.padEnd(28),
    ...others.map((text) => text.padStart(12)),
  ]);
  return `\n${lines.map((cells) => cells.join(' ')).join('\n')}\n`;
}

/** What an idle session of each kind takes, and how fast memory grew in the last two thirds of the minutes. */
export function growthOf(grown: readonly Measure[], steady: readonly Measure[]): string {
  const sessions = grown.slice(1).map((after, at) => perSession(grown[at] ?? after, after));
  const late = steady.slice(Math.floor(steady.length / 3));
  const slope = (of: (one: Measure) => number): string => (slopeOf(late, of) * MINUTES_OF_HOUR).toFixed(1);
  const heap = slope(({ heapMiB }) => heapMiB);
  const external = slope(({ externalMiB }) => externalMiB);
  const pss = slope(({ pssMiB }) => pssMiB);
  return `${sessions.join('')}slope: heap ${heap}, external ${external}, PSS ${pss} MiB an hour\n`;
}

function perSession(before: Measure, after: Measure): string {
  const count = after.sessions - before.sessions;
  const kib = (of: (one: Measure) => number): string =>
    (((of(after) - of(before)) * 1024) / count).toFixed(1);
  const heap = kib(({ heapMiB }) => heapMiB);
  const external = kib(({ externalMiB }) => externalMiB);
  return `${after.name}: heap ${heap}, external ${external}, PSS ${kib(({ pssMiB }) => pssMiB)} KiB a session\n`;
}

/** The least-squares slope of a value over measures that are a minute apart, a minute. */
function slopeOf(measures: readonly Measure[], of: (one: Measure) => number): number {
  const values = measures.map(of);
  const middle = (values.length - 1) / 2;
  const mean = meanOf(values);
  const across = values.reduce((sum, one, at) => sum + (at - middle) * (one - mean), 0);
  const along = values.reduce((sum, _one, at) => sum + (at - middle) ** 2, 0);
  return along === 0 ? 0 : across / along;
}

/** By how much of itself a value has grown from the middle third of the measures to the last one. */
export function trendOf(measures: readonly Measure[], of: (one: Measure) => number): number {
  const third = Math.floor(measures.length / 3);
  const values = measures.map(of);
  return meanOf(values.slice(-third)) / meanOf(values.slice(third, -third)) - 1;
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, one) => sum + one, 0) / values.length;
}
