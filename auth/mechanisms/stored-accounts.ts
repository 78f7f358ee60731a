import type { Credentials } from '../authenticator.ts';
import { Deadline } from '../deadline.ts';
import { LoginFailure } from '../failure.ts';
import type { RefutedProof } from '../sasl.ts';

/** Why a proof is refuted. */
export type Refusal = Pick<RefutedProof, 'reason' | 'known' | 'detail'>;

/** Where mechanisms that never see the password find what is stored of it. */
export interface StoredAccounts {
  credentials(name: Buffer, signal: AbortSignal): Promise<Credentials>;
  /** Directory work in all for one question. */
  readonly directoryMs: number;
}

/**
 * Does what needs the directory or a turn to hash, in the time that it may take.
 * @returns the refusal with which the exchange ends when it could not be told.
 */
export async function inTime<Told>(
  { directoryMs }: Pick<StoredAccounts, 'directoryMs'>,
  signal: AbortSignal,
  work: (limited: AbortSignal) => Promise<Told>,
): Promise<
  { readonly kind: 'told'; readonly told: Told } | { readonly kind: 'unknown'; readonly why: Refusal }
> {
  using deadline = new Deadline(directoryMs, signal);
  try {
    return { kind: 'told', told: await work(deadline.signal) };
  } catch (error) {
    if (error instanceof LoginFailure) {
      return { kind: 'unknown', why: { reason: error.reason, detail: error.message } };
    }
    throw error;
  }
}

/** Why there is nothing to compare a proof with. */
export function whyNone(credentials: Extract<Credentials, { kind: 'none' }>): Refusal {
  const { reason, detail } = credentials;
  return { reason, ...(detail !== undefined && { detail }) };
}
