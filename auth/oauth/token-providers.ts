import { decodeJwt, errors } from 'jose';
import type { Secret } from '../secret.ts';
import { badToken, type TokenGuide, type TokenJudge, type TokenVerifier } from './token.ts';

/** A provider whose tokens are taken. */
export interface TokenProvider {
  /** The `iss` of its tokens; `undefined` where it takes those that no other provider does. */
  readonly issuer: string | undefined;
  /** Whether it judges tokens that do not say whose they are. */
  readonly takesOpaque: boolean;
  readonly verifier: TokenVerifier;
  readonly guide: TokenGuide;
}

/** All providers; disposing closes their connections. */
export interface TokenProviders extends TokenJudge, Disposable {}

/**
 * Brings tokens to the provider whose they say they are, which then judges that too.
 * @param providers one at least.
 */
export function tokenProviders(providers: readonly [TokenProvider, ...TokenProvider[]]): TokenProviders {
  const [{ guide }] = providers;
  return {
    guide,
    async judge(token, signal) {
      const provider = providerOf(token, providers);
      return provider === undefined
        ? { verdict: badToken('its issuer is none of oauth.providers'), guide }
        : { verdict: await provider.verifier.verify(token, signal), guide: provider.guide };
    },
    [Symbol.dispose]() {
      for (const { verifier } of providers) {
        verifier[Symbol.dispose]();
      }
    },
  };
}

function providerOf(token: Secret, providers: readonly TokenProvider[]): TokenProvider | undefined {
  const issuer = issuerOf(token);
  if (issuer === undefined) {
    return providers.find(({ takesOpaque }) => takesOpaque);
  }
  return (
    providers.find((provider) => provider.issuer === issuer) ??
    providers.find((provider) => provider.issuer === undefined)
  );
}

/** Whose token it says it is, which nobody has verified yet; `undefined` for what is no JWT. */
function issuerOf(token: Secret): unknown {
  try {
    return decodeJwt(token.octets.toString('latin1')).iss;
  } catch (error) {
    if (error instanceof errors.JWTInvalid) {
      return undefined;
    }
    throw error;
  }
}
