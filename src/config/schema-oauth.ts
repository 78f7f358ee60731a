import { z } from 'zod';
import { JWT_ALGORITHMS } from '../../auth/oauth/jwt-verifier.ts';
import { delay, domain, file, host, webUrl } from './values.ts';

const DEFAULT_ALGORITHMS = [...JWT_ALGORITHMS];

const commonShape = {
  domains: z
    .array(domain)
    .min(1)
    .optional()
    .describe('domains whose users the provider may speak for; all if it is left out'),
  audience: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe('whom tokens must be for (aud), one of these; anybody if it is left out'),
  scopes: z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, { error: 'this is not a scope' }))
    .default([])
    .describe('scopes that a token must have, all of them'),
  clockSkew: delay.prefault('30s').describe("how far the provider's clock may be from ours"),
  caFile: file
    .optional()
    .describe(
      'PEM file of the authorities that vouch for the provider; default: the public authorities that Node brings along',
    ),
  openidConfiguration: webUrl
    .optional()
    .describe('URL of the discovery document, which clients are told when their token is refused'),
};

const algorithm = z.unknown().transform((written, context) => {
  const known = JWT_ALGORITHMS.find((name) => name === written);
  if (known !== undefined) return known;
  const secret = typeof written === 'string' && /^HS\d/i.test(written);
  context.addIssue({
    code: 'custom',
    message: secret
      ? `with ${written} whoever can verify a token can make one`
      : 'this is no algorithm for the signature of a token',
    params: { hint: `some of ${JWT_ALGORITHMS.join(', ')}` },
  });
  return z.NEVER;
});

const jwtSchema = z.strictObject({
  kind: z.literal('jwt'),
  issuer: z.string().min(1).describe('the provider as its tokens name it (iss), letter for letter'),
  keysUrl: webUrl.optional().describe("URL of the provider's keys (jwks_uri)"),
  keysFile: file.optional().describe("file with the provider's keys, as JWK set; read again when it changes"),
  algorithms: z
    .array(algorithm)
    .min(1)
    .default(DEFAULT_ALGORITHMS)
    .describe('algorithms by which tokens may be signed'),
  userClaim: z.string().min(1).default('email').describe('claim that is the login name of the user'),
  ...commonShape,
});

const introspectionSchema = z.strictObject({
  kind: z.literal('introspection'),
  url: webUrl.describe('URL that is asked about each token (RFC 7662)'),
  clientId: z.string().min(1).optional().describe('who the proxy is at the provider'),
  clientSecretFile: file.optional().describe("file with the clientId's secret"),
  bearerFile: file.optional().describe('file with a token for the provider, instead of clientId and secret'),
  issuer: z
    .string()
    .min(1)
    .optional()
    .describe('the provider as its answers name it (iss); if it is left out, they need not'),
  cache: delay.prefault('60s').describe('how long a token that was found right is not asked about again'),
  userClaim: z.string().min(1).default('username').describe('claim that is the login name of the user'),
  ...commonShape,
});

/** Whose tokens are taken, for the mechanisms OAUTHBEARER and XOAUTH2. */
export const oauthSchema = z.strictObject({
  hosts: z
    .array(host)
    .min(1)
    .optional()
    .describe('names by which clients know this service; a client that says another one is refused'),
  providers: z
    .array(z.discriminatedUnion('kind', [jwtSchema, introspectionSchema]))
    .min(1)
    .describe('identity providers; tokens are brought to the one that they name'),
});

export type OauthConfig = z.output<typeof oauthSchema>;
export type JwtConfig = z.output<typeof jwtSchema>;
export type IntrospectionConfig = z.output<typeof introspectionSchema>;
