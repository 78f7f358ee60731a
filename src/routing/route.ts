import type { Account, Trace } from '../../auth/directory.ts';
import { LoginFailure, type Reason } from '../../auth/failure.ts';
import { nodeTlsAt } from '../protocols.ts';
import type { NodeTls } from '../settings.ts';
import { type Candidate, chooseNodes, type PassedBy } from './candidates.ts';
import { ALL_USABLE, type NodeHealth } from './node-health.ts';
import type { KnownNode, NodeTable } from './node-table.ts';

/** A node of an account's home, with what it will be told of the account. */
export interface Member extends Candidate {
  readonly tls: NodeTls;
  readonly forwarded: ReadonlyMap<string, string>;
}

/** The members that may serve an account, best first; there is always one. */
export type Home = readonly [Member, ...Member[]];

/** Octets, as each kind of node reads them: a bare number is KiB to Dovecot. */
const QUOTA_UNIT: Readonly<Record<KnownNode['settings']['kind'], string>> = {
  dovecot: 'B',
  courier: 'S',
  generic: '',
};

/** What routes are planned by. */
export interface RouteTerms {
  readonly nodes: NodeTable;
  /** Which nodes are worth a try; all of them if it is left out. */
  readonly health?: NodeHealth;
  /** Is told of nodes that the home names, and that may not serve it. */
  readonly trace?: Trace;
}

/**
 * The way of an account to its home: the members that may serve it, best first. A name that may not be dialled, or a
 * node that must be told what the entry lacks, is passed by where another one may serve.
 * @throws {LoginFailure} noHome, homeNotAllowed, directoryDown while nodes of a directory were never read, directoryFault when a node must be told what the entry lacks, or
 * nodeUnreachable when all of them are down by their state.
 */
export function planRoute(account: Account, service: string, terms: RouteTerms): Home {
  if (account.homes.length === 0) {
    const attributes = account.homeAttributes ?? [];
    const lacks = attributes.length === 0 ? 'names no home node' : `has no ${attributes.join(' and no ')}`;
    throw new LoginFailure('noHome', `${account.entry} ${lacks}`);
  }
  const { nodes, health = ALL_USABLE } = terms;
  const { candidates, passedBy } = chooseNodes(account.name, account.homes, { service, nodes, health });
  for (const { name, why } of passedBy) terms.trace?.('skipped', `${name}: ${why}`);
  checkPort(account, service, candidates);
  const lacking: string[] = [];
  const [first, ...others] = candidates.flatMap((candidate) => {
    const lack = lackOf(candidate.node, account);
    if (lack === undefined) return [memberOf(candidate, account, service)];
    terms.trace?.('skipped', lack);
    lacking.push(lack);
    return [];
  });
  if (first !== undefined) return [first, ...others];
  throw new LoginFailure(...whyNowhere(account, lacking, passedBy, { service, awaited: nodes.awaited }));
}

/** A login must not go to another server of the node than the one that the directory means. */
function checkPort({ entry, homePort }: Account, service: string, candidates: readonly Candidate[]): void {
  const other = candidates.find((candidate) => candidate.port !== (homePort ?? candidate.port));
  if (other === undefined) return;
  const { node, port } = other;
  throw new LoginFailure(
    'homeNotAllowed',
    `${entry} has its home on ${node.name} port ${homePort}, and that node has ${service} on ${port}: ` +
      `ports: { ${service}: ${homePort} } of the node, or another Auth-Port`,
  );
}

function memberOf(candidate: Candidate, account: Account, service: string): Member {
  const { node, port } = candidate;
  return {
    ...candidate,
    tls: nodeTlsAt(service, port, node.settings.tls),
    forwarded: valuesFor(node, account),
  };
}

function whyNowhere(
  { entry, homes }: Account,
  [lack]: readonly string[],
  passedBy: readonly PassedBy[],
  { service, awaited }: { service: string; awaited: string | undefined },
): [Reason, string] {
  if (lack !== undefined) return ['directoryFault', lack];
  const has = `${entry} has its home on ${homes.join(', ')}`;
  const down = passedBy.filter(({ isDown }) => isDown).map(({ name }) => name);
  if (down.length > 0) return ['nodeUnreachable', `${has}: the state of ${down.join(', ')} is down`];
  // The name may be right: nobody could read yet whether it is.
  if (awaited !== undefined) return ['directoryDown', `${has}: the nodes of ${awaited} were never read`];
  return ['homeNotAllowed', `${has}: not in the node table, or there without a ${service} port`];
}

/** What an entry lacks that a node must be told. */
function lackOf({ settings }: KnownNode, account: Account): string | undefined {
  const missing = settings.required.filter((name) => !account.forwarded.has(name));
  return missing.length > 0 ? whyMissing(account, missing, settings.name) : undefined;
}

function valuesFor({ settings }: KnownNode, account: Account): ReadonlyMap<string, string> {
  if (settings.kind === 'generic') {
    return new Map();
  }
  const values = new Map(account.forwarded);
  // Always said: where nothing is said, an empty rule lets the login succeed and the session die.
  const quota = values.get('quota') ?? '0';
  values.set('quota', quota === '0' ? '0' : `${quota}${QUOTA_UNIT[settings.kind]}`);
  return values;
}

function whyMissing(
  { entry, name, withoutDomain }: Account,
  missing: readonly string[],
  node: string,
): string {
  const lacks = `${entry} has no ${missing.join(', ')}, which node ${node} must be told`;
  const [key, template] = [...(withoutDomain ?? [])].find(([forward]) => missing.includes(forward)) ?? [];
  if (key === undefined) return lacks;
  return (
    `${entry}: forward.${key} '${template}' needs a domain, and the account name "${name}" has none: ` +
    'nameAttribute: mail, or a text without %d'
  );
}
