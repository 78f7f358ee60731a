/** What becomes of the charge for an exchange that had a directory or a provider asked, when its login ends. */
import { countsAsGuess, type Reason } from '../../auth/failure.ts';
import type { Charge } from './counters.ts';
import type { Throttle } from './throttle.ts';
import { type Tried, tokenOf } from './tried.ts';

/** A login, as the watch is told of it. */
export interface Watched {
  readonly ip: string;
  readonly tried: Tried;
  /** What its exchange was charged with. */
  readonly begun: readonly Charge[];
}

/** Tokens that were judged and refused: the provider may have been asked. */
const REFUSED_TOKEN: ReadonlySet<string> = new Set<Reason>(['badToken', 'tokenExpired', 'tokenUnfit']);
/** Nothing came of what was asked. */
const UNJUDGED: ReadonlySet<string> = new Set<Reason>([
  'throttled',
  'abandoned',
  'channelBinding',
  'directoryDown',
  'directoryFault',
  'providerDown',
  'bug',
]);

/** Gives the charge back where the exchange was for a right proof, or where its guess is counted instead. */
export async function settleExchange(
  throttle: Throttle,
  { ip, tried, begun }: Watched,
  result: 'ok' | Reason,
): Promise<void> {
  if (begun.length === 0 || isForNothing(tried, result)) return;
  await throttle.store.giveBack(begun);
  const token = tokenOf(tried);
  if (token === undefined || !REFUSED_TOKEN.has(result)) return;
  // The same token again, as of a client that has only an old one, is one exchange.
  const again = throttle.charges.ofExchange(ip, throttle.tokenOf(token.octets));
  await throttle.take(again.map((charge) => ({ ...charge, limit: Number.POSITIVE_INFINITY })));
}

/** Whether an exchange has had somebody work, and neither let a right proof in nor a wrong one be counted. */
function isForNothing({ kind }: Tried, result: 'ok' | Reason): boolean {
  if (result === 'ok') return false;
  if (kind === 'proved') return result === 'throttled';
  if (kind === 'refuted') return !(result === 'abandoned' || countsAsGuess(result));
  return UNJUDGED.has(result);
}
