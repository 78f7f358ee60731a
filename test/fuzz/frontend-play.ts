import { type Reason, WIRE_ANSWER, type WireAnswer } from '../../auth/failure.ts';
import { loginServer } from '../../auth/mechanisms/login.ts';
import { plainServer } from '../../auth/mechanisms/plain.ts';
import type { SaslServerFactory } from '../../auth/sasl.ts';
import { Channel } from '../../protocols/channel.ts';
import type { Frontend, FrontendTerms, LoginAttempt, MailProtocol } from '../../protocols/protocol.ts';
import { type Cut, FuzzTransport, feed } from './fuzz-transport.ts';
import { must } from './oracles.ts';
import type { Sample } from './sample.ts';
import { scriptedApop } from './scripted-apop.ts';
import { scriptedServer } from './scripted-mechanism.ts';
import { settled, turn } from './turns.ts';

/** Turns of the event loop in which a frontend must be done with what it got. */
const MOST_TURNS = 400;
/**
 * What a connection may take without a word: what is read and not used (64 KiB), a literal that is passed over
 * (64 KiB), and the longest line before it.
 */
const MAX_SILENT_OCTETS = 192 * 1024;

/** A login as the frontend handed it on. */
export interface SeenAttempt {
  readonly authzid: string;
  readonly authcid: string;
  /** `undefined` where the mechanism judged by itself. */
  readonly password: string | undefined;
  readonly mechanism: string;
  readonly tls: boolean;
  readonly answer: WireAnswer | 'ok';
}

/** What came of a client's words. */
export interface Play {
  /** What the client was told before TLS, and in it where TLS began on the way. */
  readonly clear: string;
  readonly secured: string | undefined;
  /** The first flight that was sent in TLS which began on the way. */
  readonly securedFrom: number;
  readonly attempts: readonly SeenAttempt[];
  /** How it ended before a login; `undefined` when the client was let in. */
  readonly departed: string | undefined;
  /** What the node would have got; `undefined` when the client was not let in. */
  readonly residual: string | undefined;
}

/** More failed logins than a sample holds. */
export const MANY_FAILURES = 1000;

/** What a frontend is told of its listener, and what becomes of logins. */
export interface Circumstances {
  readonly tls: boolean;
  readonly terms: FrontendTerms;
  readonly judge: (attempt: number) => 'ok' | Reason;
}

/** Words that are ours, for checks of what is said. */
export const GREETING = 'Fuzz ready.';
export const REFERENCE = 'REF-0123456789abcdef';
export const NODE_CAPABILITIES: readonly string[] = ['IMAP4rev1', 'IDLE', 'NAMESPACE'];
export const OFFERED_MECHANISMS: ReadonlyMap<string, SaslServerFactory> = new Map([
  ['PLAIN', plainServer],
  ['LOGIN', loginServer],
  ['X-SCRIPTED', scriptedServer],
]);

const VERDICTS: readonly ('ok' | Reason)[] = [
  'wrongPassword',
  'ok',
  'directoryDown',
  'notAuthorized',
  'wrongPassword',
  'expired',
  'disabled',
  'noHome',
  'nodeLimit',
  'nodeInUse',
];

/** What only becomes of logins that are admitted. */
const BEHIND_ADMISSION: ReadonlySet<'ok' | Reason> = new Set(['ok', 'noHome', 'nodeLimit', 'nodeInUse']);

/** Reads the circumstances from a sample's bits. */
export function circumstancesOf({ variant }: Sample): Circumstances {
  return {
    tls: (variant & 1) !== 0,
    terms: {
      greeting: GREETING,
      mechanisms: () => OFFERED_MECHANISMS,
      maxSaslOctets: 12 * 1024,
      apop: scriptedApop,
      startTls: (variant & 2) === 0,
      allowPlaintext: (variant & 4) === 0,
      unauthenticatedMs: 3_600_000,
      maxFailures: (variant & 8) === 0 ? MANY_FAILURES : 3,
    },
    judge: (attempt) => VERDICTS[((variant >>> 4) + attempt) % VERDICTS.length] ?? 'ok',
  };
}

/**
 * Plays one conversation. The client waits for what it is told between its flights, and sends FIN behind the last.
 * @throws {Violation} when the frontend is not done in time.
 */
