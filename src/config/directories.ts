import type { ForwardMap } from '../../auth/entries/forwarded.ts';
import type { Schema } from '../../auth/entries/schema.ts';
import type { HttpOptions } from '../../auth/http/http-directory.ts';
import { serviceName } from '../../auth/http/service.ts';
import type { LdapTarget, ServiceAccount } from '../../auth/ldap/dial.ts';
import type { LdapOptions } from '../../auth/ldap/ldap.ts';
import type { LdifOptions } from '../../auth/ldif/ldif.ts';
import { LdifError, parseLdif } from '../../auth/ldif/parser.ts';
import type { NodeSettings } from '../settings.ts';
import { checkAuthorities } from './certificates.ts';
import { buildSchema } from './directory-schema.ts';
import { isDn } from './dn.ts';
import type { ConfigFiles } from './files.ts';
import { warnOfMissingDomains } from './forward-domains.ts';
import { buildHttp } from './http-directory.ts';
import { warnOfPasswords } from './ldif-passwords.ts';
import { isLoopback } from './local-address.ts';
import type { Report } from './report.ts';
import type { DirectoryConfig, LdapConfig, LdifConfig } from './schema-directory.ts';
import type { Path } from './source.ts';

/** A directory that is ready to be opened. */
export type DirectorySettings = {
  /** For log and metrics: an LDAP URL with the base, the path of a file, or the URL of a service. */
  readonly name: string;
  /** Domains of the login names that it knows; `undefined` takes the names that no other directory does. */
  readonly domains: readonly string[] | undefined;
} & (
  | { readonly kind: 'ldap'; readonly options: LdapOptions }
  | { readonly kind: 'ldif'; readonly options: LdifOptions }
  | { readonly kind: 'http'; readonly options: HttpOptions }
);

/** What a directory needs besides its own settings. */
export interface DirectoryContext {
  readonly files: ConfigFiles;
  readonly report: Report;
}

/** Makes a directory of its settings. @returns `undefined` when a problem was reported. */
export function buildDirectory(
  written: DirectoryConfig,
  path: Path,
  context: DirectoryContext,
): DirectorySettings | undefined {
  const { domains } = written;
  if (written.kind === 'http') {
    const options = buildHttp(written, path, context);
    return options && { kind: 'http', name: serviceName(options.target), domains, options };
  }
  const schema = buildSchema(written, path, context.report);
  if (written.kind === 'ldif') {
    const options = buildLdif(written, schema, path, context);
    return options && { kind: 'ldif', name: written.file, domains, options };
  }
  const options = buildLdap(written, schema, path, context);
  return options && { kind: 'ldap', name: ldapName(options), domains, options };
}

function ldapName({ servers, schema }: LdapOptions): string {
  return `${servers[0]?.url ?? ''}/${schema.options.base}`;
}

/** Who tells a right password: the directory's server, a comparison with its hash, the node, or the web service. */
export function verifiedBy(directory: DirectorySettings): LdapOptions['verify'] | 'http' {
  switch (directory.kind) {
    case 'ldap':
      return directory.options.verify;
    case 'ldif':
      return 'hash';
    case 'http':
      return 'http';
  }
}

/** Whether mechanisms may be given what is stored of a password. */
export function readsPasswords(directory: DirectorySettings): boolean {
  return directory.kind === 'ldif' || (directory.kind === 'ldap' && directory.options.readPasswords);
}

/** What nodes are told of the users of a directory. */
export function forwardOf(directory: DirectorySettings): ForwardMap {
  return directory.kind === 'http' ? directory.options.forward : directory.options.schema.options.forward;
}

/** Reports a directory that leaves passwords to nodes of which none verifies one. */
export function checkVerifiers(
  directory: DirectorySettings,
  path: Path,
  nodes: readonly NodeSettings[],
  report: Report,
): void {
  if (verifiedBy(directory) !== 'node' || nodes.some(({ trust }) => trust.kind === 'replay')) return;
  report.problem(
    [...path, 'verify'],
    'no node has trust: replay, so nobody would verify a password',
    'verify: bind, or trust: replay for the nodes of these users',
  );
}

