import { createHash } from 'node:crypto';
import type { Directory } from '../auth/directory.ts';
import type { Entry } from '../auth/entries/entry.ts';
import { followLdap } from '../auth/ldap/follow.ts';
import { readAllEntries } from '../auth/ldap/read-all.ts';
import { LdapUnreachable } from '../auth/ldap/unreachable.ts';
import { pause } from '../auth/pause.ts';
import { type EntryRow, type RefusedEntry, readNodeEntries } from './config/node-entries.ts';
import type { Observer } from './events.ts';
import { Following } from './following.ts';
import type { NodeTable } from './routing/node-table.ts';
import type { NodesFromSettings } from './settings.ts';

/** More entries than this are not read: a part of them would look as if the others were gone. */
const MAX_ENTRIES = 10_000;
/** Changes come in bursts. */
const DEBOUNCE_MS = 200;
const MAX_RETRY_MS = 30_000;
/** Homes that are unknown, as one was misspelt, have the nodes read no more often. */
const REFRESH_MS = 1000;

/**
 * Reads the nodes of a directory into the table, once.
 * @returns the entries that are left out, and why.
 * @throws {LdapUnreachable} when no server gives them; the table stays as it was then.
 */
export async function readNodes(
  settings: NodesFromSettings,
  table: NodeTable,
  signal: AbortSignal,
): Promise<readonly RefusedEntry[]> {
  const entries = await readAllEntries(settings.source, { most: MAX_ENTRIES, before: 0 }, signal);
  return intoTable(readNodeEntries(entries, settings.entries), settings, table).refused;
}

function intoTable(
  { rows, refused }: ReturnType<typeof readNodeEntries>,
  { name }: NodesFromSettings,
  table: NodeTable,
) {
  const nodes = [...rows.values()].flatMap((row) => ('node' in row ? [row.node] : []));
  const groups = [...rows.values()].flatMap((row) => ('group' in row ? [row.group] : []));
  const clashes = table.replace(name, { nodes, groups }).map((node) => ({
    entry: node,
    detail: 'the configuration has a node, a group or a pattern for this name, which goes before',
  }));
  return { nodes: nodes.length, groups: groups.length, refused: [...refused, ...clashes] };
}

/**
 * Keeps the table of nodes as the directory has them, until it is disposed of: all are read anew after any change. What
 * was read last stays while the directory can't be read.
 */
export class DirectoryNodes implements AsyncDisposable {
  readonly #settings: NodesFromSettings;
  readonly #table: NodeTable;
  readonly #observe: Observer;
  readonly #stopping = new AbortController();
  readonly #following: Following<Pick<Directory, 'follow'>>;
  #timer: NodeJS.Timeout | undefined;
  /** When it goes off, by the clock of `performance`. */
  #dueMs = 0;
  #reading: Promise<void> | undefined;
  #isOutdated = false;
  #failures = 0;
  /** When they were read last, by the clock of `performance`. */
  #readMs = Number.NEGATIVE_INFINITY;
  /** URL of the server that tells of changes: others may not have them yet. */
  #followed: string | undefined;
  /** What was read last: how many entries, their hash, and what was made of them. */
  #known: { count: number; hash: string; rows: ReadonlyMap<string, EntryRow> } | undefined;
  #refused: ReadonlySet<string> = new Set();

  constructor(settings: NodesFromSettings, table: NodeTable, observe: Observer) {
    this.#settings = settings;
    this.#table = table;
    this.#observe = observe;
    table.await(settings.name);
    const directory: Pick<Directory, 'follow'> = {
      follow: (signal, tell) =>
        followLdap(settings.source, signal, (following, detail, server) => {
          this.#followed = server;
          tell(following, detail);
        }),
    };
    this.#following = new Following([{ name: settings.name, directory }], observe);
    this.#following.subscribe(() => this.#later(DEBOUNCE_MS));
  }

