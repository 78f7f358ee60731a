import type { LoginFailure } from '../../auth/failure.ts';
import type { KnownNode } from './node-table.ts';

/** What is known of the nodes' health, as far as the choice among them asks for it. */
export interface NodeHealth {
  /** Whether a login by this service may be tried there now; asking costs nothing and dials nobody. */
  usable(node: KnownNode, service: string): boolean;
}

/** Who takes logins to nodes learns whether he may, and tells what came of it. */
export interface NodeWatch extends NodeHealth {
  /**
   * A login of this user begins at the node; exactly one of the attempt's methods is to be called.
   * @throws {LoginFailure} nodeUnreachable at once, where the node is known to be down.
   */
  attempt(node: KnownNode, service: string, user: string): Attempt;
}

/** How far a login came that failed: the way to a node is everybody's, what it says afterwards may be one user's. */
export type Stage = 'connecting' | 'loggingIn';

/** A login, or a probe, that is under way at a node. */
export interface Attempt {
  /** The node works, whatever it said to this user. */
  succeeded(): void;
  failed(failure: LoginFailure, stage: Stage): void;
  /** Nothing was learned: the client left, or the time was over before the node had its part of it. */
  abandoned(): void;
}

/** Holds every node for well, where nobody watches them. */
export const ALL_USABLE: NodeHealth = { usable: () => true };

/** Learns nothing. */
export const UNWATCHED: NodeWatch = {
  ...ALL_USABLE,
  attempt: () => ({ succeeded: () => undefined, failed: () => undefined, abandoned: () => undefined }),
};
