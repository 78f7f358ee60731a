/** A whole cluster under logins that never cease: servers die and return, users move, and what clients were told is judged. */
import { cluster, kill, type NodeName, startAgain } from '../support/cluster.ts';
import { type Login, LoginLoad, type Stay } from '../support/login-load.ts';
import type { LogLine } from '../support/running-proxy.ts';
import { type Death, isEndExplained, isExcusedBy } from './deaths.ts';
import {
  isDirectoryUsed,
  isNodeUsed,
  type StoryCluster,
  type StoryUser,
  startCluster,
} from './story-cluster.ts';

const WAIT_MS = 60_000;
const LOOK_MS = 50;
const PAUSE_MS = 600;
/** Longer than this after a change nobody may come to his old home. */
const MOVED_MS = 10_000;

export class Story implements AsyncDisposable {
  readonly cluster: StoryCluster;
  readonly load: LoginLoad;
  readonly #deaths: Death[] = [];

  private constructor(parts: StoryCluster) {
    this.cluster = parts;
    this.load = new LoginLoad(this.users, { ports: parts.proxies.ports, ca: cluster().ca }, PAUSE_MS);
  }

  static async begin(): Promise<Story> {
    await using starting = new AsyncDisposableStack();
    const story = starting.use(new Story(await startCluster()));
    await story.more(3);
    starting.move();
    return story;
  }

  get users(): readonly StoryUser[] {
    return [...this.cluster.lone, ...this.cluster.grouped];
  }

