import type { MailProtocol } from '../../protocols/protocol.ts';
import { type Circumstances, circumstancesOf, MANY_FAILURES, type Play, play } from './frontend-play.ts';
import type { Cut } from './fuzz-transport.ts';
import { mustEqual } from './oracles.ts';
import { Random } from './random.ts';
import type { Sample } from './sample.ts';
import type { Effort } from './target.ts';

/** A protocol, and what it has to say. */
export interface Dialect {
  readonly protocol: MailProtocol;
  readonly follow: Follow;
  /** What is said unasked when a connection opens, and when TLS has begun on it; they may differ. */
  readonly greeting: RegExp;
  readonly tlsGreeting?: RegExp;
}

/** Follows a conversation by the rules of its protocol. @returns the kinds of answers. @throws {Violation} */
type Follow = (flights: readonly string[], play: Play, circumstances: Circumstances) => readonly string[];

/** Octet by octet takes long, so it is done for short samples only, and for some of them. */
const MAX_SINGLE_OCTETS = 600;
/** A flood is more than any connection may take without a word. */
const FLOOD_FLIGHT_OCTETS = 16 * 1024;
const FLOOD_FLIGHTS = 20;

/**
 * What holds for a client's words in each protocol: they are answered by its rules, mean the same however they are cut,
 * and nothing that was said before TLS counts in it.
 */
export async function runFrontend(dialect: Dialect, sample: Sample, effort: Effort): Promise<string> {
  const { protocol, follow } = dialect;
  const circumstances = circumstancesOf(sample);
  const pieces = floodsBy(sample) ? flooded(sample.pieces) : sample.pieces;
  const one = await play(protocol, pieces, circumstances, 'whole');
  const way = follow(pieces, one, circumstances);
  for (const cut of cutsFor({ ...sample, pieces }, effort)) {
    mustEqual('means the same however it is cut', await play(protocol, pieces, circumstances, cut), one);
  }
  // A flood may hold more failed logins than there may be, which count on behind STARTTLS.
  if (one.secured !== undefined && !floodsBy(sample)) {
    await mustForgetClearText(dialect, pieces, circumstances, one);
  }
  return way.join('|');
}

/** One sample in 64 sends its last flight again and again. */
function floodsBy({ variant }: Sample): boolean {
  return (variant & 0xfc00) === 0xfc00;
}

function flooded(pieces: readonly string[]): readonly string[] {
  const last = pieces.at(-1) ?? '';
  const flight = last.repeat(Math.ceil(FLOOD_FLIGHT_OCTETS / Math.max(1, last.length)));
  return [...pieces, ...Array.from({ length: FLOOD_FLIGHTS }, () => flight)];
}

/** Cuts are made from the sample alone, so that a failure can be shown again. */
function cutsFor({ variant, pieces }: Sample, effort: Effort): readonly Cut[] {
  const octets = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const random = new Random(variant * 31 + octets);
  const single: readonly Cut[] = octets <= MAX_SINGLE_OCTETS ? ['octets'] : [];
  const some = random.oneIn(8) ? single : [random];
  const quick = random.oneIn(3) ? some : [];
  return effort === 'quick' ? quick : [...quick, ...single, new Random(1), new Random(2), new Random(3)];
}

/** The same words to a listener that had TLS from the start must have the same answers. */
async function mustForgetClearText(
  { protocol, greeting, tlsGreeting = /^/ }: Dialect,
  pieces: readonly string[],
  { terms, judge }: Circumstances,
  one: Play,
): Promise<void> {
  // Failed logins count on, so that STARTTLS brings no new guesses: such a conversation may end sooner.
  if (terms.maxFailures < MANY_FAILURES) {
    return;
  }
  const clear = one.attempts.filter(({ tls }) => !tls);
  // APOP is offered by the greeting alone, so not where that came before TLS, and logins are taken in TLS only.
  const { apop: _apop, ...withoutApop } = terms;
  const other = await play(
    protocol,
    pieces.slice(one.securedFrom),
    {
      tls: true,
      terms: terms.allowPlaintext ? terms : withoutApop,
      judge: (attempt) => judge(attempt + clear.length),
    },
    'whole',
  );
  mustEqual(
    'forgets what was said before TLS',
    [one.secured?.replace(tlsGreeting, ''), one.attempts.slice(clear.length), one.departed, one.residual],
    [other.clear.replace(greeting, ''), other.attempts, other.departed, other.residual],
  );
}
