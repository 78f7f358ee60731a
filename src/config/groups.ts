import { NodeTable } from '../routing/node-table.ts';
import type { GroupSettings, ListenerSettings, NodeSettings } from '../settings.ts';
import { checkLoop } from './nodes.ts';
import type { Report } from './report.ts';
import type { Path } from './source.ts';
import { nearest } from './suggest.ts';

/** What groups are checked against. */
export interface GroupContext {
  readonly nodes: readonly NodeSettings[];
  /** Whether these are all nodes that are written, as none was left out for its own problems. */
  readonly areAllNodes: boolean;
  readonly listeners: readonly ListenerSettings[];
  readonly report: Report;
}

/** Reports groups that can't be found by their name, or have members that can't serve. */
export function checkGroups(groups: readonly (GroupSettings | undefined)[], context: GroupContext): void {
  const names = groups.map((group) => group?.name.toLowerCase());
  const table = new NodeTable(context.nodes.filter(isSound));
  for (const [index, group] of groups.entries()) {
    if (group === undefined) continue;
    const path = ['groups', index];
    const first = names.indexOf(group.name.toLowerCase());
    if (first !== index) {
      context.report.problem(
        [...path, 'name'],
        `groups[${first}] has this name already`,
        'one group for a name',
      );
    }
    const node = table.find(group.name);
    if (node !== undefined) {
      context.report.problem(
        [...path, 'name'],
        `node ${node.settings.name} has this name too, so it could be dialled`,
        'a name that is neither a node nor fits a pattern among the nodes',
      );
    }
    checkMembers(group, path, table, context);
  }
}

// What has no TLS where it needs it is reported with the node itself.
function isSound({ trust, tls }: NodeSettings): boolean {
  return tls.mode !== 'none' || (trust.kind !== 'replay' && trust.kind !== 'plain-authzid');
}

function checkMembers(group: GroupSettings, path: Path, table: NodeTable, context: GroupContext): void {
  const { nodes, areAllNodes, listeners, report } = context;
  const names = group.members.map(({ node }) => node.toLowerCase().replace(/\.$/, ''));
  const found: NodeSettings[] = [];
  for (const [index, name] of names.entries()) {
    const at = [...path, 'members', index];
    const first = names.indexOf(name);
    if (first !== index) {
      report.problem(at, `${name} is a member already: members[${first}]`, 'each node once, with a weight');
      continue;
    }
    const node = table.find(name);
    if (node !== undefined) {
      found.push(node.settings);
      if (node.settings.name.includes('*')) checkLoop({ ...node.settings, name }, at, listeners, report);
      continue;
    }
    if (!areAllNodes) continue;
    const known = nodes.map((other) => other.name);
    report.problem(at, `there is no node ${name}`, nearest(name, known) ?? `one of ${known.join(', ')}`);
  }
  if (group.kind === 'shared') warnOfPorts(group, path, found, context);
}

/** A user's services meet on one member, so a member without one of them gets no users. */
function warnOfPorts(
  { name }: GroupSettings,
  path: Path,
  members: readonly NodeSettings[],
  { listeners, report }: GroupContext,
): void {
  for (const service of new Set(listeners.map(({ protocol }) => protocol))) {
    const without = members.filter(({ ports }) => !ports.has(service)).map((node) => node.name);
    if (without.length === 0 || without.length === members.length) continue;
    report.warning(
      [...path, 'members'],
      `${without.join(', ')} has no ${service} port, which others of ${name} have: it gets no users while they can serve`,
      `members with the same services, or a group of kind replicas`,
    );
  }
}
