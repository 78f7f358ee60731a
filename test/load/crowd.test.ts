import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
import { firstSubject, logIn, openSession } from '../support/mail-session.ts';
import { COLLECTING, collectGarbage, lookAt } from '../support/process-look.ts';
import { clusterConfig, RunningProxy } from '../support/running-proxy.ts';
import type { CrowdTerms } from './crowd.ts';

/** `npm run crowd`: what an honest client feels of a crowd of others, and what stays behind when they have gone. */
const SLOW = 5000;
const HOSTILE = 500;
const LOGINS = 100;
/** How long the crowd works before it's looked at, and how long its traces may take to go. */
const SETTLING_MS = 20_000;
const GOING_MS = 60_000;

let proxy: RunningProxy;
beforeAll(async () => {
  proxy = await RunningProxy.start(
    clusterConfig(cluster(), {
      listeners: ['starttls', 'implicit'].map((tls) => ({
        protocol: 'imap',
        address: '127.0.0.1',
        port: 0,
        tls,
      })),
      times: { failure: '2s' },
      // Room for all of them: nobody makes it easier for us by being dropped.
      limits: { unauthenticated: 7000 },
      throttle: {},
      admin: { port: 0 },
      log: { level: 'info', format: 'json' },
    }),
    COLLECTING,
  );
});
afterAll(() => proxy[Symbol.asyncDispose]());

it('lets an honest client in beside 5,000 slow and 500 hostile ones, and forgets them', async () => {
  await honestLogins(LOGINS);
  const alone = await honestLogins(LOGINS);
  const before = await lookUntil(() => true);

  const crowd = await gatherCrowd();
  await sleep(SETTLING_MS);
  const beside = await honestLogins(LOGINS);
  const during = await look();
  expect(crowd.exitCode).toBe(null);
  crowd.kill('SIGKILL');
  const after = await lookUntil(
    ({ connections, heapMiB }) => connections === 0 && heapMiB < before.heapMiB + 10,
  );

  report([
    ['login alone', alone],
    ['login beside the crowd', beside],
    ['before', before],
    ['with the crowd', during],
    ['when it has gone', after],
    [
      'log lines',
      { lines: proxy.log.length, logins: proxy.log.filter(({ event }) => event === 'login').length },
    ],
  ]);
  expect(during.connections).toBeGreaterThan(SLOW / 2);
  expect(after.connections).toBe(0);
  expect(after.heapMiB).toBeLessThan(before.heapMiB + 10);
  expect(proxy.log.filter(({ event }) => event === 'bug')).toEqual([]);
});

interface LoginTimes {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly maxMs: number;
}

/** Logs in by TLS one time after the other, from the connection to the node's first answer. */
async function honestLogins(count: number): Promise<LoginTimes> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const startedMs = performance.now();
    const target = { port: proxy.port('imap', 'implicit'), tls: 'implicit', ca: cluster().ca } as const;
    await using wire = await openSession('imap', target);
    expect(await logIn('imap', wire, accounts.bob.mail, accounts.bob.password)).toMatch(/^l OK /);
    expect(await firstSubject('imap', wire)).toContain('node-b');
    times.push(performance.now() - startedMs);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.ceil(share * times.length) - 1] ?? Number.NaN;
  return { p50Ms: at(0.5), p95Ms: at(0.95), maxMs: at(1) };
}

async function gatherCrowd(): Promise<ChildProcess> {
  const terms: CrowdTerms = {
    imap: proxy.port('imap', 'starttls'),
    imaps: proxy.port('imap', 'implicit'),
    slow: SLOW,
    hostile: HOSTILE,
    perAddress: 20,
  };
  const child = spawn(process.execPath, ['test/load/crowd.ts', JSON.stringify(terms)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

/** What one look at the proxy's process gave. */
interface Look {
  readonly connections: number;
  readonly heapMiB: number;
  readonly pssMiB: number;
}

async function look(): Promise<Look> {
  const { heapMiB, pssMiB } = await lookAt(proxy);
  return { connections: clientConnections(), heapMiB, pssMiB };
}

/** Established connections at our two ports, as the kernel sees them. */
function clientConnections(): number {
  const ports = (['starttls', 'implicit'] as const).map((tls) =>
    proxy.port('imap', tls).toString(16).toUpperCase().padStart(4, '0'),
  );
  const established = new RegExp(`^ *\\d+: \\w{8}:(?:${ports.join('|')}) \\w{8}:\\w{4} 01 `, 'gm');
  return readFileSync(`/proc/${proxy.pid}/net/tcp`, 'utf8').match(established)?.length ?? 0;
}

/** Looks until it's as wanted, or the time is up; gives the last look. */
async function lookUntil(wanted: (seen: Look) => boolean): Promise<Look> {
  const endMs = performance.now() + GOING_MS;
  for (;;) {
    await collectGarbage(proxy);
    await honestLogins(5);
    const seen = await look();
    if (wanted(seen) || performance.now() > endMs) {
      return seen;
    }
    await sleep(1000);
  }
}

function report(rows: readonly (readonly [string, object])[]): void {
  const text = rows.map(([name, values]) => {
    const columns = Object.entries(values).map(([key, value]) => `${key} ${Number(value).toFixed(1)}`);
    return `${name.padEnd(24)} ${columns.join('  ')}\n`;
  });
  process.stdout.write(`\n${text.join('')}`);
}
