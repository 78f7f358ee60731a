import { type Authenticator, createAuthenticator } from '../auth/authenticator.ts';
import { type AnsweredBy, CachedDirectory } from '../auth/cached-directory.ts';
import type { Directory, ServerObserver } from '../auth/directory.ts';
import type { DirectoryChange } from '../auth/directory-changes.ts';
import { openHttp } from '../auth/http/http-directory.ts';
import { openLdap } from '../auth/ldap/ldap.ts';
import { openLdif } from '../auth/ldif/ldif.ts';
import type { DirectorySettings } from './config/directories.ts';
import type { Observer } from './events.ts';
import { Following } from './following.ts';
import type { Settings } from './settings.ts';

/** Whether a balancer may send clients. */
export interface Readiness {
  readonly ready: boolean;
  /** What is amiss; it may be so while others can still log in. */
  readonly why: string | undefined;
}

/** The directories of a running proxy; disposing closes their connections. */
export interface Directories extends AsyncDisposable {
  readonly authenticator: Authenticator;
  /** Whether a login could be answered now, and which directories could not. */
  readiness(signal: AbortSignal): Promise<Readiness>;
  /** How often each was answered by whom, since the start, by its name. */
  answers(): ReadonlyMap<string, AnswerCounts>;
  /** Begins to follow those that are to be followed. The caller disposes of it first. */
  follow(): Following;
}

/** Opens all directories, and tells of their servers as events. */
export function openDirectories(
  settings: readonly DirectorySettings[],
  terms: Pick<Settings, 'names' | 'delegates'>,
  observe: Observer,
): Directories {
  const caches = new Map<Directory, Cache>();
  const realms = settings.map((directory) => {
    const cache = openCached(directory, observe);
    caches.set(cache.directory, cache);
    return { name: directory.name, domains: directory.domains, directory: cache.directory };
  });
  return {
    authenticator: createAuthenticator({ realms, names: terms.names, delegates: terms.delegates ?? [] }),
    readiness: (signal) => readinessOf(realms, signal),
    answers: () => new Map(realms.map(({ name, directory }) => [name, caches.get(directory)?.counts ?? {}])),
    follow: () => {
      const following = new Following(realms, observe);
      following.subscribe((change, directory) => caches.get(directory)?.note(change));
      return following;
    },
    [Symbol.asyncDispose]: async () => {
      for (const { directory } of realms) await directory[Symbol.asyncDispose]();
    },
  };
}

/** By whom questions were answered, and how often. */
export type AnswerCounts = { [By in AnsweredBy]?: number };

/** A directory, and what is remembered of it. */
interface Cache {
  readonly directory: Directory;
  readonly counts: AnswerCounts;
  note(change: DirectoryChange): void;
}

function openCached(settings: DirectorySettings, observe: Observer): Cache {
  const counts: AnswerCounts = {};
  const inner = openDirectory(settings, observe);
  const { name, cache } = settings;
  if (cache === undefined) return { directory: inner, counts, note: () => undefined };
  let isStale = false;
  const directory = new CachedDirectory(inner, cache, (by) => {
    counts[by] = (counts[by] ?? 0) + 1;
    if (by === 'cache' || isStale === (by === 'stale')) return;
    isStale = by === 'stale';
    observe({ event: 'directoryStale', directory: name, stale: isStale });
  });
  return { directory, counts, note: (change) => directory.note(change) };
}

function openDirectory(settings: DirectorySettings, observe: Observer): Directory {
  const tell: ServerObserver = (server, up, detail) =>
    observe({ event: 'directoryState', server, up, ...(detail !== undefined && { detail }) });
  switch (settings.kind) {
    case 'ldif':
      return openLdif(settings.options);
    case 'ldap':
      return openLdap(settings.options, tell);
    case 'http':
      return openHttp(settings.options, tell);
  }
}

interface OpenRealm {
  readonly domains: readonly string[] | undefined;
  readonly directory: Directory;
}

// A proxy that can answer for some domains is of use: only one without any directory is to be passed by.
async function readinessOf(realms: readonly OpenRealm[], signal: AbortSignal): Promise<Readiness> {
  const answers = await Promise.all(
    realms.map(async ({ domains, directory }) => {
      const why = await directory.whyNotReady(signal);
      return { why, whose: domains === undefined ? 'all other domains' : domains.join(', ') };
    }),
  );
  const amiss = answers.flatMap(({ why, whose }) => {
    if (why === undefined) return [];
    return [realms.length === 1 ? why : `no logins of ${whose}: ${why}`];
  });
  return {
    ready: amiss.length < answers.length,
    why: amiss.length === 0 ? undefined : amiss.join('; '),
  };
}
