/** Bearer tokens that only their provider can judge: token introspection (RFC 7662). */

import type { Secret } from '../secret.ts';
import type { ProviderHttp } from './provider-http.ts';
import {
  badToken,
  ProviderDown,
  type TokenRefusal,
  type TokenVerdict,
  tokenExpired,
  tokenUnfit,
} from './token.ts';
import type { TokenCache } from './token-cache.ts';
import { type Claims, type ClaimTerms, isClaims, userOf } from './token-claims.ts';

/** How the proxy proves itself to the provider. */
export type ProviderCredentials =
  | { readonly kind: 'basic'; readonly id: string; readonly secret: Secret }
  | { readonly kind: 'bearer'; readonly token: Secret };

/** What the provider's answer must say. */
export interface IntrospectionTerms extends ClaimTerms {
  /** `undefined`, here and below, takes any, and answers that do not say it. */
  readonly issuer: string | undefined;
  readonly audiences: readonly string[] | undefined;
  /** How far the provider's clock may be from ours. */
  readonly clockSkewMs: number;
  readonly credentials: ProviderCredentials;
}

/** Who is asked, and what it said a moment ago. */
export interface IntrospectionParts {
  readonly http: ProviderHttp;
  readonly cache: TokenCache;
}

/** Asks the provider about a token. */
export async function introspect(
  token: Secret,
  terms: IntrospectionTerms,
  { http, cache }: IntrospectionParts,
  signal: AbortSignal,
): Promise<TokenVerdict> {
  const known = cache.get(token);
  if (known !== undefined) {
    return known;
  }
  try {
    const claims = await ask(token, terms.credentials, http, signal);
    const verdict = refuseClaims(claims, terms) ?? userOf(claims, terms);
    cache.add(token, verdict, verdict.kind === 'valid' ? expiryMs(claims) : startMs(claims, terms));
    return verdict;
  } catch (error) {
    if (error instanceof ProviderDown) {
      return { ...badToken(error.message), reason: 'providerDown' };
    }
    throw error;
  }
}

async function ask(
  token: Secret,
  credentials: ProviderCredentials,
  http: ProviderHttp,
  signal: AbortSignal,
): Promise<Claims> {
  const body = new URLSearchParams({
    token: token.octets.toString('latin1'),
    token_type_hint: 'access_token',
  });
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    authorization: authorization(credentials),
  };
  const answer = await http.ask({ method: 'POST', headers, body: body.toString() }, signal);
  if (!isClaims(answer) || typeof answer.active !== 'boolean') {
    throw new ProviderDown('what the provider answers is no introspection of a token');
  }
  return answer;
}

function authorization(credentials: ProviderCredentials): string {
  if (credentials.kind === 'bearer') {
    return `Bearer ${credentials.token.octets.toString('latin1')}`;
  }
  // RFC 6749 section 2.3.1: both are form-encoded before they are joined.
  const [id, secret] = [credentials.id, credentials.secret.octets.toString('latin1')].map(formEncoded);
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
}

function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}

function refuseClaims(
  claims: Claims,
  { issuer, audiences, clockSkewMs }: IntrospectionTerms,
): TokenRefusal | undefined {
  if (claims.active !== true) {
    return badToken('its provider says that it is not active');
  }
  const nowMs = Date.now();
  if (nowMs - clockSkewMs >= expiryMs(claims)) {
    return tokenExpired('it has expired');
  }
  if (claims.nbf !== undefined && !(Number(claims.nbf) * 1000 <= nowMs + clockSkewMs)) {
    return tokenExpired('it is not valid yet');
  }
  if (issuer !== undefined && claims.iss !== issuer) {
    return tokenUnfit(
      claims.iss === undefined ? 'its provider does not say its iss' : 'it is of another issuer',
    );
  }
  const named = [claims.aud].flat();
  if (audiences !== undefined && !audiences.some((audience) => named.includes(audience))) {
    return tokenUnfit(`it is for another audience: ${JSON.stringify(claims.aud ?? null).slice(0, 200)}`);
  }
  return undefined;
}

/** When a token that was refused may become right: for most that is never. */
function startMs({ nbf }: Claims, { clockSkewMs }: IntrospectionTerms): number {
  const atMs = Number(nbf) * 1000 - clockSkewMs;
  return atMs > Date.now() ? atMs : Number.POSITIVE_INFINITY;
}

/** When a token ends, for ever if the answer does not say; what is no time has passed. */
function expiryMs({ exp }: Claims): number {
  if (exp === undefined) {
    return Number.POSITIVE_INFINITY;
  }
  return typeof exp === 'number' ? exp * 1000 : Number.NEGATIVE_INFINITY;
}