function buildLdif(
  written: LdifConfig,
  schema: Schema | undefined,
  path: Path,
  { files, report }: DirectoryContext,
): LdifOptions | undefined {
  const filePath = [...path, 'file'];
  // It holds everybody's password hash.
  const content = files.readPrivate(filePath, written.file)?.octets;
  if (content === undefined || schema === undefined) return undefined;
  if (!isLdif(content, filePath, report)) return undefined;
  const { file, allowCleartext } = written;
  const { password: attribute } = schema.options;
  warnOfPasswords(content, { file, attribute, allowCleartext }, filePath, report);
  warnOfMissingDomains(content, schema, path, report);
  if (written.follow === 'off') return { content, schema, allowCleartext };
  const ldif = { path: files.resolve(file), read: () => files.readPrivateAgain(file) };
  return { content, schema, allowCleartext, file: ldif };
}

/** Reports a directory that is never asked, since one before it is asked for the same login names. */
export function checkDomains(directories: readonly (DirectorySettings | undefined)[], report: Report): void {
  const asked = new Map<string, number>();
  for (const [index, directory] of directories.entries()) {
    for (const [at, domain] of (directory === undefined ? [] : (directory.domains ?? [''])).entries()) {
      const first = asked.get(domain.toLowerCase());
      asked.set(domain.toLowerCase(), first ?? index);
      if (first === undefined || first === index) continue;
      report.problem(
        ['directories', index, ...(domain === '' ? [] : ['domains', at])],
        `directories[${first}] is asked for ${domain || 'all domains'} already, so this one never is`,
        domain === '' ? 'domains: [example.org] in one of them' : 'each domain in one directory',
      );
    }
  }
}

function isLdif(content: Buffer, path: Path, report: Report): boolean {
  try {
    parseLdif(content);
    return true;
  } catch (error) {
    if (!(error instanceof LdifError)) throw error;
    report.problem(
      path,
      error.message,
      'entries as slapcat writes them: "dn: …", "attribute: value", an empty line',
    );
    return false;
  }
}

function buildLdap(
  written: LdapConfig,
  schema: Schema | undefined,
  path: Path,
  context: DirectoryContext,
): LdapOptions | undefined {
  checkStartTls(written, path, context.report);
  checkReadPasswords(written, path, context.report);
  const ca = readAuthorities(written, path, context);
  const servers = written.urls.map((_url, index) => buildTarget(written, { index, ca }, path, context));
  const account = buildAccount(written, path, context);
  if (schema === undefined) return undefined;
  return {
    servers: servers.filter((server) => server !== undefined),
    order: written.order,
    account,
    verify: written.verify,
    readPasswords: written.readPasswords ?? written.verify === 'hash',
    allowCleartext: written.allowCleartext,
    schema,
    connectMs: written.connect,
    operationMs: written.operation,
    maxBinds: written.maxBinds,
    follow: buildFollow(written, path, context.report),
  };
}

const RETRY_MS = 500;

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

function checkStartTls({ urls, startTls }: LdapConfig, path: Path, report: Report): void {
  if (!startTls || urls.some((url) => url.startsWith('ldap://'))) return;
  report.warning(
    [...path, 'startTls'],
    'ldaps:// is in TLS from the start, so there is nothing to start',
    'ldap:// with startTls: true, or ldaps:// without startTls',
  );
}

function readAuthorities(
  { caFile }: LdapConfig,
  path: Path,
  { files, report }: DirectoryContext,
): Buffer | undefined {
  if (caFile === undefined) return undefined;
  const ca = files.read([...path, 'caFile'], caFile);
  if (ca !== undefined) checkAuthorities(ca, [...path, 'caFile'], report);
  return ca;
}

const LDAP_PORTS = { 'ldap:': 389, 'ldaps:': 636 } as const;

function buildTarget(
  { urls, startTls, serverName, insecure }: LdapConfig,
  { index, ca }: { index: number; ca: Buffer | undefined },
  directory: Path,
  { report }: DirectoryContext,
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
  { bindDn, passwordFile, preset }: LdapConfig,
  path: Path,
  { files, report }: DirectoryContext,
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
