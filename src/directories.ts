import { type Authenticator, createAuthenticator } from '../auth/authenticator.ts';
import type { Directory } from '../auth/directory.ts';
import { openLdap } from '../auth/ldap.ts';
import { openLdif } from '../auth/ldif.ts';
import type { NameOptions } from '../auth/names.ts';
import type { DirectorySettings } from './config/directories.ts';
import type { Observer } from './events.ts';

/** The directories of a running proxy; disposing closes their connections. */
export interface Directories extends AsyncDisposable {
  readonly authenticator: Authenticator;
  /** Says why no login could be answered now; `undefined` when one could. */
  whyNotReady(signal: AbortSignal): Promise<string | undefined>;
}

/** Opens all directories, and tells of their servers as events. */
export function openDirectories(
  settings: readonly DirectorySettings[],
  names: NameOptions,
  observe: Observer,
): Directories {
  const realms = settings.map((directory) => ({
    domains: directory.domains,
    directory: openDirectory(directory, observe),
  }));
  return {
    authenticator: createAuthenticator({ realms, names }),
    whyNotReady: (signal) => whyNotReady(realms, signal),
    [Symbol.asyncDispose]: async () => {
      for (const { directory } of realms) await directory[Symbol.asyncDispose]();
    },
  };
}

function openDirectory(settings: DirectorySettings, observe: Observer): Directory {
  switch (settings.kind) {
    case 'ldif':
      return openLdif(settings.options);
    case 'ldap':
      return openLdap(settings.options, (server, up, detail) => {
        observe({ event: 'directoryState', server, up, ...(detail !== undefined && { detail }) });
      });
  }
}

// A proxy that can answer for some domains is of use: only one without any directory is to be passed by.
async function whyNotReady(
  realms: readonly { readonly directory: Directory }[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const ready = await Promise.all(realms.map(({ directory }) => directory.ready(signal)));
  return ready.includes(true) ? undefined : 'no directory answers';
}
