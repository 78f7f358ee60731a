import type { CacheTerms } from '../../auth/cached-directory.ts';
import type { ForwardMap } from '../../auth/entries/forwarded.ts';
import type { Schema } from '../../auth/entries/schema.ts';
import type { HttpOptions } from '../../auth/http/http-directory.ts';
import { serviceName } from '../../auth/http/service.ts';
import type { LdapOptions } from '../../auth/ldap/ldap.ts';
import type { LdifOptions } from '../../auth/ldif/ldif.ts';
import { LdifError, parseLdif } from '../../auth/ldif/parser.ts';
import type { NodeSettings } from '../settings.ts';
import { buildSchema } from './directory-schema.ts';
import type { ConfigFiles } from './files.ts';
import { warnOfMissingDomains } from './forward-domains.ts';
import { buildHttp } from './http-directory.ts';
import { buildCache, buildLdap, ldapName } from './ldap-directory.ts';
import { warnOfPasswords } from './ldif-passwords.ts';
import type { Report } from './report.ts';
import type { DirectoryConfig, LdifConfig } from './schema-directory.ts';
import type { Path } from './source.ts';

/** A directory that is ready to be opened. */
export type DirectorySettings = {
  /** For log and metrics: an LDAP URL with the base, the path of a file, or the URL of a service. */
  readonly name: string;
  /** Domains of the login names that it knows; `undefined` takes the names that no other directory does. */
  readonly domains: readonly string[] | undefined;
  /** What is remembered of it; `undefined` where it is asked each time. */
  readonly cache?: CacheTerms | undefined;
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
  const cache = buildCache(written, path, context.report);
  return options && { kind: 'ldap', name: ldapName(options), domains, cache, options };
}

/** Tells those of one name apart by a number: log and metrics would mix up what they do. */
export function withOwnNames(directories: readonly DirectorySettings[]): readonly DirectorySettings[] {
  const seen = new Map<string, number>();
  return directories.map((directory) => {
    const { name } = directory;
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return count === 1 ? directory : { ...directory, name: `${name} #${count}` };
  });
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
