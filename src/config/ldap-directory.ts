import type { CacheTerms } from '../../auth/cached-directory.ts';
import type { Schema } from '../../auth/entries/schema.ts';
import type { LdapTarget, ServiceAccount } from '../../auth/ldap/dial.ts';
import type { LdapOptions } from '../../auth/ldap/ldap.ts';
import { checkAuthorities } from './certificates.ts';
import { isDn } from './dn.ts';
import type { ConfigFiles } from './files.ts';
import { isLoopback } from './local-address.ts';
import type { Report } from './report.ts';
import type { LdapConfig } from './schema-directory.ts';
import type { Path } from './source.ts';

interface LdapContext {
  readonly files: ConfigFiles;
  readonly report: Report;
}

/** What servers are reached by. */
type ConnectionConfig = Pick<
  LdapConfig,
  | 'urls'
  | 'startTls'
  | 'caFile'
  | 'serverName'
  | 'insecure'
  | 'bindDn'
  | 'passwordFile'
  | 'connect'
  | 'operation'
  | 'preset'
>;

/** Names a directory for log and metrics. */
export function ldapName({ servers, schema }: LdapOptions): string {
  return `${servers[0]?.url ?? ''}/${schema.options.base}`;
}

/** Makes the options of LDAP servers of their settings. @returns `undefined` when a problem was reported. */
export function buildLdap(
  written: LdapConfig,
  schema: Schema | undefined,
  path: Path,
  context: LdapContext,
): LdapOptions | undefined {
  checkReadPasswords(written, path, context.report);
  const connection = buildConnection(written, path, context);
  if (schema === undefined) return undefined;
  return {
    ...connection,
    order: written.order,
    verify: written.verify,
    readPasswords: written.readPasswords ?? written.verify === 'hash',
    allowCleartext: written.allowCleartext,
    schema,
    maxBinds: written.maxBinds,
    follow: buildFollow(written, path, context.report),
  };
}

/** Where LDAP servers are, and who the proxy is there. */
export function buildConnection(
  written: ConnectionConfig,
  path: Path,
  context: LdapContext,
): Pick<LdapOptions, 'servers' | 'account' | 'connectMs' | 'operationMs'> {
  checkStartTls(written, path, context.report);
  const ca = readAuthorities(written, path, context);
  const servers = written.urls.map((_url, index) => buildTarget(written, { index, ca }, path, context));
  return {
    servers: servers.filter((server) => server !== undefined),
    account: buildAccount(written, path, context),
    connectMs: written.connect,
    operationMs: written.operation,
  };
}

/** Says what is remembered of a directory; `undefined` for nothing. */
export function buildCache(
  { cache, follow }: LdapConfig,
  path: Path,
  report: Report,
): CacheTerms | undefined {
  const { routes, negative, stale, passwords, passwordsWhileDown, entries } = cache;
  if (passwords > 0 && follow === 'off') {
    report.warning(
      [...path, 'cache', 'passwords'],
      `changes are not followed, so a password that was changed or locked lets in for ${passwords / 1000}s more`,
      'follow: auto, or passwords: 0s',
    );
  }
  if (passwordsWhileDown > stale) {
    report.warning(
      [...path, 'cache', 'passwordsWhileDown'],
      'without its entry a password is of no use: cache.stale is shorter',
      `stale: ${passwordsWhileDown / 1000}s`,
    );
  }
  if (routes + negative + stale + passwords === 0) return undefined;
  return {
    routesMs: routes,
    negativeMs: negative,
    staleMs: stale,
    passwordsMs: passwords,
    passwordsWhileDownMs: passwordsWhileDown,
    max: entries,
  };
}

/** The first wait before a lost server is followed again. */
export const RETRY_MS = 500;

