/** The cluster of a story: its users, its proxies, and what of it stands in the directory alone. */
import { scoreOf } from '../../src/routing/choice.ts';
import { BalancedProxies } from '../support/balanced-proxies.ts';
import { cluster, type NodeName } from '../support/cluster.ts';
import { DirectoryAdmin, type MadeUser } from '../support/directory-admin.ts';
import type { LoadUser } from '../support/login-load.ts';
import { clusterConfig, clusterNode, type LogLine, ldapDirectory } from '../support/running-proxy.ts';

export interface StoryUser extends MadeUser, LoadUser {
  homes: readonly NodeName[];
}
type DovecotName = Exclude<NodeName, 'node-c'>;

/** What a story is told of. */
export interface StoryCluster {
  readonly admin: DirectoryAdmin;
  readonly proxies: BalancedProxies;
  /** Two at home on each node. */
  readonly lone: readonly StoryUser[];
  /** Of the group, two for each member that serves them. */
  readonly grouped: readonly StoryUser[];
  /** Of the group, in the directory. */
  readonly group: string;
}

const DOMAIN = '.example.org';
const GROUP = 'shared1';
/** Of the group at first. */
export const MEMBERS = ['node-a', 'node-b', 'node-p'] as const;
/** Homes of single users at first. */
const LONE = ['node-a', 'node-b', 'node-c', 'node-p'] as const;
const MAILBOXES = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi', 'ivan', 'judy'];

export async function startCluster(): Promise<StoryCluster> {
  const admin = await DirectoryAdmin.connect();
  for (const name of ['node-b', 'node-p'] as const) await addNode(admin, name);
  const group = await admin.addNode(GROUP + DOMAIN, { homingMember: membersOf(MEMBERS) });
  const homes = LONE.flatMap((node) => [node, node]);
  const lone = await Promise.all(
    homes.map(async (home, index) => ({
      ...(await addUser(admin, `story-${index}`, home, index)),
      homes: [home],
    })),
  );
  const names = MEMBERS.flatMap((member) => namesServedBy(member, 2));
  const grouped = await Promise.all(
    names.map(async (name, index) => ({ ...(await addUser(admin, name, GROUP, index)), homes: MEMBERS })),
  );
  const proxies = await BalancedProxies.start([configOf(1), configOf(2)]);
  return { admin, proxies, lone, grouped, group };
}

/** Has the directory know a node that no configuration does. @returns its entry. */
export async function addNode(admin: DirectoryAdmin, name: DovecotName): Promise<string> {
  const { imaps, pop3s } = cluster().nodes[name];
  const ports = [`imap ${imaps}`, `pop3 ${pop3s}`];
  return await admin.addNode(name + DOMAIN, { homingHost: '127.0.0.1', homingPort: ports });
}

/** The entry of a node in the directory. */
export function entryOf(name: DovecotName): string {
  return `cn=${name}${DOMAIN},ou=nodes,dc=example,dc=org`;
}

/** Values of a group for these members. */
export function membersOf(names: readonly NodeName[]): string[] {
  return names.map((name) => name + DOMAIN);
}

/** Which of these members serves a user of the group. */
export function memberFor(
  { name }: Pick<StoryUser, 'name'>,
  members: readonly NodeName[],
): NodeName | undefined {
  const score = (node: string): number => scoreOf(name, { name: node + DOMAIN, weight: 1 });
  return members.toSorted((a, b) => score(b) - score(a))[0];
}

/** Whether a server of the directory is used, and both accounts and nodes are followed by content synchronisation. */
export function isDirectoryUsed(log: readonly LogLine[], port: number): boolean {
  const states = lastOf(log, 'directoryState', 'server', 'up');
  const modes = [...lastOf(log, 'followState', 'directory', 'following').values()];
  const isUp = [...states].every(([server, up]) => !String(server).endsWith(`:${port}`) || up === true);
  return isUp && modes.length === 2 && modes.every((mode) => mode === 'sync');
}

/** Whether no service of a node is left alone as it failed. */
export function isNodeUsed(log: readonly LogLine[], node: NodeName): boolean {
  const ofNode = log.filter((line) => line.node === node + DOMAIN);
  return ![...lastOf(ofNode, 'nodeState', 'protocol', 'state').values()].includes('down');
}

function lastOf(log: readonly LogLine[], event: string, key: string, value: string): Map<unknown, unknown> {
  return new Map(log.flatMap((line) => (line.event === event ? [[line[key], line[value]]] : [])));
}

function addUser(admin: DirectoryAdmin, name: string, home: string, index: number): Promise<MadeUser> {
  return admin.addUser(name, home + DOMAIN, MAILBOXES[index % MAILBOXES.length] ?? '');
}

function namesServedBy(member: NodeName, count: number): readonly string[] {
  const names = Array.from({ length: 100 }, (_, index) => `story-group-${index}`);
  return names.filter((name) => memberFor({ name }, MEMBERS) === member).slice(0, count);
}

/** Each proxy asks the LDAP server beside it first, remembers homes, and knows two nodes and the group from the directory alone. */
function configOf(number: 1 | 2) {
  const here = cluster();
  const { master, replica } = here.ldap;
  const urls = [master, replica].map(({ ldap }) => `ldap://127.0.0.1:${ldap}`);
  const tls = { caFile: here.caFile, serverName: 'localhost' };
  return clusterConfig(here, {
    name: `proxy${number}`,
    keyFile: here.proxies[`proxy${number}`].keyFile,
    directories: [
      ldapDirectory(here, { urls: number === 1 ? urls : urls.toReversed(), cache: { routes: '5m' } }),
    ],
    nodes: [clusterNode(here, 'node-a'), clusterNode(here, 'node-c')],
    nodesFrom: {
      directory: 0,
      base: 'ou=nodes,dc=example,dc=org',
      allow: ['127.0.0.1'],
      defaults: { kind: 'dovecot', tls },
    },
    health: { every: '1s' },
    times: { failure: '0s', stop: '3s' },
    endSessions: { movedWithin: '5s' },
    log: { level: 'info', format: 'json' },
  });
}
