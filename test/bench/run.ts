/** `npm run bench`: what a login, a gigabyte and an idle session cost, of Homing and of what one would take instead. */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { MEASURES, type Measure, type Sizes } from './measures.ts';
import { Results, tableOf } from './results.ts';
import { direct } from './targets/direct.ts';
import { dovecot } from './targets/dovecot.ts';
import { haproxy } from './targets/haproxy.ts';
import { homingTargets } from './targets/homing.ts';
import { nginx, nginxLdap } from './targets/nginx.ts';
import { perdition } from './targets/perdition.ts';
import type { Target } from './targets/target.ts';
import { makeWorld, missingForAll, type World } from './world.ts';

const USAGE = `npm run bench -- [options]
  --only NAMES      measures, separated by commas: ${MEASURES.map(({ name }) => name).join(', ')}
  --targets NAMES   of homing, ${peers()
    .map(({ name }) => name)
    .join(', ')}
  --homing DIR      a checkout of Homing; may be given several times, to compare them (default: this one)
  --repeats N       how often each is measured, in turns (default: 3)
  --idle N          idle sessions (default: 7500)
  --logins N        logins that are counted each time (default: 4000)
  --json FILE       writes all numbers there
  --short           shows that it runs, and measures nothing to speak of
`;
const FULL: Sizes = { users: 2000, warmUp: 2000, logins: 4000, bulkMib: 1024, idle: 7500, noops: 10_000 };
const SHORT: Sizes = { users: 20, warmUp: 10, logins: 40, bulkMib: 64, idle: 20, noops: 100 };

interface Wish {
  readonly measures: readonly Measure[];
  readonly targets: readonly Target[];
  readonly repeats: number;
  readonly sizes: Sizes;
  readonly json: string | undefined;
}

process.exitCode = await main();

async function main(): Promise<number> {
  const wish = readWish();
  if (wish === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const missing = missingForAll();
  if (missing !== undefined) {
    process.stdout.write(`missing: ${missing}; nothing can be measured\n`);
    return 0;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  await using stack = new AsyncDisposableStack();
  const world = await makeWorld(stack, wish.sizes.users);
  const targets = wish.targets.filter((target) => target.missing === undefined);
  const results = await measureAll(world, targets, wish);
  report(world, wish, results);
  return results.failures.length === 0 ? 0 : 1;
}

function readWish(): Wish | undefined {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      targets: { type: 'string' },
      homing: { type: 'string', multiple: true, default: ['.'] },
      repeats: { type: 'string' },
      idle: { type: 'string' },
      logins: { type: 'string' },
      json: { type: 'string' },
      short: { type: 'boolean', default: false },
    },
  });
  const base = values.short ? SHORT : FULL;
  const all = [...homingTargets(values.homing), ...peers()];
  const wish: Wish = {
    measures: chosen(MEASURES, values.only),
    targets: chosen(all, values.targets),
    repeats: Number(values.repeats ?? (values.short ? 1 : 3)),
    sizes: {
      ...base,
      idle: Number(values.idle ?? base.idle),
      logins: Number(values.logins ?? base.logins),
    },
    json: values.json,
  };
  const counts = [wish.repeats, wish.sizes.idle, wish.sizes.logins];
  const good = counts.every((count) => Number.isInteger(count) && count > 0);
  return good && wish.measures.length > 0 && wish.targets.length > 0 ? wish : undefined;
}

function peers(): readonly Target[] {
  return [dovecot, nginx, nginxLdap, perdition, haproxy, direct];
}

/** "homing" stands for all checkouts of it. */
function chosen<T extends { readonly name: string }>(
  all: readonly T[],
  names: string | undefined,
): readonly T[] {
  const wanted = names?.split(',');
  return wanted === undefined
    ? all
    : all.filter(({ name }) => wanted.includes(name) || wanted.includes(name.replace(/:.*/, '')));
}

/** One measure of one target after the other, so that each is compared with what ran beside it. */
async function measureAll(world: World, targets: readonly Target[], wish: Wish): Promise<Results> {
  const results = new Results();
  for (let repeat = 1; repeat <= wish.repeats; repeat += 1) {
    for (const measure of wish.measures) {
      for (const target of targets.filter((candidate) => fits(candidate, measure, world))) {
        const place = `${repeat}/${wish.repeats} ${measure.name} ${target.name}`;
        try {
          const value = await measureOne(world, target, measure, wish.sizes);
          results.add(measure, target, value);
          process.stderr.write(`${place}: ${value.toFixed(2)} ${measure.unit}\n`);
        } catch (error) {
          // An hour of numbers is not lost to one peer that broke down; the exit code tells of it.
          results.fail(`${place}: ${error instanceof Error ? error.message : String(error)}`);
          process.stderr.write(`${place}: failed\n`);
        }
      }
    }
  }
  return results;
}

async function measureOne(world: World, target: Target, measure: Measure, sizes: Sizes): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const running = await target.start(world, measure.setup, stack);
  return await measure.take({ world, target, running, sizes });
}

function fits(target: Target, measure: Measure, world: World): boolean {
  if (target.name === 'direct' && !measure.ofDirect) return false;
  if (measure.setup.nodeTls && !target.nodeTls) return false;
  return !target.needsLdap || world.directory.kind === 'ldap';
}

function report(world: World, wish: Wish, results: Results): void {
  const [first] = wish.targets;
  const rows = results.rows;
  const missing = wish.targets.flatMap((target) =>
    target.missing === undefined ? [] : [`${target.name}: ${target.missing}`],
  );
  const noLdap =
    world.directory.kind === 'ldap' ? [] : ['a directory: slapd (Debian: slapd); Homing had an LDIF file'];
  const facts = {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus()[0]?.model}, ${availableParallelism()} cores, load ${loadavg()[0]?.toFixed(1)}`,
    node: process.version,
    sizes: wish.sizes,
    repeats: wish.repeats,
    missing: [...missing, ...noLdap],
    failures: results.failures,
  };
  process.stdout.write(`${tableOf(rows, first?.name ?? '')}\n\n`);
  process.stdout.write(`${facts.date}, ${facts.machine}, Node ${facts.node}, ${facts.repeats} repeats\n`);
  for (const line of facts.missing) process.stdout.write(`missing: ${line}\n`);
  for (const line of facts.failures) process.stdout.write(`failed: ${line}\n`);
  if (wish.json !== undefined)
    writeFileSync(wish.json, `${JSON.stringify({ ...facts, rows }, undefined, 2)}\n`);
}
