/** Nodes and groups as entries of a directory have them. */
import { type Entry, valuesOf } from '../../auth/entries/entry.ts';
import { needsTls, type Trust } from '../../auth/trust.ts';
import { PROTOCOLS } from '../protocols.ts';
import { hostPattern, isHostName } from '../routing/node-table.ts';
import type { GroupMember, GroupSettings, NodeSettings, NodeTls } from '../settings.ts';
import { defaultRequires, defaultTrust, portsOf } from './nodes.ts';
import type { NodesFromConfig } from './schema-nodes-from.ts';

/** What entries are read by. */
export interface NodeEntryTerms {
  readonly attributes: NodesFromConfig['attributes'];
  /** Hosts that may be dialled, as names of nodes in the configuration are written. */
  readonly allow: readonly string[];
  /** What is left out in an entry; and with whose key and authorities its node is dialled. */
  readonly defaults: NodeSettings;
  readonly written: Pick<NodesFromConfig['defaults'], 'ports' | 'requires'>;
  /** What clients can ask for. */
  readonly services: readonly string[];
}

/** An entry that can't be used. */
export interface RefusedEntry {
  readonly entry: string;
  readonly detail: string;
}

/** Values of an attribute beyond so many are no group's. */
const MAX_MEMBERS = 1000;
const KINDS = ['dovecot', 'courier', 'generic'] as const;
const TLS_MODES = ['implicit', 'starttls', 'none'] as const;
const TRUSTS = ['scram-sha-256', 'cram-md5', 'cram-sha1', 'cram-sha256', 'plain-authzid', 'replay'] as const;
const STATES = ['up', 'draining', 'down'] as const;

class EntryRefused extends Error {}

/** What an entry says. */
export type EntryRow = { readonly node: NodeSettings } | { readonly group: GroupSettings };

/**
 * Makes rows of entries. One that can't be used stays as it was before, as a slip must not take a live node away, and
 * is left out where it never was used, or where another has its name; the others stand.
 * @param before by distinguished name.
 */
export function readNodeEntries(
  entries: readonly Entry[],
  terms: NodeEntryTerms,
  before: ReadonlyMap<string, EntryRow> = new Map(),
): { readonly rows: ReadonlyMap<string, EntryRow>; readonly refused: readonly RefusedEntry[] } {
  const rows = new Map<string, EntryRow>();
  const refused: RefusedEntry[] = [];
  const taken = new Set<string>();
  const take = (dn: string, row: EntryRow): void => {
    taken.add(nameIn(row));
    rows.set(dn, row);
  };
  // In one order on all proxies: of two entries with one name all of them take the same.
  for (const entry of entries.toSorted((a, b) => (a.dn < b.dn ? -1 : 1))) {
    try {
      const row = rowOf(entry, terms);
      const name = nameIn(row);
      if (taken.has(name)) throw new EntryRefused(`another entry has the name ${name} already`);
      take(entry.dn, row);
    } catch (error) {
      if (!(error instanceof EntryRefused)) throw error;
      refused.push({ entry: entry.dn, detail: error.message });
    }
  }
  return {
    rows,
    refused: refused.map(({ entry, detail }) => {
      const last = before.get(entry);
      if (last === undefined || taken.has(nameIn(last))) return { entry, detail };
      take(entry, last);
      return { entry, detail: `${detail}; it stays as it was before` };
    }),
  };
}

function nameIn(row: EntryRow): string {
  return 'node' in row ? row.node.name : row.group.name;
}

function rowOf(entry: Entry, terms: NodeEntryTerms): EntryRow {
  const name = nameOf(entry, terms);
  return valuesOf(entry, terms.attributes.members).length > 0
    ? { group: groupOf(name, entry, terms) }
    : { node: nodeOf(name, entry, terms) };
}

function nameOf(entry: Entry, { attributes }: NodeEntryTerms): string {
  const name = (onlyValueOf(entry, attributes.name) ?? '').toLowerCase();
  if (!isHostName(name)) throw new EntryRefused(`${attributes.name}: ${shown(name)} is no name of a node`);
  return name;
}

function nodeOf(name: string, entry: Entry, terms: NodeEntryTerms): NodeSettings {
  const { attributes, defaults, written } = terms;
  const kind = oneOf(entry, attributes.kind, KINDS) ?? defaults.kind;
  const tls = tlsOf(entry, terms);
  const trust = trustOf(kind, entry, terms);
  if (needsTls(trust) && tls.mode === 'none') throw new EntryRefused(`trust ${trust.kind} needs TLS`);
  return {
    name,
    host: hostOf(name, entry, terms),
    kind,
    ports: portsOf({ kind, ports: { ...written.ports, ...saidPorts(entry, terms) }, tls }),
    tls,
    trust,
    required: written.requires ?? defaultRequires({ kind, trust: trust.kind }),
    allowUnauthenticate: defaults.allowUnauthenticate,
    state: oneOf(entry, attributes.state, STATES) ?? defaults.state ?? 'up',
    weight: weightOf(onlyValueOf(entry, attributes.weight), attributes.weight) ?? defaults.weight ?? 1,
  };
}

