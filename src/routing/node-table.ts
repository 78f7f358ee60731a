import { isDeepStrictEqual } from 'node:util';
import { createProver, needsTls, type Prover } from '../../auth/trust.ts';
import type { GroupSettings, NodeSettings, NodeState } from '../settings.ts';

/** A node that we may dial, under the name that the directory gave. */
export interface KnownNode {
  readonly name: string;
  readonly host: string;
  readonly settings: NodeSettings;
  readonly prover: Prover;
}

/** Nodes and groups of one source. */
export interface TableRows {
  readonly nodes: readonly NodeSettings[];
  readonly groups?: readonly GroupSettings[];
}

/** What became of a node that is in the table by its own name; `undefined` where it was or is not in it. */
export interface NodeChange {
  readonly node: string;
  readonly before: NodeState | undefined;
  readonly after: NodeState | undefined;
}

/** What became of the table. */
export interface TableChange {
  /** Nodes that come, go, or change their state. */
  readonly states: readonly NodeChange[];
  /** Names of nodes that are gone, or whose way there is another one: what was learned of them is of the old ones. */
  readonly replaced: readonly string[];
  /** Whether weights, services or groups are others, so that users may have another place. */
  readonly placesMoved: boolean;
}

/** RFC 1123 names and IPv4 addresses: whoever can edit an entry must not smuggle anything else into a dial. */
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

/** Whether a text is an RFC 1123 name or an IPv4 address, in lower case. */
export function isHostName(text: string): boolean {
  return HOST_NAME.test(text);
}

/** What a name with `*` matches: each stands for one label, or a part of one. */
export function hostPattern(name: string): RegExp {
  const parts = name.toLowerCase().split('*').map(RegExp.escape);
  return new RegExp(`^${parts.join('[a-z0-9-]+')}$`);
}

interface Row {
  readonly settings: NodeSettings;
  readonly prover: Prover;
  readonly pattern: RegExp;
}

/** Rows that are in force together. */
interface Rows {
  readonly nodes: Map<string, Row>;
  readonly patterns: readonly Row[];
  readonly groups: Map<string, GroupSettings>;
}

/**
 * The nodes that we may dial, by name or by a pattern that allows names, and the groups of them. All else is refused.
 * Those of the configuration go before those of other sources; each may be replaced at any time.
 */
export class NodeTable {
  #configured: Rows;
  readonly #sources = new Map<string, { readonly rows: TableRows; clashes: ReadonlySet<string> }>();
  readonly #listeners = new Set<(change: TableChange) => void>();
  readonly #awaited = new Set<string>();
  #rows: Rows;

  /** @throws {Error} when a node's trust needs TLS and the node has none. */
  constructor(nodes: readonly NodeSettings[], groups: readonly GroupSettings[] = []) {
    this.#configured = rowsOf(nodes.map(toRow), groups);
    this.#rows = this.#configured;
  }

