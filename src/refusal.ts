/** What becomes of a login that fails: its reason, the throttle, the log, and the answer when it is time for it. */
import { LoginFailure, type Reason, WIRE_ANSWER } from '../auth/failure.ts';
import type { LoginAttempt } from '../protocols/protocol.ts';
import type { Connection } from './admission.ts';
import { waitToAnswer } from './answer-time.ts';
import type { Findings } from './session-report.ts';
import type { LoginWatch } from './throttle/login-watch.ts';

/** A login that is being worked on. */
export interface CurrentLogin {
  readonly attempt: LoginAttempt;
  /** `undefined` where everybody may guess. */
  readonly watch: LoginWatch | undefined;
  readonly startedMs: number;
  readonly findings: Findings;
}

/** Failures that are no more than the sign of our giving up. */
const GIVEN_UP: ReadonlySet<Reason> = new Set([
  'directoryDown',
  'providerDown',
  'nodeUnreachable',
  'nodeTlsFailed',
  'abandoned',
]);

/** Makes what a login threw its failure: what nobody expected is a bug, and is told of here. */
export function failureOf(
  error: unknown,
  { aborted }: AbortSignal,
  { report, earlyEnd }: Connection,
): LoginFailure {
  if (!(error instanceof LoginFailure)) {
    report.bug(error);
    return new LoginFailure('bug', String(error), { cause: error });
  }
  if (!aborted || !GIVEN_UP.has(error.reason)) {
    return error;
  }
  const reason = earlyEnd.why === 'draining' ? 'draining' : 'abandoned';
  return new LoginFailure(reason, error.message, { cause: error });
}

/** Counts and logs a login that failed, and answers it in its time; the client may be evicted while it waits for that. */
export async function refuse(
  { attempt, watch, startedMs, findings }: CurrentLogin,
  { reason, message }: LoginFailure,
  { context, report, earlyEnd }: Connection,
): Promise<void> {
  findings.user ??= context.authenticator.describeUser(attempt.proof.authcid);
  await watch?.end({ result: reason, who: findings.user });
  findings.detail = message === '' ? undefined : message;
  report.login(attempt, reason, findings, startedMs);
  const { failureMs } = context.times;
  earlyEnd.enter('answering');
  await waitToAnswer(startedMs, watch?.delayMs(failureMs) ?? failureMs, attempt.abandoned);
  // Who left is told nothing, so leaving early does not tell earlier what became of a guess.
  if (!attempt.abandoned.aborted) {
    attempt.reject(WIRE_ANSWER[reason], report.id);
  }
}
