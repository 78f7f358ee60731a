/** What is measured, each as one number of one freshly started target. */
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuTimes, memoryOctets } from './processes.ts';
import type { RunningTarget, Setup, Target } from './targets/target.ts';
import { HeldSessions, type Load, type LoadReport, portOf, runLoad, type World } from './world.ts';

/** How much of everything. */
export interface Sizes {
  readonly users: number;
  readonly warmUp: number;
  readonly logins: number;
  readonly bulkMib: number;
  readonly idle: number;
  readonly noops: number;
}

/** A target that runs, and what it is measured with. */
export interface Bench {
  readonly world: World;
  readonly target: Target;
  readonly running: RunningTarget;
  readonly sizes: Sizes;
}

export interface Measure {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly setup: Setup;
  /** Whether it says something of a target that costs nothing itself. */
  readonly ofDirect: boolean;
  take(bench: Bench): Promise<number>;
}

type Way = Pick<Load, 'protocol' | 'tls'>;

/** A session's end may still be worked on when its client has gone. */
const SETTLING_MS = 200;
/** Garbage and buffers that are freed by timers may go first. */
const IDLE_MS = 2000;
const BULK_KIB = 16 * 1024;
const BULK_AT_ONCE = 4;

const PLAIN: Setup = { nodeTls: false };
const NODE_TLS: Setup = { nodeTls: true };

export const MEASURES: readonly Measure[] = [
  login('login', 'login, IMAP', { protocol: 'imap', tls: 'none' }, PLAIN),
  login('login-pop3', 'login, POP3', { protocol: 'pop3', tls: 'none' }, PLAIN),
  login('login-tls', 'TLS login, IMAP', { protocol: 'imap', tls: 'tls' }, PLAIN),
  login('login-tls-pop3', 'TLS login, POP3', { protocol: 'pop3', tls: 'tls' }, PLAIN),
  login('login-resumed', 'resumed TLS login, IMAP', { protocol: 'imap', tls: 'resume' }, PLAIN),
  {
    name: 'resumption',
    title: 'TLS logins that resume where they can',
    unit: '%',
    setup: PLAIN,
    ofDirect: false,
    take: async (bench) => {
      const report = await logins(bench, { protocol: 'imap', tls: 'resume' }, bench.sizes.warmUp);
      return (100 * report.resumed) / report.sessions;
    },
  },
  login('login-node-tls', 'TLS login with TLS to the node, IMAP', { protocol: 'imap', tls: 'tls' }, NODE_TLS),
  bulk('bulk', 'bulk, IMAP', { protocol: 'imap', tls: 'none' }),
  bulk('bulk-tls', 'bulk with TLS, IMAP', { protocol: 'imap', tls: 'tls' }),
  idle('idle', 'idle session', { protocol: 'imap', tls: 'none' }),
  idle('idle-1000', 'idle session, 1,000 of them', { protocol: 'imap', tls: 'none' }, { most: 1000 }),
  idle('idle-tls', 'idle session with TLS', { protocol: 'imap', tls: 'tls' }),
  idle('idle-tls-64k', 'idle session with TLS after 64 KiB', { protocol: 'imap', tls: 'tls' }, { kib: 64 }),
  {
    name: 'base',
    title: 'memory without sessions',
    unit: 'MiB',
    setup: PLAIN,
    ofDirect: false,
    take: async (bench) => {
      await warmUp(bench, { protocol: 'imap', tls: 'none' });
      return memory(bench) / 2 ** 20;
    },
  },
  {
    name: 'noop',
    title: 'NOOP, added to the direct way, median',
    unit: 'µs',
    setup: PLAIN,
    ofDirect: false,
    take: async (bench) => {
      const { world, sizes } = bench;
      await warmUp(bench, { protocol: 'imap', tls: 'none' });
      const load = { protocol: 'imap', tls: 'none', sessions: 1, users: 1, noops: sizes.noops } as const;
      const through = await runLoad(world, { ...load, port: bench.running.ports.imap });
      const past = await runLoad(world, { ...load, port: world.node.imap });
      return through.rttUs.p50 - past.rttUs.p50;
    },
  },
  {
    name: 'login-beside-idle',
    title: 'login, IMAP, beside idle sessions',
    unit: 'µs CPU',
    setup: PLAIN,
    ofDirect: false,
    take: async (bench) => {
      const way = { protocol: 'imap', tls: 'none' } as const;
      await using _held = await holdSessions(bench, way, sessionsOf(bench, bench.sizes.idle));
      await warmUp(bench, way);
      return await cpuPerLogin(bench, way);
    },
  },
  {
    name: 'rate',
    title: 'logins each second, IMAP',
    unit: '1/s',
    setup: PLAIN,
    ofDirect: true,
    take: async (bench) => {
      const way = { protocol: 'imap', tls: 'none' } as const;
      await warmUp(bench, way);
      const { sessions, seconds } = await logins(bench, way, bench.sizes.logins);
      return sessions / seconds;
    },
  },
];

