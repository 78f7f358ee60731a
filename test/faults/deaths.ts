/** What the death of a server may cost a client, and what it may not. */
import type { Login, Stay } from '../support/login-load.ts';
import type { LogLine } from '../support/running-proxy.ts';

/** When a server was dead, by the clock of `performance`. */
export interface Death {
  readonly kind: 'directory' | 'node' | 'proxy';
  readonly name: string;
  /** It was told to die. */
  readonly fromMs: number;
  /** From then on nobody could connect. */
  goneMs: number;
  /** The proxies had found out that it works again. */
  untilMs: number;
}

/** Which answers a server's death must never lead to: clients would forget their passwords, or users be asked for new ones. */
const LOOKS_WRONG = /AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|EXPIRED|CONTACTADMIN|\[AUTH\]|\[SYS\/PERM\]/;
const TEMPORARY = /^(?:l NO \[UNAVAILABLE\]|-ERR \[SYS\/TEMP\])/;

/** Whether an answer says more than that it can't be done now. */
export function looksWrong({ outcome }: Login): boolean {
  return outcome.kind === 'refused' && LOOKS_WRONG.test(outcome.answer);
}

/** Whether a login that failed had no living home, or was under way at a proxy that died. */
export function isExcusedBy({ kind, name, fromMs, goneMs, untilMs }: Death, login: Login): boolean {
  const { outcome, homes, startMs, endMs } = login;
  const isUnderWay = startMs <= goneMs && fromMs <= endMs;
  // Of the directory, the other server answers.
  if (kind === 'directory') return false;
  // Whoever comes later is taken to the other proxy.
  if (kind === 'proxy') return outcome.kind === 'cut' && isUnderWay;
  if (!homes.includes(name)) return false;
  // It was in, and reads no more; in a group the next login is another member's.
  if (outcome.kind === 'cut') return isUnderWay && outcome.stage === 'reading';
  const isDead = startMs < untilMs && endMs > fromMs;
  return homes.length === 1 && isDead && outcome.kind === 'refused' && TEMPORARY.test(outcome.answer);
}

/**
 * Whether a session had to end: with its node, with its proxy, or to be with its user's other sessions.
 * @param line what its proxy said of its end; nothing where that was killed.
 */
export function isEndExplained(
  { node, untilMs }: Stay,
  { line, proxy, deaths }: { line: LogLine | undefined; proxy: string; deaths: readonly Death[] },
): boolean {
  const hadToEnd = ({ fromMs, untilMs: backMs }: Death): boolean => fromMs <= untilMs && untilMs <= backMs;
  const killer = line?.endedBy === 'node' ? node : proxy;
  return line?.how === 'rebalanced' || deaths.some((death) => death.name === killer && hadToEnd(death));
}
