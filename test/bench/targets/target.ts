import type { Program } from '../processes.ts';
import type { MailPorts, World } from '../world.ts';

/** How targets are to speak to the node. */
export interface Setup {
  readonly nodeTls: boolean;
}

/** A proxy, or what stands in its place. */
export interface Target {
  /** What it's called on the command line and in tables. */
  readonly name: string;
  /** What it is, in a line. */
  readonly what: string;
  /** What would have to be installed, and the Debian packages that have it. */
  readonly missing: string | undefined;
  /** Whether it can do nothing without an LDAP server. */
  readonly needsLdap: boolean;
  /** Whether it can speak TLS to the node. */
  readonly nodeTls: boolean;
  /** Share of the sessions that it is measured with: less than 1 for those that take minutes otherwise. */
  readonly share: number;
  /** Starts it on these ports, unless they are nothing of its own; what it starts ends with the stack. */
  start(world: World, setup: Setup, stack: AsyncDisposableStack): Promise<RunningTarget>;
}

export interface RunningTarget {
  readonly ports: MailPorts;
  /** What its cost is made of; none for the direct way. */
  readonly programs: readonly Program[];
}
