/** What profiles of V8 say, in a few lines. */
import type { Profiler } from 'node:inspector';
import type { CpuTimes } from './processes.ts';
import type { Profile } from './profiled.ts';

const ROWS = 25;

/** Whose code it is. What is native shows as the kernel's work too, since V8 can't see behind its own frames. */
type Kind = 'Homing' | 'packages' | "Node's JavaScript" | 'native' | 'garbage collection';

/** A function and its time, in microseconds. */
interface Hot {
  readonly what: string;
  readonly time: number;
}

/**
 * Says where time went.
 * @param cpu what the kernel counted meanwhile.
 */
export function timeLines(profiles: readonly Profile[], cpu: CpuTimes, sessions: number): readonly string[] {
  const cpus = profiles.map((profile) => profile.cpu);
  const parts = shares(cpus);
  const busy = [...parts.values()].reduce((sum, time) => sum + time, 0);
  const of = (value: number, whole: number): string => `${((100 * value) / whole).toFixed(1).padStart(5)} %`;
  const seconds = cpu.user + cpu.kernel;
  const each = ((seconds / sessions) * 1e6).toFixed(0);
  return [
    `${each} µs CPU a session, ${of(cpu.kernel, seconds)} of it in the kernel`,
    [...parts].map(([kind, time]) => `${kind} ${of(time, busy).trim()}`).join(', '),
    ...Object.entries(hottest(cpus)).flatMap(([title, rows]) => [
      `${title}:`,
      ...rows.map(({ what, time }) => `  ${of(time, busy)}  ${what}`),
    ]),
  ];
}

/**
 * Says what memory is of.
 * @param octets by which all of it grew, garbage included.
 */
export function memoryLines(
  profiles: readonly Profile[],
  octets: number,
  sessions: number,
): readonly string[] {
  const grown = (part: (usage: NodeJS.MemoryUsage) => number): number =>
    profiles.reduce((sum, { before, after }) => sum + part(after) - part(before), 0);
  const line = (count: number, what: string): string =>
    `${(count / sessions / 1024).toFixed(1).padStart(6)} KiB ${what}`;
  const resident = grown(({ rss }) => rss);
  const managed = grown(({ heapTotal, external }) => heapTotal + external);
  return [
    line(octets, 'a session'),
    line(resident, 'behind a collection of garbage, of which'),
    line(
      grown(({ heapUsed }) => heapUsed),
      'are objects of JavaScript',
    ),
    line(
      grown(({ external }) => external),
      'are buffers and what else objects hold outside the heap',
    ),
    line(resident - managed, 'are native memory of Node and OpenSSL'),
  ];
}

/** The time of each kind of code, in microseconds; idle time is nobody's. */
function shares(profiles: readonly Profiler.Profile[]): ReadonlyMap<Kind, number> {
  const sums = new Map<Kind, number>();
  for (const profile of profiles) {
    const times = selfTimes(profile);
    for (const { id, callFrame } of profile.nodes) {
      const kind = kindOf(callFrame);
      if (kind !== undefined) sums.set(kind, (sums.get(kind) ?? 0) + (times.get(id) ?? 0));
    }
  }
  return new Map([...sums].sort(([, a], [, b]) => b - a));
}

/** The functions with most time of their own, and Homing's own with all that they call. */
function hottest(profiles: readonly Profiler.Profile[]): Readonly<Record<string, readonly Hot[]>> {
  const own = new Map<string, number>();
  const whole = new Map<string, number>();
  for (const profile of profiles) {
    const times = selfTimes(profile);
    const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
    const visit = (node: Profiler.ProfileNode, above: ReadonlySet<string>): number => {
      const name = nameOf(node.callFrame);
      const self = times.get(node.id) ?? 0;
      const inside = new Set([...above, name]);
      const below = (node.children ?? []).map((id) => nodes.get(id)).filter((child) => child !== undefined);
      const sum = below.reduce((time, child) => time + visit(child, inside), self);
      if (kindOf(node.callFrame) !== undefined) add(own, name, self);
      if (kindOf(node.callFrame) === 'Homing' && !above.has(name)) add(whole, name, sum);
      return sum;
    };
    const [root] = profile.nodes;
    if (root !== undefined) visit(root, new Set());
  }
  return { 'by themselves': topOf(own), "Homing's, with what they call": topOf(whole) };
}

function selfTimes({ samples = [], timeDeltas = [] }: Profiler.Profile): ReadonlyMap<number, number> {
  const times = new Map<number, number>();
  for (const [index, id] of samples.entries()) {
    times.set(id, (times.get(id) ?? 0) + (timeDeltas[index + 1] ?? 0));
  }
  return times;
}

function kindOf({ functionName, url }: Profiler.ProfileNode['callFrame']): Kind | undefined {
  if (functionName === '(idle)' || functionName === '(root)') return undefined;
  if (functionName === '(garbage collector)') return 'garbage collection';
  if (url === '') return 'native';
  if (url.startsWith('node:')) return "Node's JavaScript";
  return url.includes('/node_modules/') ? 'packages' : 'Homing';
}

function nameOf({ functionName, url, lineNumber }: Profiler.ProfileNode['callFrame']): string {
  const where = url.replace(/^.*\/node_modules\//, '').replace(/^.*\/(?=(?:src|auth|protocols)\/)/, '');
  return `${functionName || '(anonymous)'}${where === '' ? '' : `  ${where}:${lineNumber + 1}`}`;
}

function add(sums: Map<string, number>, name: string, time: number): void {
  sums.set(name, (sums.get(name) ?? 0) + time);
}

function topOf(sums: ReadonlyMap<string, number>): readonly Hot[] {
  return [...sums]
    .sort(([, a], [, b]) => b - a)
    .slice(0, ROWS)
    .map(([what, time]) => ({ what, time }));
}