function login(name: string, title: string, way: Way, setup: Setup): Measure {
  return {
    name,
    title,
    unit: 'µs CPU',
    setup,
    ofDirect: false,
    take: async (bench) => {
      await warmUp(bench, way);
      return await cpuPerLogin(bench, way);
    },
  };
}

function bulk(name: string, title: string, way: Way): Measure {
  return {
    name,
    title,
    unit: 's CPU/GB',
    setup: PLAIN,
    ofDirect: false,
    take: async (bench) => {
      const load = { ...way, ...loadTerms(bench, way), sessions: BULK_AT_ONCE, atOnce: BULK_AT_ONCE };
      const fetches = Math.ceil((bench.sizes.bulkMib * 1024) / BULK_KIB / BULK_AT_ONCE);
      await runLoad(bench.world, { ...load, fetches: Math.ceil(fetches / 4), kib: BULK_KIB });
      const { seconds, report } = await cost(bench, () =>
        runLoad(bench.world, { ...load, fetches, kib: BULK_KIB }),
      );
      return seconds / (report.octets / 1e9);
    },
  };
}

function idle(
  name: string,
  title: string,
  way: Way,
  { most = Number.POSITIVE_INFINITY, kib = 0 }: { readonly most?: number; readonly kib?: number } = {},
): Measure {
  return {
    name,
    title,
    unit: 'KiB',
    setup: PLAIN,
    ofDirect: false,
    take: async (bench) => {
      await warmUp(bench, way);
      const before = memory(bench);
      const sessions = sessionsOf(bench, Math.min(most, bench.sizes.idle));
      await using _held = await holdSessions(bench, way, sessions, kib);
      await sleep(IDLE_MS);
      return (memory(bench) - before) / sessions / 1024;
    },
  };
}

/** Logs everybody in once or so: compiled code, connections to directory and node, caches. */
async function warmUp(bench: Bench, way: Way): Promise<void> {
  await logins(bench, way, bench.sizes.warmUp);
  await sleep(SETTLING_MS);
}

async function cpuPerLogin(bench: Bench, way: Way): Promise<number> {
  const { seconds, report } = await cost(bench, () => logins(bench, way, bench.sizes.logins));
  return (seconds / report.sessions) * 1e6;
}

async function logins(bench: Bench, way: Way, count: number): Promise<LoadReport> {
  return await runLoad(bench.world, { ...loadTerms(bench, way), sessions: sessionsOf(bench, count) });
}

async function holdSessions(bench: Bench, way: Way, sessions: number, kib = 0): Promise<HeldSessions> {
  return await HeldSessions.open(bench.world, {
    ...loadTerms(bench, way),
    sessions,
    fetches: kib === 0 ? 0 : 1,
    kib,
  });
}

function loadTerms({ running, sizes }: Bench, { protocol, tls }: Way) {
  const port = portOf(running.ports, protocol, tls !== 'none');
  return { port, protocol, tls, users: sizes.users };
}

function sessionsOf({ target }: Bench, count: number): number {
  return Math.max(1, Math.round(count * target.share));
}

async function cost<T>({ running }: Bench, work: () => Promise<T>): Promise<{ seconds: number; report: T }> {
  const used = (): number => {
    const { user, kernel } = cpuTimes(running.programs.flatMap(({ pids }) => pids));
    return user + kernel;
  };
  const before = used();
  const report = await work();
  await sleep(SETTLING_MS);
  return { seconds: used() - before, report };
}

function memory({ running }: Bench): number {
  return running.programs.reduce((sum, { pids }) => sum + memoryOctets(pids), 0);
}