function buildFollow(written: LdapConfig, path: Path, report: Report): LdapOptions['follow'] {
  const { follow: mode, pollEvery, recheckEvery, preset } = written;
  const isActiveDirectory = preset === 'activeDirectory';
  if (mode === 'sync' && isActiveDirectory) {
    report.warning(
      [...path, 'follow'],
      'Active Directory offers no content synchronisation, so no change would be seen',
      'follow: poll, or auto',
    );
  }
  if (recheckEvery < pollEvery) {
    report.warning(
      [...path, 'recheckEvery'],
      'this is shorter than pollEvery, so it is done with each poll',
      'a longer recheckEvery',
    );
  }
  if (mode === 'off') return undefined;
  // Active Directory computes modifyTimestamp, so that no search finds by it.
  const timestamp = isActiveDirectory ? 'whenChanged' : 'modifyTimestamp';
  return { mode, pollMs: pollEvery, recheckMs: recheckEvery, timestamp, retryMs: RETRY_MS };
}

function checkReadPasswords({ readPasswords, verify }: LdapConfig, path: Path, report: Report): void {
  if (readPasswords !== true || verify !== 'node') return;
  report.problem(
    [...path, 'readPasswords'],
    'with verify: node each node wants the password itself, which no other proof can stand for',
    'verify: bind or hash, or no readPasswords',
  );
}

function checkStartTls({ urls, startTls }: ConnectionConfig, path: Path, report: Report): void {
  if (!startTls || urls.some((url) => url.startsWith('ldap://'))) return;
  report.warning(
    [...path, 'startTls'],
    'ldaps:// is in TLS from the start, so there is nothing to start',
    'ldap:// with startTls: true, or ldaps:// without startTls',
  );
}

function readAuthorities(
  { caFile }: ConnectionConfig,
  path: Path,
  { files, report }: LdapContext,
): Buffer | undefined {
  if (caFile === undefined) return undefined;
  const ca = files.read([...path, 'caFile'], caFile);
  if (ca !== undefined) checkAuthorities(ca, [...path, 'caFile'], report);
  return ca;
}

const LDAP_PORTS = { 'ldap:': 389, 'ldaps:': 636 } as const;

function buildTarget(
  { urls, startTls, serverName, insecure }: ConnectionConfig,
  { index, ca }: { index: number; ca: Buffer | undefined },
  directory: Path,
  { report }: LdapContext,
): LdapTarget | undefined {
  const path = [...directory, 'urls', index];
  const url = URL.parse(urls[index] ?? '');
  if (url === null || (url.protocol !== 'ldap:' && url.protocol !== 'ldaps:')) {
    report.problem(path, 'this is not the URL of an LDAP server', 'ldap://host, ldaps://host, or with :port');
    return undefined;
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? LDAP_PORTS[url.protocol] : Number(url.port);
  const tls = tlsOf(url.protocol, startTls);
  if (tls === 'none' && !insecure && !isLoopback(host)) {
    report.problem(
      path,
      `passwords would go to ${host} in clear text`,
      'ldaps://, or startTls: true; or insecure: true where nobody can listen in',
    );
  }
  return { url: `${url.protocol}//${url.hostname}:${port}`, host, port, tls, ca, serverName };
}

function tlsOf(protocol: 'ldap:' | 'ldaps:', startTls: boolean): LdapTarget['tls'] {
  if (protocol === 'ldaps:') return 'implicit';
  return startTls ? 'startTls' : 'none';
}

function buildAccount(
  { bindDn, passwordFile, preset }: ConnectionConfig,
  path: Path,
  { files, report }: LdapContext,
): ServiceAccount | undefined {
  // Active Directory takes user@domain and DOMAIN\user for a DN.
  if (bindDn !== undefined && !isDn(bindDn) && !(preset === 'activeDirectory' && /[@\\]/.test(bindDn))) {
    report.problem(
      [...path, 'bindDn'],
      'this is not a DN',
      'a DN, as cn=homing,ou=services,dc=example,dc=org',
    );
    return undefined;
  }
  if (bindDn === undefined && passwordFile === undefined) return undefined;
  if (bindDn === undefined) {
    report.problem(
      [...path, 'passwordFile'],
      'there is no bindDn that this password could be of',
      'set bindDn too',
    );
    return undefined;
  }
  if (passwordFile === undefined) {
    report.problem([...path, 'bindDn'], 'bindDn needs a passwordFile', 'a file with its password, mode 600');
    return undefined;
  }
  const password = files.readSecretLine([...path, 'passwordFile'], passwordFile);
  return password && { dn: bindDn, password };
}
