/** `npm run profile`: where a login's and a relay's time goes, and what an idle session's memory is. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { cpuTimes, memoryOctets } from './processes.ts';
import { memoryLines, timeLines } from './profile-summary.ts';
import type { Profile } from './profiled.ts';
import { startHoming } from './targets/homing.ts';
import { HeldSessions, type Load, makeWorld, missingForAll, portOf, runLoad, type World } from './world.ts';

type Work = Pick<Load, 'protocol' | 'tls' | 'sessions'> & Partial<Load> & { readonly idle?: boolean };

const USERS = 2000;
const WARM_UP = 3000;
const SIGNAL_MS = 30_000;
const SCENARIOS: Readonly<Record<string, Work>> = {
  login: { protocol: 'imap', tls: 'none', sessions: 8000 },
  'login-tls': { protocol: 'imap', tls: 'tls', sessions: 4000 },
  relay: { protocol: 'imap', tls: 'none', sessions: 4, fetches: 32, kib: 16 * 1024 },
  'relay-tls': { protocol: 'imap', tls: 'tls', sessions: 4, fetches: 32, kib: 16 * 1024 },
  idle: { protocol: 'imap', tls: 'none', sessions: 5000, idle: true },
  'idle-tls': { protocol: 'imap', tls: 'tls', sessions: 5000, fetches: 1, kib: 64, idle: true },
};
const USAGE = `npm run profile -- [--homing DIR] [--out DIR] [${Object.keys(SCENARIOS).join('|')}] …\n`;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      homing: { type: 'string', default: '.' },
      out: { type: 'string', default: mkdtempSync(join(tmpdir(), 'homing-profile-')) },
    },
    allowPositionals: true,
  });
  const names = positionals.length === 0 ? Object.keys(SCENARIOS) : positionals;
  const missing = missingForAll();
  if (names.some((name) => SCENARIOS[name] === undefined) || missing !== undefined) {
    process.stderr.write(missing === undefined ? USAGE : `missing: ${missing}\n`);
    return 2;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  await using stack = new AsyncDisposableStack();
  const world = await makeWorld(stack, USERS);
  for (const name of names) {
    const work = SCENARIOS[name];
    const folder = join(resolve(values.out), name);
    mkdirSync(folder, { recursive: true });
    if (work !== undefined) await profileOne(world, resolve(values.homing), folder, { name, work });
  }
  return 0;
}

async function profileOne(
  world: World,
  checkout: string,
  folder: string,
  { name, work }: { readonly name: string; readonly work: Work },
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const preload = `${new URL('./profiled.ts', import.meta.url)}?folder=${encodeURIComponent(folder)}`;
  const options = ['--expose-gc', '--import', preload];
  const running = await startHoming({ checkout, options }, world, { nodeTls: false }, stack);
  const load = { ...work, users: USERS, port: portOf(running.ports, work.protocol, work.tls !== 'none') };
  await runLoad(world, { ...load, sessions: WARM_UP, fetches: 0 });
  const pids = running.programs.flatMap((program) => program.pids);
  await signalAll(pids, folder, 'begun');
  const cpuBefore = cpuTimes(pids);
  const memoryBefore = memoryOctets(pids);
  await using _held = work.idle ? await HeldSessions.open(world, load) : undefined;
  if (!work.idle) await runLoad(world, load);
  const cpuAfter = cpuTimes(pids);
  const memory = memoryOctets(pids) - memoryBefore;
  await signalAll(pids, folder, 'ended');
  const profiles = pids.map((pid) => readProfile(folder, pid));
  const cpu = { user: cpuAfter.user - cpuBefore.user, kernel: cpuAfter.kernel - cpuBefore.kernel };
  const lines = work.idle
    ? memoryLines(profiles, memory, work.sessions)
    : timeLines(profiles, cpu, work.sessions);
  process.stdout.write(`\n${name}: ${folder}/*.cpuprofile (flame graph: Chrome's DevTools, or speedscope)\n`);
  for (const line of lines) process.stdout.write(`${line}\n`);
}

/** Has all processes begin or end their profile, and waits until they have. */
async function signalAll(pids: readonly number[], folder: string, kind: 'begun' | 'ended'): Promise<void> {
  for (const pid of pids) process.kill(pid, 'SIGUSR2');
  const endMs = performance.now() + SIGNAL_MS;
  while (pids.some((pid) => !readdirSync(folder).includes(`${pid}.${kind}`))) {
    if (performance.now() > endMs) throw new Error(`the profile has not ${kind}`);
    await sleep(50);
  }
}

function readProfile(folder: string, pid: number): Profile {
  const profile = JSON.parse(readFileSync(join(folder, `${pid}.ended`), 'utf8')) as
    | Profile
    | { error: string };
  if ('error' in profile) throw new Error(profile.error);
  writeFileSync(join(folder, `${pid}.cpuprofile`), JSON.stringify(profile.cpu));
  return profile;
}
