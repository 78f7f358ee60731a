import { chooseNodes } from './candidates.ts';
import type { NodeHealth } from './node-health.ts';
import type { NodeTable } from './node-table.ts';

/** What tells where a user's sessions belong. */
export interface PlaceTerms {
  readonly nodes: NodeTable;
  readonly health: NodeHealth;
}

/** A session as far as its place goes; its node is left out while its login is under way. */
export interface Placed {
  readonly name: string;
  readonly service: string;
  readonly node: string | undefined;
}

/**
 * Whether another node is to serve a user by these homes. A login under way went to where it may not belong any more.
 * Where no node may serve him, as the homes are not in the table, his session stays where it is.
 */
export function servesElsewhere(
  { name, service, node }: Placed,
  homes: readonly string[],
  { nodes, health }: PlaceTerms,
): boolean {
  const { candidates, passedBy } = chooseNodes(name, homes, { service, nodes, health });
  const [best] = candidates;
  if (best !== undefined) return best.node.name !== node;
  return passedBy.some(({ isDown }) => isDown) && !passedBy.some((other) => other.name === node);
}