export async function play(
  protocol: MailProtocol,
  flights: readonly string[],
  circumstances: Circumstances,
  cut: Cut,
): Promise<Play> {
  const transport = new FuzzTransport(circumstances.tls);
  const frontend = protocol.frontend(new Channel(transport), circumstances.terms);
  await frontend.greet();
  const attempts: SeenAttempt[] = [];
  let end: End | undefined;
  let failure: unknown;
  serve(frontend, circumstances.judge, attempts).then(
    (ended) => {
      end = ended;
    },
    (error: unknown) => {
      failure = error ?? new Error('rejected with nothing');
    },
  );
  let securedFrom = flights.length;
  let [told, takenThen] = [0, 0];
  for (const [index, flight] of flights.entries()) {
    if (transport.current !== transport) {
      securedFrom = Math.min(securedFrom, index);
    }
    await feed(transport.current, flight, cut);
    if (end === undefined) {
      await settled(() => transport.octetsWritten + attempts.length, MOST_TURNS);
      const { octetsTaken } = transport.current;
      if (told !== transport.octetsWritten) {
        told = transport.octetsWritten;
        takenThen = octetsTaken;
      }
      const silent = end === undefined ? octetsTaken - takenThen : 0;
      must(silent <= MAX_SILENT_OCTETS, 'bounds what it takes', () => `${silent} octets, and no word`);
    }
  }
  transport.current.finish();
  for (let turns = 0; end === undefined && failure === undefined; turns += 1) {
    must(turns < MOST_TURNS, 'settles', () => `the frontend still waits, ${turns} turns after FIN`);
    await turn();
  }
  if (end === undefined) {
    throw failure;
  }
  const { clear, secured } = transport.written;
  return { clear, secured, securedFrom, attempts, departed: end.departed, residual: end.residual?.() };
}

interface End {
  readonly departed: string | undefined;
  /** What the node has got by now. */
  readonly residual: (() => string) | undefined;
}

async function serve(
  frontend: Frontend,
  judge: Circumstances['judge'],
  attempts: SeenAttempt[],
): Promise<End> {
  for (;;) {
    const next = await frontend.next();
    if (next.kind === 'departed') {
      return { departed: next.how, residual: undefined };
    }
    // Who left before the end of his login is told nothing.
    if (next.kind === 'refused' || next.abandoned.aborted) {
      continue;
    }
    const { proof } = next;
    const judged = proof.kind === 'refuted' ? proof.reason : judge(attempts.length);
    const verdict = await concluded(next, judged);
    if (next.abandoned.aborted) {
      continue;
    }
    const answer = verdict === 'ok' ? verdict : WIRE_ANSWER[verdict];
    attempts.push(seen(next, answer));
    if (answer === 'ok') {
      return { departed: undefined, residual: relay(next) };
    }
    next.reject(answer, REFERENCE);
  }
}

/** What comes of a login that is admitted: its mechanism says so, and then the client, or a node, may still end it. */
async function concluded(attempt: LoginAttempt, verdict: 'ok' | Reason): Promise<'ok' | Reason> {
  if (!BEHIND_ADMISSION.has(verdict)) {
    return verdict;
  }
  switch (await attempt.conclude()) {
    case 'received':
      return verdict;
    case 'cancelled':
      return 'cancelled';
    case 'gone':
      return 'abandoned';
  }
}

function seen({ proof, mechanism, tls }: LoginAttempt, answer: WireAnswer | 'ok'): SeenAttempt {
  return {
    authzid: proof.authzid.toString('latin1'),
    authcid: proof.authcid.toString('latin1'),
    password: proof.kind === 'password' ? proof.password.octets.toString('latin1') : undefined,
    mechanism,
    tls: tls !== undefined,
    answer,
  };
}

/** Lets the client in. @returns a way to ask what the node has got by now. */
function relay(attempt: LoginAttempt): () => string {
  const { transport, residual } = attempt.accept({ capabilities: NODE_CAPABILITIES });
  let relayed = residual.toString('latin1');
  transport.attach({
    octets(chunk) {
      relayed += chunk.toString('latin1');
    },
    drained() {},
    ended() {},
    closed() {},
  });
  transport.resume();
  return () => relayed;
}
