import { setTimeout as sleep } from 'node:timers/promises';
import { expect, inject, it } from 'vitest';
import { Random } from '../fuzz/random.ts';
import { sumOf } from '../support/process-look.ts';
import { CLIENT_FAULTS, Deck, type FaultTerms, SERVER_FAULTS } from './faults.ts';
import { IdleClients } from './idle-clients.ts';
import { Journal } from './journal.ts';
import { growthOf, type Measure, measure, measureWhenQuiet, tableOf, trendOf } from './measure.ts';
import { SCRIPTED, type Site, startSite } from './site.ts';
import { Visits } from './visits.ts';

/** Real nodes have room for so many: each is a process there. */
const MOST_REAL = 800;
const REAL_SHARE = 0.27;
const WARM_MS = 30_000;
const MINUTE_MS = 60_000;
/** A fault begins so long after the one before it, at most. */
const APART_MS = 5000;
/** So long a slow machine may take to have them all back. */
const BACK_MS = 300_000;
const QUIET_MS = 150_000;
/** The other directory server has been asked too: there is a connection for searches and one for binds. */
const SPARE_CONNECTIONS = 2;
/** Code is compiled as it is used, and let go when it was not for long. */
const HEAP_TOLERANCE = 0.1;
/**
 * The allocator keeps what is freed between pieces that are still in use: it is used again, and the gaps fill up. While all
 * sessions come anew again and again, each time it asks for half as much more as the time before.
 */
const PSS_TOLERANCE = 0.25;
/** From the middle third of the minutes to the last one; what is between is who is logging in just then. */
const TREND_TOLERANCE = 0.03;
const LEAST_FOR_TREND = 6;

it('F52 gives back all that it took, after minutes of logins and faults', async () => {
  const { minutes, seed, sessions } = inject('soak');
  say(`seed ${seed}, ${minutes} min, ${sessions} idle sessions\n`);
  await using site = await startSite();
  const { proxy } = site;
  // Of its own: who comes when must not decide what fails.
  const random = new Random(~seed);
  const journal = new Journal();
  const idle = new IdleClients({ proxy, journal, random });
  const visits = new Visits(proxy, journal, random);
  // The code of all ways to log in is compiled then, and connections to the directory are open.
  visits.begin();
  await sleep(WARM_MS);
  await visits.end();
  const before = await measureWhenQuiet('before', proxy, { descriptors: 0, withinMs: 1000 });

  const grown = await grow(site, idle, sessions);
  visits.begin();
  const steady = await misuse({ site, idle, journal, random: new Random(seed) }, minutes);
  await visits.end();
  await idle.end();
  const quiet = { descriptors: before.descriptors + SPARE_CONNECTIONS, withinMs: QUIET_MS };
  const after = await measureWhenQuiet('after', proxy, quiet);
  const others = new IdleClients({ proxy, journal, random });
  const again = (await grow(site, others, sessions)).at(-1) ?? after;
  await others.end();

  say(tableOf([before, ...grown, ...steady, after, { ...again, name: 'as many again' }]));
  say(growthOf([before, ...grown], steady));
  expect(journal.breaches).toEqual([]);
  expect(balanceOf(after)).toEqual(BALANCED);
  expect(after.descriptors).toBeLessThanOrEqual(quiet.descriptors);
  expect(after.heapMiB).toBeLessThan(before.heapMiB * (1 + HEAP_TOLERANCE));
  expect(again.pssMiB).toBeLessThan(most(steady, ({ pssMiB }) => pssMiB) * (1 + PSS_TOLERANCE));
  if (minutes < LEAST_FOR_TREND) return;
  expect(trendOf(steady, ({ heapMiB, externalMiB }) => heapMiB + externalMiB)).toBeLessThan(TREND_TOLERANCE);
  expect(trendOf(steady, ({ pssMiB }) => pssMiB)).toBeLessThan(PSS_TOLERANCE);
});

function most(measures: readonly Measure[], of: (one: Measure) => number): number {
  return Math.max(...measures.map(of));
}

/** All that must be nothing in the end. */
const BALANCED = { sessions: 0, connections: 0, waiting: 0, unended: 0, nodesDown: 0, bugs: 0, linesLost: 0 };

function balanceOf({ metrics }: Measure): typeof BALANCED {
  const logins = sumOf(metrics, 'homing_logins_total', 'result="ok"');
  return {
    sessions: sumOf(metrics, 'homing_sessions'),
    connections: sumOf(metrics, 'homing_connections'),
    waiting: sumOf(metrics, 'homing_waiting_connections'),
    unended: logins - sumOf(metrics, 'homing_session_ends_total'),
    nodesDown: sumOf(metrics, 'homing_nodes_down'),
    bugs: sumOf(metrics, 'homing_bugs_total'),
    linesLost: sumOf(metrics, 'homing_log_lines_dropped_total'),
  };
}

/** Has idle clients come, and measures what those of each kind take. */
async function grow({ proxy, people }: Site, idle: IdleClients, count: number): Promise<readonly Measure[]> {
  const real = Math.min(MOST_REAL, Math.floor(count * REAL_SHARE));
  const scripted = Math.ceil((count - real) / 2);
  await idle.grow(scripted, people[SCRIPTED.plain], 'none');
  const plain = await measure('clear text, both sides', proxy);
  await idle.grow(count - real - scripted, people[SCRIPTED.tls], 'implicit');
  const tls = await measure('and TLS, both sides', proxy);
  await idle.grow(real, [...people['node-a'], ...people['node-b']], 'implicit');
  return [plain, tls, await measure('and TLS, real nodes', proxy)];
}

async function misuse(terms: FaultTerms, minutes: number): Promise<readonly Measure[]> {
  const servers = new Deck(SERVER_FAULTS, terms.random);
  const clients = new Deck(CLIENT_FAULTS, terms.random);
  const measures: Measure[] = [];
  let before = await measure('minute 0', terms.site.proxy);
  for (let minute = 1; minute <= minutes; minute += 1) {
    const end = sleep(MINUTE_MS);
    const faults = [servers.next(), clients.next()];
    await Promise.all(
      faults.map(async ({ run }, at) => {
        const own = new Random(terms.random.next());
        await sleep(at * own.below(APART_MS));
        await run({ ...terms, random: own });
      }),
    );
    await end;
    await terms.idle.whole(BACK_MS);
    const row = await measure(`minute ${minute}`, terms.site.proxy);
    measures.push(row);
    say(`${lineOf(row, before, terms)}; ${faults.map(({ name }) => name).join(', ')}\n`);
    before = row;
  }
  return measures;
}

function lineOf(row: Measure, before: Measure, { journal, idle }: FaultTerms): string {
  const { name, sessions, heapMiB, pssMiB, descriptors } = row;
  return [
    `${name.padStart(10)}: ${sessions} sessions`,
    `heap ${heapMiB.toFixed(1)} MiB`,
    `PSS ${pssMiB.toFixed(1)} MiB`,
    `${descriptors} descriptors`,
    `${journal.logins} logins (${loginMs(row, before).toFixed(0)} ms each)`,
    `${journal.excused} failed by faults`,
    `${journal.breaches.length} wrongly`,
    `${idle.returned} came back`,
  ].join(', ');
}

/** How long a login took between two looks, on average, as the proxy sees it. */
function loginMs(now: Measure, before: Measure): number {
  const grown = (name: string): number => sumOf(now.metrics, name) - sumOf(before.metrics, name);
  return (grown('homing_login_seconds_sum') / grown('homing_login_seconds_count')) * 1000;
}

function say(text: string): void {
  process.stdout.write(text);
}
