/** Bearer tokens that are JWTs (RFC 7519, RFC 9068), judged by their signature. */
import {
  decodeProtectedHeader,
  errors,
  type JWSAlgorithm,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  type JWTVerifyResult,
  jwtVerify,
  type LocalJWKSet,
} from 'jose';
import type { Secret } from '../secret.ts';
import type { RotatingKeys } from './key-set.ts';
import {
  badToken,
  ProviderDown,
  type TokenRefusal,
  type TokenVerdict,
  tokenExpired,
  tokenUnfit,
} from './token.ts';
import { type ClaimTerms, userOf } from './token-claims.ts';

/** Signatures whose keys are public; others would let whoever knows the key make tokens. */
export const JWT_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const satisfies readonly JWSAlgorithm[];

/** What tokens of a provider must be. */
export interface JwtTerms extends ClaimTerms {
  readonly issuer: string;
  /** Of which a token must be for one; `undefined` takes tokens that are for anybody. */
  readonly audiences: readonly string[] | undefined;
  readonly algorithms: readonly (typeof JWT_ALGORITHMS)[number][];
  /** How far the provider's clock may be from ours. */
  readonly clockSkewMs: number;
}

/**
 * Judges a JWT. Of its header algorithm and id of the key are looked at only to choose among what the configuration
 * and the provider's keys have (CVE-2021-29157: Dovecot made a path of the id), and `typ` once it is verified.
 */
export async function verifyJwt(
  token: Secret,
  terms: JwtTerms,
  keys: RotatingKeys,
  signal: AbortSignal,
): Promise<TokenVerdict> {
  const jwt = token.octets.toString('latin1');
  const options: JWTVerifyOptions = {
    issuer: terms.issuer,
    ...(terms.audiences !== undefined && { audience: [...terms.audiences] }),
    algorithms: [...terms.algorithms],
    clockTolerance: terms.clockSkewMs / 1000,
    requiredClaims: ['exp'],
  };
  try {
    const { protectedHeader, payload } = await verified(jwt, options, keys, signal);
    return refuseKind(protectedHeader.typ) ?? userOf(payload, terms);
  } catch (error) {
    return refusalOf(error);
  }
}

/** Tokens that may be access tokens, in lower case: RFC 9068 section 2.1, and what most providers write. */
const ACCESS_TOKEN_KINDS: readonly unknown[] = ['at+jwt', 'jwt'];

/**
 * Refuses JWTs that say that they are something else (RFC 8725 section 3.11): a logout token, a proof of possession.
 * An ID token seldom says it: its audience tells it apart.
 */
function refuseKind(typ: unknown): TokenRefusal | undefined {
  // RFC 7515 section 4.1.9: a media type, of which "application/" may be left out.
  const kind = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : typ;
  return kind === undefined || ACCESS_TOKEN_KINDS.includes(kind)
    ? undefined
    : tokenUnfit(`its header says typ ${JSON.stringify(typ).slice(0, 100)}, which is no access token`);
}

async function verified(
  jwt: string,
  options: JWTVerifyOptions,
  keys: RotatingKeys,
  signal: AbortSignal,
): Promise<JWTVerifyResult> {
  const current = await keys.current(signal);
  try {
    return await verifiedBy(jwt, current, options);
  } catch (error) {
    if (!mayNeedNewerKeys(error)) {
      throw error;
    }
    const newer = await keys.newer(current, signal);
    if (newer === undefined) {
      throw error;
    }
    return await verifiedBy(jwt, newer, options);
  }
}

/** A provider that names its keys by no id may have a new one in the place of the old one. */
function mayNeedNewerKeys(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof UnusableKey
  );
}

async function verifiedBy(
  jwt: string,
  keys: LocalJWKSet,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult> {
  try {
    return await verifiedByKey(jwt, keys, options);
  } catch (error) {
    if (error instanceof errors.JWKSMultipleMatchingKeys) {
      return await verifiedByOneOf(jwt, error, options);
    }
    throw error;
  }
}

/** A token that does not name its key may be signed by each that fits. */
async function verifiedByOneOf(
  jwt: string,
  candidates: errors.JWKSMultipleMatchingKeys,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult> {
  let unusable: UnusableKey | undefined;
  for await (const key of candidates) {
    try {
      return await verifiedByKey(jwt, () => key, options);
    } catch (error) {
      if (error instanceof UnusableKey) {
        unusable = error;
      } else if (!(error instanceof errors.JWSSignatureVerificationFailed)) {
        throw error;
      }
    }
  }
  throw unusable ?? new errors.JWSSignatureVerificationFailed();
}

/** A key of the provider that is broken, or too weak: others may be sound. */
class UnusableKey extends Error {
  override readonly name = 'UnusableKey';
}

async function verifiedByKey(
  jwt: string,
  key: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult> {
  try {
    return await jwtVerify(jwt, key, options);
  } catch (error) {
    if (isOfKey(error)) {
      throw new UnusableKey(`${describeKey(jwt)} of the provider can not be used`, { cause: error });
    }
    throw error;
  }
}

/** jose lets through what the import throws, and refuses RSA keys with less than 2048 bits by a TypeError. */
function isOfKey(error: unknown): boolean {
  return (
    error instanceof errors.JWKSInvalid ||
    error instanceof errors.JWKInvalid ||
    error instanceof TypeError ||
    error instanceof DOMException
  );
}

/** Its id as the token says it, which is the provider's: keys of other ids were not tried. */
function describeKey(jwt: string): string {
  const kid: unknown = decodeProtectedHeader(jwt).kid;
  return typeof kid === 'string' ? `the key ${kid.slice(0, 100).replaceAll(/[^\x21-\x7e]/g, '?')}` : 'a key';
}

function refusalOf(error: unknown): TokenRefusal {
  if (error instanceof ProviderDown || error instanceof UnusableKey) {
    return { ...badToken(error.message), reason: 'providerDown' };
  }
  if (error instanceof errors.JWTExpired) {
    const agoS = Math.round(Date.now() / 1000 - Number(error.payload.exp));
    return tokenExpired(`it expired ${agoS} s ago`);
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    return refuseClaim(error);
  }
  if (error instanceof errors.JOSEError) {
    return badToken(DETAIL[error.code] ?? 'it can not be read');
  }
  throw error;
}

/** The claims are looked at when the signature was found right. */
function refuseClaim({ claim, reason, payload }: errors.JWTClaimValidationFailed): TokenRefusal {
  if (reason === 'missing') {
    return tokenUnfit(`it has no claim ${claim}`);
  }
  if (claim === 'aud') {
    return tokenUnfit(`it is for another audience: ${JSON.stringify(payload.aud).slice(0, 200)}`);
  }
  return claim === 'nbf'
    ? tokenExpired('it is not valid yet')
    : tokenUnfit(`its claim ${claim} is not what it should be`);
}

const DETAIL: Readonly<Record<string, string>> = {
  ERR_JOSE_ALG_NOT_ALLOWED: 'its algorithm is not allowed',
  ERR_JOSE_NOT_SUPPORTED: 'it needs what is not supported',
  ERR_JWKS_NO_MATCHING_KEY: 'its provider has no such key',
  ERR_JWS_INVALID: 'it is no signed JWT',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'its signature is wrong',
  ERR_JWT_INVALID: 'it is no JWT',
};