  /**
   * Puts other rows in the place of the configuration's.
   * @throws {Error} when a node's trust needs TLS and the node has none; the rows stay as they were then.
   */
  reconfigure(nodes: readonly NodeSettings[], groups: readonly GroupSettings[] = []): void {
    const rows = nodes.map((settings) => this.#rowOf(settings.name.toLowerCase(), settings));
    this.#configured = rowsOf(rows, groups);
    const merged = this.#merge(this.#sources);
    for (const [source, known] of this.#sources) known.clashes = merged.clashes.get(source) ?? new Set();
    this.#take(merged.rows);
  }

  /** @returns `undefined` for a name that is neither in the table nor allowed by a pattern, and for a group's. */
  find(name: string): KnownNode | undefined {
    const wanted = plain(name);
    if (!HOST_NAME.test(wanted) || this.#rows.groups.has(wanted)) {
      return undefined;
    }
    const row =
      this.#rows.nodes.get(wanted) ?? this.#rows.patterns.find(({ pattern }) => pattern.test(wanted));
    if (row === undefined) {
      return undefined;
    }
    return {
      name: wanted,
      host: row.settings.host ?? wanted,
      settings: row.settings,
      prover: row.prover,
    };
  }

  /** All nodes that are in the table by their own name, of whatever source. */
  get all(): readonly KnownNode[] {
    return [...this.#rows.nodes.keys()]
      .filter((name) => !name.includes('*'))
      .flatMap((name) => this.find(name) ?? []);
  }

  /** @returns `undefined` for a name that is no group's. */
  findGroup(name: string): GroupSettings | undefined {
    return this.#rows.groups.get(plain(name));
  }

  /** Has names that are unknown be unsaid rather than wrong, until a source has given its rows for the first time. */
  await(source: string): void {
    if (!this.#sources.has(source)) this.#awaited.add(source);
  }

  /** A source that has given nothing yet. */
  get awaited(): string | undefined {
    return [...this.#awaited][0];
  }

  /**
   * Puts the rows of a source in the place of all that it gave before. Configuration goes before them, and so does a
   * source that came earlier; a name that matches a pattern of the configuration may be a node's, and no group's.
   * @returns the names that are passed by, as another source has them; each once, until it is free again.
   * @throws {Error} when a node's trust needs TLS and the node has none; the rows stay as they were then.
   */
  replace(source: string, rows: TableRows): readonly string[] {
    const before = this.#sources.get(source);
    const others = new Map(this.#sources).set(source, { rows, clashes: new Set() });
    const merged = this.#merge(others);
    const clashes = merged.clashes.get(source) ?? new Set();
    this.#sources.set(source, { rows, clashes });
    this.#awaited.delete(source);
    this.#take(merged.rows);
    return [...clashes].filter((name) => before?.clashes.has(name) !== true);
  }

  /** Has a listener told of what becomes of the table. @returns what ends that. */
  onChange(listener: (change: TableChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #take(rows: Rows): void {
    const change = changeBetween(this.#rows, rows);
    this.#rows = rows;
    if (change !== undefined) for (const listener of this.#listeners) listener(change);
  }

  #merge(sources: ReadonlyMap<string, { readonly rows: TableRows }>) {
    const nodes = new Map(this.#configured.nodes);
    const groups = new Map(this.#configured.groups);
    const { patterns } = this.#configured;
    const clashes = new Map<string, Set<string>>();
    for (const [source, { rows }] of sources) {
      const passedBy = new Set<string>();
      for (const settings of rows.nodes) {
        const name = settings.name.toLowerCase();
        // A * in another source would allow hosts that nobody wrote into the configuration.
        if (nodes.has(name) || groups.has(name) || name.includes('*')) passedBy.add(name);
        else nodes.set(name, this.#rowOf(name, settings));
      }
      for (const group of rows.groups ?? []) {
        const name = group.name.toLowerCase();
        const isTaken =
          nodes.has(name) || groups.has(name) || patterns.some(({ pattern }) => pattern.test(name));
        if (isTaken) passedBy.add(name);
        else groups.set(name, group);
      }
      clashes.set(source, passedBy);
    }
    return { rows: { nodes, patterns, groups }, clashes };
  }

  /** A row that says nothing new is kept, with what was derived for its node. */
  #rowOf(name: string, settings: NodeSettings): Row {
    const before = this.#rows.nodes.get(name);
    return before !== undefined && isSame(before.settings, settings) ? before : toRow(settings);
  }
}

function rowsOf(rows: readonly Row[], groups: readonly GroupSettings[]): Rows {
  return {
    nodes: new Map(rows.map((row) => [row.settings.name.toLowerCase(), row])),
    patterns: rows.filter(({ settings }) => settings.name.includes('*')),
    groups: new Map(groups.map((group) => [group.name.toLowerCase(), group])),
  };
}

function isSame(one: NodeSettings, other: NodeSettings): boolean {
  // A secret shows nothing of itself, to comparisons neither.
  return isDeepStrictEqual(one, other) && keyOf(one).equals(keyOf(other));
}

function keyOf({ trust }: NodeSettings): Buffer {
  return 'key' in trust ? trust.key.octets : NO_KEY;
}

const NO_KEY = Buffer.alloc(0);

/** A name as the table has it. */
function plain(name: string): string {
  return name.trim().toLowerCase().replace(/\.$/, '');
}

/** @returns `undefined` where nothing is different. */
function changeBetween(before: Rows, after: Rows): TableChange | undefined {
  const names = [...new Set([...before.nodes.keys(), ...after.nodes.keys()])];
  const pairs = names.map((node) => ({ node, old: before.nodes.get(node), now: after.nodes.get(node) }));
  const changed = pairs.filter(({ old, now }) => old !== now);
  const areGroupsSame = isDeepStrictEqual(before.groups, after.groups);
  if (changed.length === 0 && areGroupsSame) return undefined;
  return {
    states: changed
      .map(({ node, old, now }) => ({ node, before: stateOf(old), after: stateOf(now) }))
      .filter((change) => change.before !== change.after),
    replaced: changed
      .filter(({ old, now }) => old !== undefined && !isSameWay(old, now))
      .map(({ node }) => node),
    placesMoved: !areGroupsSame || changed.some(({ old, now }) => !isSamePlace(old, now)),
  };
}

/** Whether logins go to the same server in the same way. */
function isSameWay({ settings: old }: Row, now: Row | undefined): boolean {
  const { state = old.state, weight = old.weight, ...way } = now?.settings ?? {};
  return isDeepStrictEqual({ ...way, state, weight }, { ...old, state, weight });
}

function isSamePlace(old: Row | undefined, now: Row | undefined): boolean {
  const placeOf = (row: Row | undefined) => row && [row.settings.weight ?? 1, [...row.settings.ports.keys()]];
  return isDeepStrictEqual(placeOf(old), placeOf(now));
}

function stateOf(row: Row | undefined): NodeState | undefined {
  return row && (row.settings.state ?? 'up');
}

function toRow(settings: NodeSettings): Row {
  if (needsTls(settings.trust) && settings.tls.mode === 'none') {
    throw new Error(`node ${settings.name}: trust ${settings.trust.kind} needs TLS to the node`);
  }
  return {
    settings,
    prover: createProver(settings.trust),
    pattern: hostPattern(settings.name),
  };
}
