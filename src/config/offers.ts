/** Which mechanisms the directories can serve, and so which a listener may offer. */

import { valuesOf } from '../../auth/entries/entry.ts';
import type { LdifOptions } from '../../auth/ldif/ldif.ts';
import { parseLdif } from '../../auth/ldif/parser.ts';
import { isClear, splitValue } from '../../auth/passwords/schemes.ts';
import { isMechanismOf, type Mechanism, mechanismNamed, usuallyOffered } from '../mechanisms.ts';
import { type DirectorySettings, readsPasswords } from './directories.ts';
import type { Report } from './report.ts';
import type { ListenerConfig } from './schema-listener.ts';
import type { Path } from './source.ts';

/**
 * Gives what a listener offers that names no mechanisms. SCRAM is offered only where all directories have keys for it:
 * a client takes the strongest that it sees, and many ask for the password again instead of trying another.
 */
export function usualMechanisms(directories: readonly DirectorySettings[]): readonly string[] {
  const always = usuallyOffered('always');
  return directories.length > 0 && directories.every(hasScramKeys)
    ? [...usuallyOffered('whereStored'), ...always]
    : always;
}

/** Who reads passwords of a server for no other purpose has keys there; what a file has can be seen. */
function hasScramKeys(directory: DirectorySettings): boolean {
  if (directory.kind === 'http') {
    return false;
  }
  if (directory.kind === 'ldap') {
    return directory.options.readPasswords && directory.options.verify !== 'hash';
  }
  const { allowCleartext } = directory.options;
  const stored = storedSchemes(directory.options);
  return (
    stored.length > 0 &&
    stored.every((schemes) =>
      schemes.some((scheme) => scheme === 'SCRAM-SHA-256' || (allowCleartext && isClear(scheme))),
    )
  );
}

/** Reports mechanisms that a listener names and that can work for nobody. */
export function checkOffers(
  { mechanisms = [], protocol, tls, allowPlaintext }: ListenerConfig,
  path: Path,
  directories: readonly DirectorySettings[],
  report: Report,
): void {
  for (const [index, name] of mechanisms.entries()) {
    const at = [...path, 'mechanisms', index];
    if (mechanisms.indexOf(name) < index) {
      report.problem(at, `${name} is in the list already`, 'each mechanism once');
    } else if (!isMechanismOf(protocol, name)) {
      report.problem(at, 'APOP is a command of POP3', 'CRAM-MD5, or APOP on a listener for pop3');
    } else if (mechanismNamed(name)?.make === 'greeting' && tls.mode === 'starttls' && !allowPlaintext) {
      report.problem(
        at,
        'APOP needs a timestamp in the greeting, which comes before STLS, when no login is allowed yet',
        'APOP on a listener with tls: implicit',
      );
    } else if (mechanismNamed(name)?.bindsTls === true && tls.mode === 'none') {
      report.problem(at, `${name} binds a login to its TLS, and there is none`, 'SCRAM-SHA-256');
    } else {
      checkServed(name, at, directories, report);
    }
  }
}

function checkServed(
  name: string,
  at: Path,
  directories: readonly DirectorySettings[],
  report: Report,
): void {
  const { stored, needs } = mechanismNamed(name) ?? {};
  if (needs !== undefined && directories.length > 0 && directories.every(wantsPasswords)) {
    report.problem(
      at,
      `${name} comes without a password, and the directory finds nobody without one`,
      'lookup: external, if its service takes Auth-Method: external; or PLAIN',
    );
  }
  if (directories.length === 0 || stored === undefined) return;
  const needsClear = stored === 'clear';
  const giving = directories.filter(readsPasswords);
  if (giving.length === 0) {
    report.problem(
      at,
      `${name} needs what is stored of a password, and no directory is read for that`,
      'readPasswords: true (or verify: hash) for a directory; deploy/openldap/README.md tells which right bindDn needs',
    );
  } else if (needsClear && !giving.some(takesCleartext)) {
    report.problem(
      at,
      `${name} needs passwords in clear text, and no directory may have them`,
      'SCRAM-SHA-256; or allowCleartext: true for a directory',
    );
  } else if (!giving.some((directory) => mayServe(stored, directory))) {
    report.warning(
      at,
      `no password that is stored in the LDIF file works with ${name}, so nobody can log in by it`,
      needsClear ? 'SCRAM-SHA-256' : `${stored} values of the passwords, or PLAIN`,
    );
  }
}

function wantsPasswords({ kind, options }: DirectorySettings): boolean {
  return kind === 'http' && options.lookup === 'none';
}

function takesCleartext({ kind, options }: DirectorySettings): boolean {
  return kind !== 'http' && options.allowCleartext;
}

/** Whether a mechanism works for somebody; what a server has is not known here. */
function mayServe(needed: Mechanism['stored'], directory: DirectorySettings): boolean {
  if (directory.kind !== 'ldif') return directory.kind === 'ldap';
  const { allowCleartext } = directory.options;
  return storedSchemes(directory.options).some((schemes) =>
    schemes.some((stored) => stored === needed || (allowCleartext && isClear(stored))),
  );
}

/** The schemes of each entry that has a password. */
function storedSchemes({ content, schema }: LdifOptions): readonly (readonly (string | undefined)[])[] {
  return parseLdif(content)
    .map((entry) => valuesOf(entry, schema.options.password).map((value) => splitValue(value).scheme))
    .filter((schemes) => schemes.length > 0);
}
