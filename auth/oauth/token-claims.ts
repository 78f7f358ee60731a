import { type TokenRefusal, type TokenVerdict, tokenUnfit } from './token.ts';

/** What a token must say, besides being true. */
export interface ClaimTerms {
  /** Scopes that it must have, all of them. */
  readonly scopes: readonly string[];
  /** The claim that is the user's login name. */
  readonly userClaim: string;
  /** Domains whose users the provider may speak for, in lower case; `undefined` for all. */
  readonly domains: readonly string[] | undefined;
}

/** A token's claims, as JSON has them. */
export interface Claims {
  readonly [claim: string]: unknown;
  readonly active?: unknown;
  readonly aud?: unknown;
  readonly email_verified?: unknown;
  readonly exp?: unknown;
  readonly iss?: unknown;
  readonly nbf?: unknown;
  readonly scope?: unknown;
  readonly scp?: unknown;
}

/** Whether JSON is an object, as claims are. */
export function isClaims(json: unknown): json is Claims {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

/** Reads whose token it is from claims that are known to be the provider's. */
export function userOf(claims: Claims, { scopes, userClaim, domains }: ClaimTerms): TokenVerdict {
  const granted = [...wordsOf(claims.scope), ...wordsOf(claims.scp)];
  const lacking = scopes.filter((scope) => !granted.includes(scope));
  if (lacking.length > 0) {
    return { ...tokenUnfit(`it lacks the scope ${lacking.join(', ')}`), error: 'insufficient_scope' };
  }
  const user = Object.hasOwn(claims, userClaim) ? claims[userClaim] : undefined;
  if (typeof user !== 'string' || user === '') {
    return tokenUnfit(`it has no claim ${userClaim}, which names the user`);
  }
  return refuseUser(user, claims, { userClaim, domains }) ?? { kind: 'valid', user };
}

function refuseUser(
  user: string,
  claims: Claims,
  { userClaim, domains }: Pick<ClaimTerms, 'userClaim' | 'domains'>,
): TokenRefusal | undefined {
  // OpenID Connect Core section 5.1: else whoever signs up with a stranger's address would be the stranger.
  if (userClaim === 'email' && (claims.email_verified === false || claims.email_verified === 'false')) {
    return tokenUnfit('its provider has not verified the email');
  }
  const domain = user
    .slice(user.lastIndexOf('@') + 1)
    .toLowerCase()
    .normalize('NFC');
  if (domains === undefined || (user.includes('@') && domains.includes(domain))) {
    return undefined;
  }
  return tokenUnfit('its user is of no domain that its provider may speak for');
}

/** RFC 6749 section 3.3 separates scopes by spaces; some providers give a list, or call it `scp`. */
function wordsOf(claim: unknown): readonly unknown[] {
  if (typeof claim === 'string') {
    return claim.split(' ');
  }
  return Array.isArray(claim) ? claim : [];
}
