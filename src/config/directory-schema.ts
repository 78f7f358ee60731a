/** The schema of a directory: what the settings say, laid over the preset, and checked. */
import { parseLoginFilter, SchemaError } from '../../auth/entries/login-filter.ts';
import { schemaOptions } from '../../auth/entries/presets.ts';
import { compileSchema, type Schema } from '../../auth/entries/schema.ts';
import { isDn } from './dn.ts';
import type { Report } from './report.ts';
import type { LdapConfig, LdifConfig } from './schema-directory.ts';
import type { Path } from './source.ts';
import { nearest } from './suggest.ts';

type EntryConfig = LdapConfig | LdifConfig;

/** Makes the schema of a directory's settings. @returns `undefined` when a problem was reported. */
export function buildSchema(written: EntryConfig, path: Path, report: Report): Schema | undefined {
  const options = schemaOptions(written.preset, {
    base: written.base,
    scope: written.scope,
    filters: written.filters,
    name: written.nameAttribute,
    home: written.homeAttributes,
    defaultHomes: written.defaultHomes,
    status: written.status,
    services: written.services,
    forward: written.forward,
    delegate: written.delegateAttribute,
    password: written.passwordAttribute,
  });
  warnOfForward(written, path, report);
  const sound = [
    checkBase(written, options.base, path, report),
    checkHome(options, path, report),
    ...(written.filters ?? []).map((filter, index) =>
      checkFilter(filter, [...path, 'filters', index], report),
    ),
  ];
  if (sound.includes(false)) return undefined;
  try {
    return compileSchema(options);
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    report.problem(path, error.message, 'names of attributes, as %{homeDirectory} in a text');
    return undefined;
  }
}

const BASE_HINT = 'the DN below which the accounts are, as ou=people,dc=example,dc=org';

function checkBase({ kind, base }: EntryConfig, used: string, path: Path, report: Report): boolean {
  if (kind === 'ldap' && used === '') {
    report.problem(path, 'base is missing', BASE_HINT);
    return false;
  }
  if (base === undefined || base === '' || isDn(base)) return true;
  report.problem([...path, 'base'], 'this is not a DN', BASE_HINT);
  return false;
}

function checkHome(
  { home, defaultHomes }: { home: readonly string[]; defaultHomes: readonly string[] },
  path: Path,
  report: Report,
): boolean {
  if (home.length > 0 || defaultHomes.length > 0) return true;
  report.problem(
    path,
    'homeAttributes is missing: nothing says where the mailboxes are',
    'homeAttributes: [the attribute that names the home node], or defaultHomes: [a node]',
  );
  return false;
}

function checkFilter(filter: string, path: Path, report: Report): boolean {
  const hint = wrongParentheses(filter);
  if (hint !== undefined) {
    report.problem(path, 'the parentheses of this filter do not match', hint);
    return false;
  }
  try {
    parseLoginFilter(filter);
    return true;
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    const right = filter.includes('%s')
      ? filter.replaceAll('%s', '%u')
      : 'a filter as (mail=%u) or (&(mail=%u)(…))';
    report.problem(path, error.message, right);
    return false;
  }
}

// RFC 4515: a filter is in parentheses, and those in values are written \28 and \29. ldapts is more lenient.
function wrongParentheses(filter: string): string | undefined {
  const opened = filter.split('(').length - 1;
  const closed = filter.split(')').length - 1;
  if (opened === 0 && closed === 0) return `(${filter})`;
  if (opened > closed) return `${opened - closed} more ) where they are missing`;
  return closed > opened ? `${closed - opened} more ( where they are missing` : undefined;
}

const USUAL_FORWARDS = ['home', 'uid', 'gid', 'quota'];

function warnOfForward({ forward = {} }: EntryConfig, path: Path, report: Report): void {
  for (const name of Object.keys(forward)) {
    const meant = USUAL_FORWARDS.find((usual) => name.startsWith(usual)) ?? nearest(name, USUAL_FORWARDS);
    if (meant === undefined || meant in forward) continue;
    report.warning(
      [...path, 'forward', name],
      `nodes are told of ${meant}, and not of ${name}, unless they were set up for it`,
      `did you mean ${meant}?`,
    );
  }
}