  /** Reads them now, whether that goes or not; a failure is an event, and tried again. */
  async read(): Promise<void> {
    if (this.#reading !== undefined) {
      this.#isOutdated = true;
      return await this.#reading;
    }
    this.#reading = this.#readUntilFresh();
    try {
      await this.#reading;
    } finally {
      this.#reading = undefined;
    }
  }

  /** Reads them as above, and waits so long at most; the reading goes on. */
  async readFirst(waitMs: number): Promise<void> {
    const done = new AbortController();
    const reading = this.read().finally(() => done.abort());
    await Promise.race([reading, pause(waitMs, done.signal)]);
  }

  /**
   * Reads them where a home is unknown: its node may have come a moment ago.
   * @returns whether they were read; not where that was done just now, and nothing was told of since.
   */
  async refresh(): Promise<boolean> {
    const isLate = performance.now() - this.#readMs >= REFRESH_MS;
    if (!isLate && this.#timer === undefined && this.#reading === undefined) return false;
    await this.read();
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#stopping.abort();
    await this.#following[Symbol.asyncDispose]();
    await this.#reading;
  }

  /** Reads them in a while; where that is due already, at the earlier time. */
  #later(ms: number): void {
    const atMs = performance.now() + ms;
    if (this.#stopping.signal.aborted || (this.#timer !== undefined && this.#dueMs <= atMs)) return;
    clearTimeout(this.#timer);
    this.#dueMs = atMs;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.read();
    }, ms).unref();
  }

  /** Whoever asks while it is read gets what is there then. */
  async #readUntilFresh(): Promise<void> {
    do {
      this.#isOutdated = false;
      await this.#readAll();
    } while (this.#isOutdated && !this.#stopping.signal.aborted);
  }

  async #readAll(): Promise<void> {
    const { name: directory, source } = this.#settings;
    this.#readMs = performance.now();
    try {
      const servers = source.servers.toSorted(
        (a, b) => Number(b.url === this.#followed) - Number(a.url === this.#followed),
      );
      const counts = { most: MAX_ENTRIES, before: this.#known?.count ?? 0 };
      const entries = await readAllEntries({ ...source, servers }, counts, this.#stopping.signal);
      if (!this.#stopping.signal.aborted) this.#take(entries);
      this.#failures = 0;
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      const isExpected = error instanceof LdapUnreachable;
      const detail = error instanceof Error ? error.message : String(error);
      if (!isExpected) this.#observe({ event: 'bug', detail });
      else if (this.#failures === 0) this.#observe({ event: 'nodesUnreadable', directory, detail });
      const most = Math.min(source.retryMs * 2 ** this.#failures, MAX_RETRY_MS);
      this.#failures = Math.min(this.#failures + 1, 20);
      this.#later(most * (0.5 + Math.random() / 2));
    }
  }

  #take(entries: readonly Entry[]): void {
    const hash = hashOf(entries);
    if (hash === this.#known?.hash && this.#failures === 0) return;
    const { name: directory, entries: terms } = this.#settings;
    const read = readNodeEntries(entries, terms, this.#known?.rows);
    const { refused, ...counts } = intoTable(read, this.#settings, this.#table);
    this.#known = { count: entries.length, hash, rows: read.rows };
    this.#tellRefused(refused);
    this.#observe({ event: 'nodesRead', directory, ...counts });
  }

  #tellRefused(refused: readonly RefusedEntry[]): void {
    const { name: directory } = this.#settings;
    const told = this.#refused;
    this.#refused = new Set(refused.map(({ entry, detail }) => `${entry}\n${detail}`));
    for (const { entry, detail } of refused) {
      if (!told.has(`${entry}\n${detail}`)) {
        this.#observe({ event: 'nodeEntryRefused', directory, entry, detail });
      }
    }
  }
}

function hashOf(entries: readonly Entry[]): string {
  const hash = createHash('sha256');
  for (const { dn, attributes } of entries.toSorted((a, b) => (a.dn < b.dn ? -1 : 1))) {
    hash.update(JSON.stringify([dn, ...attributes]));
  }
  return hash.digest('base64');
}
