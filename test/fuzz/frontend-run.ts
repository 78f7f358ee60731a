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
}

/** Follows a conversation by the rules of its protocol. @returns the kinds of answers. @throws {Violation} */
type Follow = (flights: readonly string[], play: Play, circumstances: Circumstances) => readonly string[];

/** Octet by octet takes long, so it is done for short samples only, and for some of them. */
const MAX_SINGLE_OCTETS = 600;

/**
 * What holds for a client's words in each protocol: they are answered by its rules, mean the same however they are cut,
 * and nothing that was said before TLS counts in it.
 */
export async function runFrontend(dialect: Dialect, sample: Sample, effort: Effort): Promise<string> {
  const { protocol, follow } = dialect;
  const circumstances = circumstancesOf(sample);
  const { pieces } = sample;
  const one = await play(protocol, pieces, circumstances, 'whole');
  const way = follow(pieces, one, circumstances);
  for (const cut of cutsFor(sample, effort)) {
    mustEqual('means the same however it is cut', await play(protocol, pieces, circumstances, cut), one);
  }
  if (one.secured !== undefined) {
    await mustForgetClearText(protocol, pieces, circumstances, one);
  }
  return way.join('|');
}

/** Cuts are made from the sample alone, so that a failure can be shown again. */
function cutsFor({ variant, pieces }: Sample, effort: Effort): readonly Cut[] {
  const octets = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const random = new Random(variant * 31 + octets);
  const some: readonly Cut[] = random.oneIn(3) ? [random.oneIn(8) ? 'octets' : random] : [];
  const quick = some.filter((cut) => cut !== 'octets' || octets <= MAX_SINGLE_OCTETS);
  return effort === 'quick' ? quick : [...quick, 'octets', new Random(1), new Random(2), new Random(3)];
}

/** The same words to a listener that had TLS from the start must have the same answers. */
async function mustForgetClearText(
  protocol: MailProtocol,
  pieces: readonly string[],
  { terms, judge }: Circumstances,
  one: Play,
): Promise<void> {
  // Failed logins count on, so that STARTTLS brings no new guesses: such a conversation may end sooner.
  if (terms.maxFailures < MANY_FAILURES) {
    return;
  }
  const clear = one.attempts.filter(({ tls }) => !tls);
  const other = await play(
    protocol,
    pieces.slice(one.securedFrom),
    { tls: true, terms, judge: (attempt) => judge(attempt + clear.length) },
    'whole',
  );
  mustEqual(
    'forgets what was said before TLS',
    [one.secured, one.attempts.slice(clear.length), one.departed, one.residual],
    [other.clear.replace(/^.*\r\n/, ''), other.attempts, other.departed, other.residual],
  );
}
