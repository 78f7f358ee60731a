import type { Account } from '../../auth/directory.ts';
import { LoginFailure } from '../../auth/failure.ts';
import { nodeTlsAt } from '../protocols.ts';
import type { NodeTls } from '../settings.ts';
import { ALL_USABLE, type NodeHealth } from './node-health.ts';
import type { KnownNode, NodeTable } from './node-table.ts';

/** A node of an account's home, with what it will be told of the account. */
export interface Member {
  readonly node: KnownNode;
  readonly port: number;
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

/**
 * The way of an account to its home: the members that may serve it, best first. A name that may not be dialled is
 * passed by where another one may; nodes that are down come last, as nobody knows yet that they still are.
 * @throws {LoginFailure} noHome, homeNotAllowed, or directoryFault when a node must be told what the entry lacks.
 */
export function planRoute(
  account: Account,
  service: string,
  nodes: NodeTable,
  health: NodeHealth = ALL_USABLE,
): Home {
  if (account.homes.length === 0) {
    const attributes = account.homeAttributes ?? [];
    const lacks = attributes.length === 0 ? 'names no home node' : `has no ${attributes.join(' and no ')}`;
    throw new LoginFailure('noHome', `${account.entry} ${lacks}`);
  }
  const members = account.homes.flatMap((home) => memberOf(home, account, service, nodes) ?? []);
  const { usable = [], unusable = [] } = Object.groupBy(members, ({ node }) =>
    health.usable(node, service) ? 'usable' : 'unusable',
  );
  const [first, ...others] = [...usable, ...unusable];
  if (first === undefined) {
    throw new LoginFailure(
      'homeNotAllowed',
      `${account.entry} has its home on ${account.homes.join(', ')}: not in the node table, or there without a ${service} port`,
    );
  }
  return [first, ...others];
}

/** A node as a member of an account's home; `undefined` where it may not be dialled for the service. */
export function memberOf(
  home: string,
  account: Account,
  service: string,
  nodes: NodeTable,
): Member | undefined {
  const node = nodes.find(home);
  const port = node?.settings.ports.get(service);
  return node === undefined || port === undefined
    ? undefined
    : {
        node,
        port,
        tls: nodeTlsAt(service, port, node.settings.tls),
        forwarded: valuesFor(node, account),
      };
}

function valuesFor({ settings }: KnownNode, account: Account): ReadonlyMap<string, string> {
  const missing = settings.required.filter((name) => !account.forwarded.has(name));
  if (missing.length > 0) {
    throw new LoginFailure('directoryFault', whyMissing(account, missing, settings.name));
  }
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