/** Whoever can edit an entry must not be able to aim our key at a host of their own. */
function hostOf(name: string, entry: Entry, { attributes, allow }: NodeEntryTerms): string {
  const host = (onlyValueOf(entry, attributes.host) ?? name).toLowerCase().replace(/\.$/, '');
  if (!isHostName(host)) throw new EntryRefused(`${shown(host)} is no host name and no IPv4 address`);
  if (!allow.some((pattern) => hostPattern(pattern).test(host))) {
    throw new EntryRefused(`the host ${host} fits nothing in nodesFrom.allow`);
  }
  return host;
}

function tlsOf(entry: Entry, { attributes, defaults }: NodeEntryTerms): NodeTls {
  const mode = oneOf(entry, attributes.tls, TLS_MODES) ?? defaults.tls.mode;
  if (mode === 'none') {
    if (defaults.tls.mode === 'none') return { mode };
    throw new EntryRefused(`${attributes.tls}: nodesFrom.defaults has TLS, which an entry can't take away`);
  }
  if (defaults.tls.mode === 'none') return { mode, ca: undefined, serverName: undefined, pin: undefined };
  return { ...defaults.tls, mode };
}

function trustOf(
  kind: NodeSettings['kind'],
  entry: Entry,
  { attributes, defaults: { kind: usualKind, trust: usual } }: NodeEntryTerms,
): Trust {
  const wanted =
    oneOf(entry, attributes.trust, TRUSTS) ??
    (kind === usualKind ? usual.kind : (defaultTrust({ kind }) ?? usual.kind));
  if (kind === 'courier' && !wanted.startsWith('cram-')) {
    throw new EntryRefused(`a courier node is not told of the account by ${wanted}`);
  }
  if (wanted === usual.kind) return usual;
  if (wanted === 'replay' || wanted === 'plain-authzid') {
    throw new EntryRefused(`trust ${wanted} tells a password, so only nodesFrom.defaults can say it`);
  }
  if (usual.kind === 'replay') {
    throw new EntryRefused(`trust ${wanted} needs a key, and with trust: replay nodesFrom.defaults has none`);
  }
  return { kind: wanted, name: usual.name, key: usual.key };
}

function saidPorts(entry: Entry, { attributes, services }: NodeEntryTerms): Record<string, number> {
  const said: Record<string, number> = {};
  for (const value of valuesOf(entry, attributes.ports)) {
    const [, word = '', digits] = /^([a-z0-9]+)[ :=]+(\d{1,5})$/i.exec(value.trim()) ?? [];
    const port = Number(digits);
    if (!(port >= 1 && port <= 65_535)) {
      throw new EntryRefused(`${attributes.ports}: ${shown(value)} is not as "${services[0] ?? 'imap'} 993"`);
    }
    const service = word.toLowerCase();
    if (!PROTOCOLS.has(service)) {
      const known = [...PROTOCOLS.keys()].join(', ');
      throw new EntryRefused(`${attributes.ports}: there is no service ${shown(word)}, but ${known}`);
    }
    if (said[service] !== undefined)
      throw new EntryRefused(`${attributes.ports}: ${service} has several ports`);
    said[service] = port;
  }
  return said;
}

function groupOf(name: string, entry: Entry, { attributes, services }: NodeEntryTerms): GroupSettings {
  const members = valuesOf(entry, attributes.members);
  if (members.length > MAX_MEMBERS) throw new EntryRefused(`more than ${MAX_MEMBERS} members`);
  const read = members.map((member) => memberOf(member, attributes.members));
  if (new Set(read.map(({ node }) => node)).size < read.length) {
    throw new EntryRefused(`${attributes.members}: a node is a member once, with a weight`);
  }
  const kind = oneOf(entry, attributes.groupKind, ['shared', 'replicas'] as const) ?? 'shared';
  return { name, kind, members: read, services };
}

function memberOf(value: string, attribute: string): GroupMember {
  const [, node = '', weight, priority = '1'] =
    /^(\S+)(?: +weight=([\d.]+))?(?: +priority=([1-9]\d{0,5}))?$/.exec(value.trim().toLowerCase()) ?? [];
  if (!isHostName(node)) {
    throw new EntryRefused(
      `${attribute}: ${shown(value)} is not as "node-a" or "node-b weight=2 priority=2"`,
    );
  }
  return { node, weight: weightOf(weight, attribute), priority: Number(priority) };
}

function weightOf(value: string | undefined, attribute: string): number | undefined {
  if (value === undefined) return undefined;
  const weight = /^\d{1,9}(?:\.\d{1,9})?$/.test(value) ? Number(value) : 0;
  if (weight > 0) return weight;
  throw new EntryRefused(`${attribute}: the weight ${shown(value)} is no number above 0`);
}

function oneOf<Word extends string>(
  entry: Entry,
  attribute: string,
  words: readonly Word[],
): Word | undefined {
  const value = onlyValueOf(entry, attribute);
  const word = words.find((known) => known === value?.toLowerCase());
  if (value === undefined || word !== undefined) return word;
  throw new EntryRefused(`${attribute}: ${shown(value)} is not one of ${words.join(', ')}`);
}

function onlyValueOf(entry: Entry, attribute: string): string | undefined {
  const [value, ...more] = valuesOf(entry, attribute);
  if (more.length > 0) throw new EntryRefused(`${attribute} has several values`);
  return value;
}

function shown(value: string): string {
  return JSON.stringify(value.slice(0, 100));
}
