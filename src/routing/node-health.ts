import type { KnownNode } from './node-table.ts';

/** What is known of the nodes' health, as far as the choice among them asks for it. */
export interface NodeHealth {
  /** Whether a login by this service may be tried there now; asking costs nothing and dials nobody. */
  usable(node: KnownNode, service: string): boolean;
}

/** Holds every node for well, where nobody watches them. */
export const ALL_USABLE: NodeHealth = { usable: () => true };
