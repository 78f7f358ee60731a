import type { ProviderCredentials } from '../../auth/oauth/introspection.ts';
import { whyNoKeySet } from '../../auth/oauth/key-set.ts';
import type { ClaimTerms } from '../../auth/oauth/token-claims.ts';
import type { KeyPlace, OauthSettings, ProviderSettings } from '../token-providers.ts';
import { checkAuthorities } from './certificates.ts';
import type { ConfigFiles } from './files.ts';
import type { Report } from './report.ts';
import type { IntrospectionConfig, JwtConfig, OauthConfig } from './schema-oauth.ts';
import type { Path } from './source.ts';

/** What providers need besides their own settings. */
export interface OauthContext {
  readonly files: ConfigFiles;
  readonly report: Report;
}

const PATH: Path = ['oauth', 'providers'];

/** Makes the identity providers of their settings. @returns `undefined` when a problem was reported. */
export function buildOauth(written: OauthConfig, context: OauthContext): OauthSettings | undefined {
  checkIssuers(written, context.report);
  checkDomains(written, context.report);
  const built = written.providers.flatMap((provider, index) => {
    const path = [...PATH, index];
    return buildProvider(provider, path, context) ?? [];
  });
  const [first, ...others] = built;
  if (first === undefined || built.length < written.providers.length) return undefined;
  const hosts = (written.hosts ?? []).map((name) => name.toLowerCase().replace(/\.$/, ''));
  return { hosts, providers: [first, ...others] };
}

function buildProvider(
  written: JwtConfig | IntrospectionConfig,
  path: Path,
  context: OauthContext,
): ProviderSettings | undefined {
  const { audience, caFile, openidConfiguration, scopes } = written;
  if (audience === undefined) {
    context.report.warning(
      path,
      'without audience, a token that a user gave to any other service of this provider lets that service in',
      'audience: [the name of this service at the provider]',
    );
  }
  const caPath = [...path, 'caFile'];
  const ca = caFile === undefined ? undefined : context.files.read(caPath, caFile);
  if (caFile !== undefined && ca === undefined) return undefined;
  if (ca !== undefined) checkAuthorities(ca, caPath, context.report);
  const guide = {
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    ...(openidConfiguration !== undefined && { openidConfiguration: openidConfiguration.href }),
  };
  const common = { ca, guide };
  const own =
    written.kind === 'jwt' ? buildJwt(written, path, context) : buildIntrospection(written, path, context);
  return own && { ...common, ...own };
}

function claimTerms({ scopes, userClaim, domains }: JwtConfig | IntrospectionConfig): ClaimTerms {
  return { scopes, userClaim, domains: domains?.map((name) => name.toLowerCase().normalize('NFC')) };
}

type Own<Kind extends ProviderSettings['kind']> = Omit<
  Extract<ProviderSettings, { kind: Kind }>,
  'ca' | 'guide'
>;

function buildJwt(written: JwtConfig, path: Path, context: OauthContext): Own<'jwt'> | undefined {
  const { issuer, audience: audiences, algorithms, clockSkew: clockSkewMs } = written;
  const keys = keyPlace(written, path, context);
  return (
    keys && {
      kind: 'jwt',
      keys,
      terms: { ...claimTerms(written), issuer, audiences, algorithms, clockSkewMs },
    }
  );
}

function keyPlace(
  { keysUrl, keysFile }: JwtConfig,
  path: Path,
  { files, report }: OauthContext,
): KeyPlace | undefined {
  if (keysUrl !== undefined && keysFile === undefined) return { kind: 'url', url: keysUrl };
  if (keysUrl !== undefined || keysFile === undefined) {
    const message =
      keysFile === undefined ? 'there are no keys to verify tokens by' : 'there are keys in two places';
    report.problem(path, message, 'keysUrl or keysFile');
    return undefined;
  }
  const filePath = [...path, 'keysFile'];
  const content = files.read(filePath, keysFile);
  if (content === undefined) return undefined;
  const why = whyNoKeySet(content);
  if (why !== undefined) {
    report.problem(filePath, why, 'a JWK set with public keys, as the provider has at its jwks_uri');
    return undefined;
  }
  return { kind: 'file', path: files.resolve(keysFile) };
}

function buildIntrospection(
  written: IntrospectionConfig,
  path: Path,
  context: OauthContext,
): Own<'introspection'> | undefined {
  const { url, issuer, audience: audiences, clockSkew: clockSkewMs, cache: cacheMs } = written;
  const credentials = credentialsOf(written, path, context);
  return (
    credentials && {
      kind: 'introspection',
      url,
      cacheMs,
      terms: { ...claimTerms(written), issuer, audiences, clockSkewMs, credentials },
    }
  );
}

function credentialsOf(
  { clientId: id, clientSecretFile, bearerFile }: IntrospectionConfig,
  path: Path,
  { files, report }: OauthContext,
): ProviderCredentials | undefined {
  if (bearerFile !== undefined && id === undefined && clientSecretFile === undefined) {
    const token = files.readSecretLine([...path, 'bearerFile'], bearerFile);
    return token && { kind: 'bearer', token };
  }
  if (bearerFile === undefined && id !== undefined && clientSecretFile !== undefined) {
    const secret = files.readSecretLine([...path, 'clientSecretFile'], clientSecretFile);
    return secret && { kind: 'basic', id, secret };
  }
  // RFC 7662 section 2.1: else anybody could try tokens there.
  report.problem(
    path,
    'the provider must be told who asks',
    'clientId and clientSecretFile, or bearerFile instead',
  );
  return undefined;
}

/** Tokens are brought to the provider that they name, so a second one of the same name would never be asked. */
function checkIssuers({ providers }: OauthConfig, report: Report): void {
  for (const [index, { issuer }] of providers.entries()) {
    const first = providers.findIndex((other) => other.issuer === issuer);
    if (first === index) continue;
    const whose = issuer === undefined ? 'takes the tokens of any issuer' : 'has this issuer';
    report.problem([...PATH, index], `oauth.providers[${first}] ${whose} already`, 'an issuer for each');
  }
}

function checkDomains({ providers }: OauthConfig, report: Report): void {
  if (providers.length === 1) return;
  for (const [index, { domains }] of providers.entries()) {
    if (domains !== undefined) continue;
    report.warning(
      [...PATH, index],
      'this provider can speak for all users, also for those of the other providers',
      'domains: [the domains of its own users]',
    );
  }
}
