/** What a connection is served by: what all share, what its listener says, and what its client is offered. */
import type { LoginGuard } from '../auth/directory.ts';
import { Channel } from '../protocols/channel.ts';
import type { Frontend, FrontendTerms, MailProtocol } from '../protocols/protocol.ts';
import type { Transport } from '../protocols/transport.ts';
import type { Changes } from './changes.ts';
import type { EndSpread } from './end-spread.ts';
import type { Observer } from './events.ts';
import { contextOf, type LoginTerms } from './login.ts';
import type { MechanismParts } from './mechanism-makers.ts';
import { offerApop, offerMechanisms } from './mechanisms.ts';
import type { Rebalance } from './rebalance.ts';
import type { SessionReport } from './session-report.ts';
import type { ListenerDomains } from './settings.ts';
import type { Throttle } from './throttle/throttle.ts';
import type { UserSessions } from './user-sessions.ts';
import type { Waiting } from './waiting.ts';

/** What all sessions of a proxy share. */
export interface SessionContext extends LoginTerms, Pick<MechanismParts, 'external' | 'oauth' | 'scram'> {
  readonly observe: Observer;
  /** `undefined` lets everybody guess. */
  readonly throttle: Throttle | undefined;
  readonly waiting: Waiting;
  readonly userSessions: UserSessions;
  readonly changes: Changes;
  /** Brings sessions home that are elsewhere; they stay there if it is left out. */
  readonly rebalance?: Pick<Rebalance, 'strayed'>;
  /** Spreads what clients notice of a node's death; they all notice at once if it is left out. */
  readonly endSpread?: EndSpread;
}

/** What the listener says of a connection. */
export interface SessionTerms {
  readonly protocol: MailProtocol;
  /** Whether a balancer introduces each connection by a PROXY header, before anything else. */
  readonly proxyProtocol: boolean;
  /** Whether TLS comes before the greeting. */
  readonly implicitTls: boolean;
  /** Names of the mechanisms that may be offered, in the order of preference. */
  readonly mechanisms: readonly string[];
  readonly domains: ListenerDomains | undefined;
  readonly frontend: Omit<FrontendTerms, 'mechanisms' | 'apop' | 'onStartTls'>;
}

/** Time for a login while many others wait for their turn too. */
const CROWDED_MS = 30_000;

interface Client {
  readonly client: Transport;
  /** Whose connection it is, and where it came to. */
  readonly ends: Pick<Transport, 'local'>;
  readonly report: SessionReport;
  readonly guard: LoginGuard | undefined;
}

/** Makes the side of a connection that speaks with its client, with what may be offered to it. */
export function openFrontend(
  { client, ends, report, guard }: Client,
  { protocol, domains, mechanisms, frontend: terms }: SessionTerms,
  { authenticator, times, external, oauth, scram, waiting }: SessionContext,
): Frontend {
  const parts = { authenticator, directoryMs: times.directoryMs, external, oauth, scram };
  const context = contextOf({ protocol, domains, listener: ends.local, guard });
  const leastMs = waiting.isCrowded ? CROWDED_MS : Number.POSITIVE_INFINITY;
  return protocol.frontend(new Channel(client), {
    ...terms,
    unauthenticatedMs: Math.min(leastMs, terms.unauthenticatedMs),
    ...offerApop(mechanisms, parts, context),
    mechanisms: offerMechanisms(mechanisms, parts, context),
    onStartTls: (tls) => report.securedBy(tls),
  });
}
