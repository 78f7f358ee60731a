import { setTimeout as sleep } from 'node:timers/promises';
import { LOGGED_IN } from './live-sessions.ts';
import { firstSubject, logIn, newClient, type ProtocolName } from './mail-session.ts';
import { Wire } from './wire.ts';

/** Who logs in, and where he belongs: a node, or the nodes of his group. */
export interface LoadUser {
  readonly name: string;
  readonly password: string;
  homes: readonly string[];
}

/** What became of a login; times by the clock of `performance`. */
export interface Login {
  readonly user: string;
  readonly protocol: ProtocolName;
  /** The address that it came from, which no other one had. */
  readonly client: string;
  /** The user's homes while it was under way. */
  readonly homes: readonly string[];
  readonly startMs: number;
  readonly endMs: number;
  readonly outcome: Outcome;
}

/** `in`: mail was read there. `refused`: an answer that is no OK. `cut`: the connection ended. `silent`: nothing came for 15 s. */
export type Outcome =
  | { readonly kind: 'in'; readonly node: string }
  | { readonly kind: 'refused'; readonly answer: string }
  | { readonly kind: 'cut' | 'silent'; readonly stage: Stage; readonly detail: string };

type Stage = 'connecting' | 'loggingIn' | 'reading';

/** A session that stays until somebody ends it. */
export interface Stay {
  readonly user: string;
  readonly client: string;
  readonly node: string;
  readonly fromMs: number;
  untilMs: number;
}

/** Where clients connect, with TLS from the start. */
export interface Doors {
  readonly ports: Readonly<Record<ProtocolName, number>>;
  readonly ca: string;
}

const BUSY_MS = 400;
const GREETED = /^(?:\* |\+)OK/;
const SILENT = /^nothing in /;

/** Users who log in again and again, as mail clients do, each with one more session that stays. */
export class LoginLoad implements AsyncDisposable {
  readonly logins: Login[] = [];
  readonly stays: Stay[] = [];
  readonly #doors: Doors;
  readonly #pauseMs: number;
  readonly #running: Promise<void>[];
  readonly #open = new Set<Wire>();
  #isOver = false;

  /** @param pauseMs from one login of a user to his next. */
  constructor(users: readonly LoadUser[], doors: Doors, pauseMs: number) {
    this.#doors = doors;
    this.#pauseMs = pauseMs;
    this.#running = users.flatMap((user, index) => [
      this.#comeAndGo(user),
      // Every other one says something all the time.
      this.#stay(user, index % 2 === 0 ? idle : chat),
    ]);
  }

  /** Logs in once more. */
  async once(user: LoadUser, protocol: ProtocolName): Promise<Login> {
    const { login, wire } = await logInOnce(user, protocol, this.#doors);
    wire?.send(protocol === 'imap' ? 'z LOGOUT' : 'QUIT');
    await wire?.[Symbol.asyncDispose]();
    this.logins.push(login);
    return login;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await Promise.all([...this.#open].map((wire) => wire[Symbol.asyncDispose]()));
    await Promise.all(this.#running);
  }

  async #comeAndGo(user: LoadUser): Promise<void> {
    for (let turn = 0; !this.#isOver; turn += 1) {
      await this.once(user, turn % 2 === 0 ? 'imap' : 'pop3');
      await sleep(this.#pauseMs);
    }
  }

  async #stay(user: LoadUser, remain: (wire: Wire) => Promise<void>): Promise<void> {
    while (!this.#isOver) {
      const { login, wire } = await logInOnce(user, 'imap', this.#doors);
      this.logins.push(login);
      if (wire !== undefined && login.outcome.kind === 'in') {
        this.#open.add(wire);
        const { client, endMs: fromMs } = login;
        const stay: Stay = {
          ...{ user: user.name, client, fromMs },
          node: login.outcome.node,
          untilMs: Number.POSITIVE_INFINITY,
        };
        this.stays.push(stay);
        await remain(wire);
        if (!this.#isOver) stay.untilMs = performance.now();
        this.#open.delete(wire);
        await wire[Symbol.asyncDispose]();
      }
      await sleep(this.#pauseMs);
    }
  }
}

/** @returns the connection where the login went well; the caller disposes of it. */
async function logInOnce(
  user: LoadUser,
  protocol: ProtocolName,
  { ports, ca }: Doors,
): Promise<{ readonly login: Login; readonly wire: Wire | undefined }> {
  const client = newClient();
  const begun = { user: user.name, protocol, client, startMs: performance.now() };
  const before = user.homes;
  const ended = (outcome: Outcome): Login => {
    const homes = [...new Set([...before, ...user.homes])];
    return { ...begun, homes, endMs: performance.now(), outcome };
  };
  let stage: Stage = 'connecting';
  let wire: Wire | undefined;
  try {
    wire = await Wire.open({ port: ports[protocol], from: client, ca });
    const greeting = await wire.line();
    stage = 'loggingIn';
    const answer = GREETED.test(greeting) ? await logIn(protocol, wire, user.name, user.password) : greeting;
    if (LOGGED_IN.test(answer)) {
      stage = 'reading';
      const node = (await firstSubject(protocol, wire)).replace(/^on /, '');
      return { login: ended({ kind: 'in', node }), wire };
    }
    await wire[Symbol.asyncDispose]();
    return { login: ended({ kind: 'refused', answer }), wire: undefined };
  } catch (error) {
    await wire?.[Symbol.asyncDispose]();
    const kind = error instanceof Error && SILENT.test(error.message) ? 'silent' : 'cut';
    return { login: ended({ kind, stage, detail: String(error) }), wire: undefined };
  }
}

/** Says nothing until it is ended. */
async function idle(wire: Wire): Promise<void> {
  wire.send('i IDLE');
  for (;;) {
    try {
      if ((await wire.lineOrEnd()) === undefined) return;
    } catch (error) {
      if (!(error instanceof Error && SILENT.test(error.message))) throw error;
    }
  }
}

/** Is never quiet for long. */
async function chat(wire: Wire): Promise<void> {
  for (;;) {
    wire.send('n NOOP');
    let line = await wire.lineOrEnd();
    while (line !== undefined && !line.startsWith('n ')) line = await wire.lineOrEnd();
    if (line === undefined) return;
    await sleep(BUSY_MS);
  }
}