  /** Logins that failed though there was a living home, directory and proxy. */
  get failed(): readonly Login[] {
    return this.load.logins.filter((login) => login.outcome.kind !== 'in' && !this.#isExcused(login));
  }

  /** Logins that went well, and to where their user does not belong. */
  get astray(): readonly Login[] {
    return this.load.logins.filter(
      ({ outcome, homes }) => outcome.kind === 'in' && !homes.includes(outcome.node),
    );
  }

  /** Sessions that ended and did not have to. */
  get lost(): readonly (Stay & { readonly line: LogLine | undefined })[] {
    return this.load.stays
      .filter(({ untilMs }) => untilMs < Number.POSITIVE_INFINITY)
      .map((stay) => ({ ...stay, ...this.endOf(stay) }))
      .filter((stay) => !isEndExplained(stay, { ...stay, deaths: this.#deaths }));
  }

  /** What its proxy said of the end of a session, and which proxy that is. */
  endOf({ client }: Stay): { readonly proxy: string; readonly line: LogLine | undefined } {
    const { proxies } = this.cluster;
    const index = [0, 1].find((one) =>
      proxies.log(one).some(({ event, client: whose }) => event === 'login' && whose === client),
    );
    const line = [0, 1]
      .flatMap((one) => proxies.log(one))
      .find(({ event, client: whose }) => event === 'sessionEnd' && whose === client);
    return { proxy: `proxy${(index ?? -1) + 1}`, line };
  }

  /** Kills a server of the directory while the other one lives. @param meanwhile what is done while it's dead. */
  async killDirectory(
    name: 'ldap-master' | 'ldap-replica',
    meanwhile: () => Promise<void> = () => this.more(3),
  ): Promise<void> {
    const death = await this.#kill('directory', name);
    await meanwhile();
    await startAgain(name);
    const { ldap } = cluster().ldap[name === 'ldap-master' ? 'master' : 'replica'];
    await this.until(`${name} is used again`, () => this.#everyProxy((log) => isDirectoryUsed(log, ldap)));
    if (name === 'ldap-master') await this.cluster.admin.reconnect();
    await this.#over(death);
  }

  /** Kills a node: its own users can't log in, all others can. */
  async killNode(name: NodeName): Promise<void> {
    const death = await this.#kill('node', name);
    const own = this.users.filter(({ homes }) => homes.join() === name);
    await this.more(
      3,
      this.users.filter((user) => !own.includes(user)),
    );
    const isTold = (user: StoryUser): boolean =>
      this.#since(user, death.fromMs).some(({ outcome }) => outcome.kind === 'refused');
    await this.until(`users of ${name} are told`, () => own.every(isTold));
    await startAgain(name);
    await this.until(`${name} is used again`, () => this.#everyProxy((log) => isNodeUsed(log, name)));
    await this.#over(death);
  }

  /** Ends a proxy: those who are on it are cut, all others go to the other one. */
  async endProxy(index: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { proxies } = this.cluster;
    const says = (event: string) => (): boolean =>
      proxies.logOfNow(index).some((line) => line.event === event && (line.result ?? 'ok') === 'ok');
    const death = this.#dies('proxy', `proxy${index + 1}`);
    const ended = proxies.end(index, signal);
    if (signal === 'SIGKILL') await ended;
    else await this.until('it takes no more clients', says('stopping'));
    death.goneMs = performance.now();
    await ended;
    await this.more(3);
    await proxies.startAgain(index);
    await this.until(`proxy${index + 1} is given logins`, says('login'));
    await this.#over(death);
  }

  /** Moves users in the directory alone, and waits until new logins come to their new homes and old sessions are gone. */
  async move(what: string, users: readonly StoryUser[], to: (user: StoryUser) => NodeName): Promise<void> {
    const moves = await Promise.all(users.map((user) => this.#moveOne(user, to(user))));
    await this.more(3);
    await this.until('their longer sessions are at their new homes', () =>
      users.every(({ name, homes }) => this.openOf(name).every(({ node }) => node === homes.at(-1))),
    );
    const ended = moves.flatMap(({ user, doneMs }) =>
      this.load.stays
        .filter((stay) => stay.user === user.name && stay.fromMs < doneMs && stay.untilMs > doneMs)
        .map(({ untilMs }) => untilMs - doneMs),
    );
    const late = moves.flatMap(({ user, from, doneMs }) =>
      this.#since(user, doneMs)
        .filter(({ outcome }) => outcome.kind === 'in' && from.some((home) => home === outcome.node))
        .map(({ startMs }) => startMs - doneMs),
    );
    const took = moves.map(({ doneMs, arrivedMs }) => arrivedMs - doneMs).toSorted((a, b) => a - b);
    const [median = 0, longest = 0] = [took[Math.floor(took.length / 2)], took.at(-1)];
    this.show(
      `${what}: ${users.length} users read mail at their new home ${Math.round(median)} ms (median), ` +
        `${Math.round(longest)} ms (longest) after the change; the last login at an old home began ` +
        `${Math.round(Math.max(0, ...late))} ms after it; old sessions ended within ${seconds(Math.max(0, ...ended))}`,
    );
  }

  /** The longer sessions of a user that go on. */
  openOf(name: string): readonly Stay[] {
    return this.load.stays.filter(
      ({ user, untilMs }) => user === name && untilMs === Number.POSITIVE_INFINITY,
    );
  }

  /** Waits until each of these users has logged in so often again. */
  async more(count: number, users: readonly StoryUser[] = this.users): Promise<void> {
    const sinceMs = performance.now();
    const isIn = ({ outcome }: Login): boolean => outcome.kind === 'in';
    await this.until(`${users.length} users log in ${count} times`, () =>
      users.every((user) => this.#since(user, sinceMs).filter(isIn).length >= count),
    );
  }

  /** @throws {Error} when it takes a minute. */
  async until(what: string, isSo: () => boolean): Promise<void> {
    for (const endMs = performance.now() + WAIT_MS; !isSo(); ) {
      if (performance.now() > endMs) {
        const latest = this.load.logins.slice(-20).map((login) => JSON.stringify(login));
        throw new Error(`in a minute it did not come to this: ${what}\n${latest.join('\n')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  show(line: string): void {
    process.stdout.write(`${line}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.load[Symbol.asyncDispose]();
    await this.cluster.proxies[Symbol.asyncDispose]();
    await this.cluster.admin[Symbol.asyncDispose]();
  }

  #isExcused(login: Login): boolean {
    return this.#deaths.some((death) => isExcusedBy(death, login));
  }

  async #moveOne(user: StoryUser, to: NodeName) {
    const from = user.homes.filter((home) => home !== to);
    user.homes = [...from, to];
    const doneMs = await this.cluster.admin.set(user.entry, 'mailHost', `${to}.example.org`);
    for (let turn = 0; performance.now() - doneMs < MOVED_MS; turn += 1) {
      const { outcome, endMs } = await this.load.once(user, turn % 2 === 0 ? 'imap' : 'pop3');
      if (outcome.kind !== 'in' || outcome.node !== to) continue;
      // The other proxy is told by itself: it has the same time.
      setTimeout(() => {
        if (user.homes.at(-1) === to) user.homes = [to];
      }, MOVED_MS).unref();
      return { user, from, doneMs, arrivedMs: endMs };
    }
    throw new Error(`${user.name} did not come to ${to} in ${seconds(MOVED_MS)}`);
  }

  async #kill(kind: 'directory' | 'node', name: NodeName | 'ldap-master' | 'ldap-replica'): Promise<Death> {
    const death = this.#dies(kind, name);
    await kill(name);
    death.goneMs = performance.now();
    return death;
  }

  #dies(kind: Death['kind'], name: string): Death {
    const later = Number.POSITIVE_INFINITY;
    const death = { kind, name, fromMs: performance.now(), goneMs: later, untilMs: later };
    this.#deaths.push(death);
    return death;
  }

  async #over(death: Death): Promise<void> {
    death.untilMs = performance.now();
    await this.more(2);
    const meanwhile = this.load.logins.filter(({ startMs }) => startMs >= death.fromMs);
    const failures = meanwhile.filter(({ outcome }) => outcome.kind !== 'in');
    const excused = failures.filter((login) => this.#isExcused(login));
    this.show(
      `${death.name} dead for ${seconds(death.untilMs - death.fromMs)}: ${meanwhile.length - failures.length} logins ` +
        `went well, ${excused.length} had no living home or proxy, ${failures.length - excused.length} failed`,
    );
  }

  #since({ name }: StoryUser, sinceMs: number): readonly Login[] {
    return this.load.logins.filter(({ user, startMs }) => user === name && startMs >= sinceMs);
  }

  #everyProxy(holds: (log: readonly LogLine[]) => boolean): boolean {
    return [0, 1].every((index) => holds(this.cluster.proxies.logOfNow(index)));
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
