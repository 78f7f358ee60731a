import { LdapUnreachable } from '../../auth/ldap/unreachable.ts';
import type { Config } from '../config.ts';
import { readNodes } from '../directory-nodes.ts';
import { NodeTable } from '../routing/node-table.ts';

/**
 * The nodes and groups of the configuration and of the directory, as the proxy has them.
 * @param tell is told of what was read and of entries that are left out; a directory that can't be read is no error here.
 */
export async function readNodeTable(
  { settings: { nodes, groups, nodesFrom } }: Config,
  signal: AbortSignal,
  tell: (detail: string) => void,
): Promise<NodeTable> {
  const table = new NodeTable(nodes, groups);
  if (nodesFrom === undefined) return table;
  table.await(nodesFrom.name);
  try {
    const refused = await readNodes(nodesFrom, table, signal);
    for (const { entry, detail } of refused) tell(`${entry} is left out: ${detail}`);
    tell(`read from ${nodesFrom.name}`);
  } catch (error) {
    if (!(error instanceof LdapUnreachable)) throw error;
    tell(error.message);
  }
  return table;
}
