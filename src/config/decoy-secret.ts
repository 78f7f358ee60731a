import { createHmac } from 'node:crypto';
import { Secret } from '../../auth/secret.ts';
import type { NodeSettings } from '../settings.ts';
import type { DirectorySettings } from './directories.ts';

/**
 * Derives the secret of which the salts of unknown names are made. It must outlive a restart, and proxies that stand
 * beside each other should have the same, else an unknown name is one whose salt changes: so it comes from the password
 * by which they all search, or where a file is the directory from this proxy's own key.
 * @returns `undefined` where there is neither.
 */
export function decoySecretOf(
  directories: readonly DirectorySettings[],
  nodes: readonly NodeSettings[],
): Secret | undefined {
  const passwords = directories.flatMap(({ kind, options }) =>
    kind === 'ldap' && options.account !== undefined ? [options.account.password] : [],
  );
  const keys = nodes.flatMap(({ trust }) => (trust.kind === 'replay' ? [] : [trust.key]));
  const [source] = [...passwords, ...keys];
  return (
    source &&
    new Secret(createHmac('sha256', source.octets).update('homing: salts of unknown names').digest())
  );
}
