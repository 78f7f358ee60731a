import { type IntrospectionTerms, introspect } from '../auth/oauth/introspection.ts';
import { type JwtTerms, verifyJwt } from '../auth/oauth/jwt-verifier.ts';
import { keysFromFile, keysFromUrl, RotatingKeys } from '../auth/oauth/key-set.ts';
import { ProviderHttp } from '../auth/oauth/provider-http.ts';
import type { TokenGuide } from '../auth/oauth/token.ts';
import { TokenCache } from '../auth/oauth/token-cache.ts';
import { type TokenProvider, type TokenProviders, tokenProviders } from '../auth/oauth/token-providers.ts';

/** Whose tokens are taken. */
export interface OauthSettings {
  /** Names by which clients know this service, in lower case; empty lets them say any. */
  readonly hosts: readonly string[];
  readonly providers: readonly [ProviderSettings, ...ProviderSettings[]];
}

/** Where the public keys of a provider are. */
export type KeyPlace =
  | { readonly kind: 'url'; readonly url: URL }
  | { readonly kind: 'file'; readonly path: string };

/** An identity provider. */
export type ProviderSettings = {
  /** PEM of the authorities that may vouch for it; `undefined` takes the system's. */
  readonly ca: Buffer | undefined;
  readonly guide: TokenGuide;
} & (
  | { readonly kind: 'jwt'; readonly terms: JwtTerms; readonly keys: KeyPlace }
  | {
      readonly kind: 'introspection';
      readonly terms: IntrospectionTerms;
      readonly url: URL;
      readonly cacheMs: number;
    }
);

/** Prepares the providers; nobody is asked before there is a token. Disposing closes their connections. */
export function openTokenProviders({ providers: [first, ...others] }: OauthSettings): TokenProviders {
  return tokenProviders([openProvider(first), ...others.map(openProvider)]);
}

function openProvider(settings: ProviderSettings): TokenProvider {
  const { kind, guide, terms } = settings;
  const { issuer } = terms;
  switch (kind) {
    case 'jwt':
      return { issuer, takesOpaque: false, guide, verifier: openJwt(settings) };
    case 'introspection':
      return { issuer, takesOpaque: true, guide, verifier: openIntrospection(settings) };
  }
}

type Jwt = Extract<ProviderSettings, { kind: 'jwt' }>;
type Introspection = Extract<ProviderSettings, { kind: 'introspection' }>;

function openJwt({ keys: place, terms, ca }: Jwt): TokenProvider['verifier'] {
  const source = place.kind === 'file' ? keysFromFile(place.path) : keysFromUrl({ url: place.url, ca });
  const keys = new RotatingKeys(source);
  return {
    verify: (token, signal) => verifyJwt(token, terms, keys, signal),
    [Symbol.dispose]: () => source[Symbol.dispose](),
  };
}

function openIntrospection({ url, ca, terms, cacheMs }: Introspection): TokenProvider['verifier'] {
  const parts = { http: new ProviderHttp({ url, ca }), cache: new TokenCache(cacheMs) };
  return {
    verify: (token, signal) => introspect(token, terms, parts, signal),
    [Symbol.dispose]: () => parts.http[Symbol.dispose](),
  };
}
