/** What goes wrong while a soak runs: each fault is over when its function returns, but for clients that come back. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../fuzz/random.ts';
import { kill, pause, type ServerName, startAgain, unpause } from '../support/cluster.ts';
import { resetAtOnce } from '../support/sockets.ts';
import type { IdleClients } from './idle-clients.ts';
import type { Journal } from './journal.ts';
import { change, hostOf, PASSWORD, type Person } from './people.ts';
import { SCRIPTED, type Site } from './site.ts';
import { readSlowly } from './slow-client.ts';

const DOWN_MS = 3000;
const LEAST_FROZEN_MS = 4000;
const MORE_FROZEN_MS = 8000;
const SLOW_CLIENTS = 10;
const RESETS = 500;
const RESETS_AT_ONCE = 50;
const DISABLED_MS = 5000;
/** One in so many idle clients resets its session. */
const RESET = 5;

/** What faults work on. */
export interface FaultTerms {
  readonly site: Site;
  readonly idle: IdleClients;
  readonly journal: Journal;
  readonly random: Random;
}

/** A fault, which is named in the line of its minute. */
export interface Fault {
  readonly name: string;
  readonly run: (terms: FaultTerms) => Promise<void>;
}

/** Faults of servers: one at a time, so that it is known which logins may fail. */
export const SERVER_FAULTS: readonly Fault[] = [
  { name: 'node-a killed', run: (terms) => killed('node-a', terms) },
  { name: 'node-b killed', run: (terms) => killed('node-b', terms) },
  { name: 'node-a frozen', run: (terms) => frozen('node-a', terms) },
  { name: 'node-b frozen', run: (terms) => frozen('node-b', terms) },
  { name: 'scripted node killed', run: scriptedKilled },
  { name: 'scripted node frozen', run: scriptedFrozen },
  { name: 'master killed', run: (terms) => killed('ldap-master', terms) },
  { name: 'replica killed', run: (terms) => killed('ldap-replica', terms) },
  { name: 'master frozen', run: (terms) => frozen('ldap-master', terms) },
];

/** Faults of clients, and what the directory does to users: beside any other. */
export const CLIENT_FAULTS: readonly Fault[] = [
  { name: 'clients reset', run: async ({ idle }) => void idle.reset(RESET) },
  { name: 'slow clients', run: slowClients },
  { name: 'users moved', run: usersMoved },
  { name: 'users disabled', run: usersDisabled },
  { name: 'resets', run: resets },
];

/** Faults in a random order, each once before any comes again. */
export class Deck {
  readonly #faults: readonly Fault[];
  readonly #random: Random;
  #left: Fault[] = [];

  constructor(faults: readonly Fault[], random: Random) {
    this.#faults = faults;
    this.#random = random;
  }

  next(): Fault {
    if (this.#left.length === 0) this.#left = [...this.#faults];
    const fault = this.#random.pick(this.#left);
    this.#left = this.#left.filter((other) => other !== fault);
    return fault;
  }
}

async function killed(server: ServerName, { journal }: FaultTerms): Promise<void> {
  using _outage = journal.outage(server);
  await kill(server);
  await sleep(DOWN_MS);
  await startAgain(server);
}

async function frozen(server: ServerName, { journal, random }: FaultTerms): Promise<void> {
  using _outage = journal.outage(server);
  await pause(server);
  await sleep(LEAST_FROZEN_MS + random.below(MORE_FROZEN_MS));
  await unpause(server);
}

async function scriptedKilled({ site, journal }: FaultTerms): Promise<void> {
  using _outage = journal.outage(...Object.values(SCRIPTED));
  await site.node.kill();
  await sleep(DOWN_MS);
  await site.node.start();
}

async function scriptedFrozen({ site, journal, random }: FaultTerms): Promise<void> {
  using _outage = journal.outage(...Object.values(SCRIPTED));
  site.node.freeze();
  await sleep(LEAST_FROZEN_MS + random.below(MORE_FROZEN_MS));
  site.node.thaw();
}

async function slowClients({ site, journal }: FaultTerms): Promise<void> {
  const sinceMs = performance.now();
  const read = async ({ uid, home }: Person): Promise<void> => {
    try {
      await readSlowly(site.proxy.port('imap', 'none'), uid, PASSWORD);
    } catch (error) {
      journal.failed(`a slow client: ${String(error)}`, [home], sinceMs);
    }
  };
  await Promise.all(site.people[SCRIPTED.plain].slice(0, SLOW_CLIENTS).map(read));
}

/** Each quarter of the users of the real nodes goes to the other one, or comes back. */
async function usersMoved({ site, journal, random }: FaultTerms): Promise<void> {
  const quarter = random.below(4);
  for (const person of ofRealNodes(site).filter((_person, at) => at % 4 === quarter)) {
    using _outage = journal.outage(person.uid);
    person.home = person.home === 'node-a' ? 'node-b' : 'node-a';
    await change(person, 'mailHost', hostOf(person.home));
  }
}

async function usersDisabled({ site, journal, random }: FaultTerms): Promise<void> {
  const tenth = random.below(10);
  const some = ofRealNodes(site).filter((_person, at) => at % 10 === tenth);
  using _outage = journal.outage(...some.map(({ uid }) => uid));
  for (const person of some) await change(person, 'accountStatus', 'disabled');
  await sleep(DISABLED_MS);
  for (const person of some) await change(person, 'accountStatus', 'active');
}

async function resets({ site }: FaultTerms): Promise<void> {
  const port = site.proxy.port('imap', 'implicit');
  for (let sent = 0; sent < RESETS; sent += RESETS_AT_ONCE) {
    await Promise.all(Array.from({ length: RESETS_AT_ONCE }, () => resetAtOnce(port)));
  }
}

function ofRealNodes({ people }: Site): readonly Person[] {
  return [...people['node-a'], ...people['node-b']];
}
