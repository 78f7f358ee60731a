import type { Secret } from '../secret.ts';

/** What became of a bearer token. */
export type TokenVerdict =
  | {
      readonly kind: 'valid';
      /** The user's name as the token says it: a login name, still to be looked up. */
      readonly user: string;
    }
  | TokenRefusal;

/** A token that was refused, or could not be judged. */
export interface TokenRefusal {
  readonly kind: 'refused';
  readonly reason: 'badToken' | 'tokenExpired' | 'tokenUnfit' | 'providerDown';
  /** What the client is told (RFC 6750 section 3.1). */
  readonly error: 'invalid_token' | 'insufficient_scope';
  /** Why, for an operator; never the token. */
  readonly detail: string;
}

/** What a client is told with a refusal, so that it can get a better token (RFC 7628 section 3.2.2). */
export interface TokenGuide {
  /** Separated by spaces. */
  readonly scope?: string;
  /** URL of the provider's discovery document. */
  readonly openidConfiguration?: string;
}

/** Judges the tokens of one provider; disposing closes its connections. */
export interface TokenVerifier extends Disposable {
  /** Never rejects but for a bug: a provider that can't be asked gives `providerDown`. */
  verify(token: Secret, signal: AbortSignal): Promise<TokenVerdict>;
}

/** Judges tokens of any provider, and tells what to say to a client whose token was refused. */
export interface TokenJudge {
  judge(token: Secret, signal: AbortSignal): Promise<{ verdict: TokenVerdict; guide: TokenGuide }>;
  /** What a client without a token is told. */
  readonly guide: TokenGuide;
}

/** Refuses a token that anybody may have made. @param detail why, for an operator; never the token. */
export function badToken(detail: string): TokenRefusal {
  return { kind: 'refused', reason: 'badToken', error: 'invalid_token', detail };
}

/** Refuses a token that its provider has made, but not for now: it has expired, or is not valid yet. */
export function tokenExpired(detail: string): TokenRefusal {
  return { ...badToken(detail), reason: 'tokenExpired' };
}

/** Refuses a token that its provider has made, but not for a login here. */
export function tokenUnfit(detail: string): TokenRefusal {
  return { ...badToken(detail), reason: 'tokenUnfit' };
}

/** A provider that can't be asked, or does not answer as it should. The message is for an operator. */
export class ProviderDown extends Error {
  override readonly name = 'ProviderDown';
}
