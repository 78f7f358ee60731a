import { chooseNodes } from './candidates.ts';
import type { NodeHealth } from './node-health.ts';
import type { KnownNode, NodeTable } from './node-table.ts';

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

/** The node that would be given this user's next session; `undefined` where none would. */
export function bestPlace(
  { name, service }: Placed,
  homes: readonly string[],
  { nodes, health }: PlaceTerms,
): KnownNode | undefined {
  return chooseNodes(name, homes, { service, nodes, health }).candidates[0]?.node;
}

/**
 * Whether another node is to serve a user by these homes. A login under way went to where it may not belong any more.
 * Where no node may serve him, as the homes are not in the table, his session stays where it is.
 */
export function servesElsewhere(placed: Placed, homes: readonly string[], terms: PlaceTerms): boolean {
  const best = bestPlace(placed, homes, terms);
  if (best !== undefined) return best.name !== placed.node;
  const { name, service, node } = placed;
  const { passedBy } = chooseNodes(name, homes, { service, ...terms });
  return passedBy.some(({ isDown }) => isDown) && !passedBy.some((other) => other.name === node);
}
