import type { DirectoryChange, FollowMode } from '../auth/directory-changes.ts';
import type { Reason } from '../auth/failure.ts';
import type { DepartureCause } from '../protocols/protocol.ts';
import type { Resource } from './resources.ts';
import type { CounterKind } from './throttle/counters.ts';

/**
 * Everything that is worth a log line or a counter, each said once, by the place that knows it. The log and the
 * metrics are observers of the same events. Times are milliseconds. Nothing here may hold a secret.
 */
export type Event =
  | ConfigWarning
  | Listening
  | AdminListening
  | CertificateInUse
  | RevocationListInUse
  | AuthoritiesRenewed
  | CertificatesRead
  | ConfigRead
  | ConfigRefused
  | CertificateRefused
  | Stopping
  | Stopped
  | LoginEvent
  | ClientCertificateRefused
  | MemberFailed
  | NodeTrust
  | NodeTrustUnknown
  | SessionEnd
  | ConnectionEnd
  | ConnectionRefused
  | ShortageEvent
  | ThrottleStart
  | ThrottleForgotten
  | Repeated
  | DirectoryState
  | DirectoryStale
  | FollowState
  | DirectoryChanged
  | NodeState
  | NodesRead
  | NodesUnreadable
  | NodeEntryRefused
  | LinesDropped
  | UserHeld
  | UserReleased
  | AccountsMissing
  | Bug;

/** Takes every event; must not throw and must not wait. */
export type Observer = (event: Event) => void;

/** Something in the configuration that is allowed, but seldom meant. */
export interface ConfigWarning {
  readonly event: 'configWarning';
  readonly line: number;
  readonly setting: string;
  readonly detail: string;
}

export interface Listening {
  readonly event: 'listening';
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
  readonly tls: 'none' | 'implicit' | 'starttls';
}

/** The admin listener is open. */
export interface AdminListening {
  readonly event: 'adminListening';
  readonly address: string;
  readonly port: number;
}

/** A certificate that clients are shown from now on. */
export interface CertificateInUse {
  readonly event: 'certificateInUse';
  readonly file: string;
  /** When it ends, ISO 8601. */
  readonly expires: string;
  /** Whether another one was in use before. */
  readonly renewed: boolean;
}

/** Lists of revoked certificates by which clients are judged from now on. */
export interface RevocationListInUse {
  readonly event: 'revocationListInUse';
  readonly file: string;
  /** When the first of them ends, ISO 8601; left out where none does. */
  readonly expires?: string;
  /** Whether others were in use before. */
  readonly renewed: boolean;
}

/** Other authorities vouch for clients from now on. */
export interface AuthoritiesRenewed {
  readonly event: 'authoritiesRenewed';
  readonly file: string;
}

/** All certificates, keys and lists were read again, as somebody asked for it. */
export interface CertificatesRead {
  readonly event: 'certificatesRead';
  /** Files that brought something new. */
  readonly renewed: number;
}

/** The configuration was read again, and what it says of these settings holds from now on. */
export interface ConfigRead {
  readonly event: 'configRead';
  /** Names of settings, `none` where there are none. */
  readonly changed: string;
  /** Those that are other ones too, but hold only after a restart. */
  readonly needsRestart?: string;
}

/** The configuration was read again and can't be used; nothing has changed. */
export interface ConfigRefused {
  readonly event: 'configRefused';
  readonly detail: string;
}

/** Files that were read again and can't be used; what was in use stays. */
export interface CertificateRefused {
  readonly event: 'certificateRefused';
  readonly file: string;
  readonly detail: string;
}

export interface Stopping {
  readonly event: 'stopping';
  readonly sessions: number;
}

export interface Stopped {
  readonly event: 'stopped';
}

interface Connection {
  readonly session: string;
  readonly protocol: string;
  /** IP address. */
  readonly client: string;
  readonly clientPort: number;
  /** IP address of the balancer that introduced the client, if one did, and its own name for the connection. */
  readonly balancer?: string;
  readonly balancerId?: string;
}

/** One login, with its result. */
export interface LoginEvent extends Connection {
  readonly event: 'login';
  readonly result: 'ok' | Reason;
  /** Account name where the directory knew one; else `#` and a keyed hash, since people type passwords as names. */
  readonly user: string;
  /** The account that proved itself, where it acts for the user. */
  readonly actedBy?: string;
  readonly mechanism: string;
  /** `TLSv1.3`, or `none`. */
  readonly tls: string;
  /** The name that the client asked for by SNI. */
  readonly serverName?: string;
  readonly node?: string;
  /** The node's name or pattern in the configuration, for metrics: `node` is as the directory gave it. */
  readonly nodeEntry?: string;
  readonly directoryMs?: number;
  /** How long it waited as its account was held. */
  readonly heldMs?: number;
  readonly nodeMs?: number;
  readonly ms: number;
  /** What an operator needs to know of a failure: what was tried, with what. */
  readonly detail?: string;
}

/** A client showed a certificate that is not trusted, and goes on without. */
export interface ClientCertificateRefused extends Connection {
  readonly event: 'clientCertificateRefused';
  /** RFC 4514, as the certificate has it. */
  readonly subject: string;
  readonly detail: string;
}

/** A member of a home that could not serve a login; another one did, or the login says the same of the last one. */
export interface MemberFailed {
  readonly event: 'memberFailed';
  readonly session: string;
  readonly protocol: string;
  readonly node: string;
  /** As in `LoginEvent`. */
  readonly nodeEntry?: string;
  readonly reason: Reason;
  readonly detail: string;
}

/** A node was found to take wrong proofs for right, so that it gets no logins; or to refuse them again. */
export interface NodeTrust {
  readonly event: 'nodeTrust';
  readonly node: string;
  /** As in `LoginEvent`. */
  readonly nodeEntry: string;
  readonly protocol: string;
  readonly trustsAnyone: boolean;
  readonly detail: string;
}

/** Whether a node takes wrong proofs could not be told for an hour; said once until it can. */
export interface NodeTrustUnknown {
  readonly event: 'nodeTrustUnknown';
  readonly node: string;
  /** As in `LoginEvent`. */
  readonly nodeEntry: string;
  readonly protocol: string;
  readonly detail: string;
}

/** The end of a relayed session. */
export interface SessionEnd extends Connection {
  readonly event: 'sessionEnd';
  readonly user: string;
  readonly node: string;
  /** Octets from the client and to the client. */
  readonly received: number;
  readonly sent: number;
  readonly ms: number;
  readonly endedBy: 'client' | 'node' | 'proxy';
  /**
   * `moved`: the directory says another home; `disabled`, `removed`, `held`, `passwordChanged`: as it says of the user;
   * `drained`: his node shall serve him no more; `rebalanced`: the member of his group that is to serve him is back.
   */
  readonly how:
    | 'closed'
    | 'reset'
    | 'timeout'
    | 'stopping'
    | 'moved'
    | 'disabled'
    | 'removed'
    | 'held'
    | 'passwordChanged'
    | 'drained'
    | 'rebalanced';
}

/** A connection that ended without a session. */
export interface ConnectionEnd extends Connection {
  readonly event: 'connectionEnd';
  /**
   * `healthCheck`: a balancer asked whether we are there; `badProxyHeader`: it did not introduce its client as it must;
   * `strayProxyHeader`: it did, though the listener does not take that.
   */
  readonly how:
    | DepartureCause
    | 'healthCheck'
    | 'badProxyHeader'
    | 'strayProxyHeader'
    | 'draining'
    | 'evicted'
    | 'bug';
  readonly ms: number;
  readonly detail?: string;
}

/** A connection that was not let in. */
export interface ConnectionRefused {
  readonly event: 'connectionRefused';
  readonly protocol: string;
  readonly client: string;
  readonly why:
    | 'tooManyConnections'
    | 'memoryScarce'
    | 'descriptorsScarce'
    | 'acceptFailed'
    | 'untrustedBalancer';
  readonly detail?: string;
}

/** There is more or less left than before of what the process may have. */
export interface ShortageEvent {
  readonly event: 'shortage';
  readonly resource: Resource;
  /** `scarce` is kept for the clients that are there; where it is `spent`, others are closed without a word. */
  readonly supply: 'enough' | 'scarce' | 'spent';
  readonly detail?: string;
}

/** Failed logins of one address, network or user became too many; said once for as long as they are counted. */
export interface ThrottleStart {
  readonly event: 'throttleStart';
  /** What they are counted by. */
  readonly kind: CounterKind;
  /** As in `LoginEvent`, where they are a user's. */
  readonly user?: string;
  /** The name by which he logs in, where that is not the account's. */
  readonly loginName?: string;
  /** The IPv4 address or IPv6 network, where they are of one. */
  readonly client?: string;
}

/** An operator had the failed logins of a user, or of an address, forgotten. */
export interface ThrottleForgotten {
  readonly event: 'throttleForgotten';
  /** As the operator typed it. */
  readonly user?: string;
  readonly client?: string;
  /** How many counts there were. */
  readonly counts: number;
  /** As he says himself, from this IP address. */
  readonly operator: string;
  readonly from: string;
}

/** An operator has a user's logins wait at this proxy. */
export interface UserHeld {
  readonly event: 'userHeld';
  readonly user: string;
  readonly forMs: number;
  /** How many sessions end for that. */
  readonly sessions: number;
  /** As he says himself, from this IP address. */
  readonly operator: string;
  readonly from: string;
}

/** An operator lets a user go on whom he held. */
export interface UserReleased {
  readonly event: 'userReleased';
  readonly user: string;
  readonly operator: string;
  readonly from: string;
}

/** Events of one kind and one client that have no log line of their own, as there were many. */
export interface Repeated {
  readonly event: 'repeated';
  readonly what: 'login' | 'connectionRefused' | 'connectionEnd' | 'throttleStart';
  /** `-` where they are of all protocols, or clients. */
  readonly protocol: string;
  readonly client: string;
  /** The result of the logins, why the connections were refused or ended, or what throttled failures are counted by. */
  readonly why: string;
  /** Left out since the last line. */
  readonly count: number;
}

/** A directory server became usable or unusable. */
export interface DirectoryState {
  readonly event: 'directoryState';
  readonly server: string;
  readonly up: boolean;
  readonly detail?: string;
}

/** How the changes of a directory are learned of has changed. */
export interface FollowState {
  readonly event: 'followState';
  /** An LDAP URL with the base, or the path of a file. */
  readonly directory: string;
  readonly following: FollowMode;
  /** Which server tells them, or why nobody does. */
  readonly detail?: string;
}

/** A directory told of a change that may matter; for the metrics. */
export interface DirectoryChanged {
  readonly event: 'directoryChange';
  /** As in `FollowState`. */
  readonly directory: string;
  readonly kind: DirectoryChange['kind'];
}

/** A node became one that logins are kept from, or is one no more; said once for each change. */
export interface NodeState {
  readonly event: 'nodeState';
  readonly node: string;
  /** As in `LoginEvent`. */
  readonly nodeEntry: string;
  /** By which it was spoken to: its services fail each by itself. */
  readonly protocol: string;
  /** `forgotten`: it was down, and no login has wanted it for long, or it is another one now. */
  readonly state: 'up' | 'down' | 'forgotten';
  readonly detail?: string;
}

/** The nodes of a directory were read, and are others than before. */
export interface NodesRead {
  readonly event: 'nodesRead';
  /** An LDAP URL with the base. */
  readonly directory: string;
  readonly nodes: number;
  readonly groups: number;
}

/** The nodes of a directory can't be read; said once until they are. */
export interface NodesUnreadable {
  readonly event: 'nodesUnreadable';
  readonly directory: string;
  readonly detail: string;
}

/** An entry that can't be a node or a group; said once for what is wrong with it. */
export interface NodeEntryRefused {
  readonly event: 'nodeEntryRefused';
  readonly directory: string;
  /** Its DN, or the name that is taken. */
  readonly entry: string;
  readonly detail: string;
}

/** No server of a directory answers, so logins go by what is remembered of it; or one does again. */
export interface DirectoryStale {
  readonly event: 'directoryStale';
  readonly directory: string;
  readonly stale: boolean;
}

/** Log lines that were lost, as nobody read them; the log says it of itself when it's read again. */
export interface LinesDropped {
  readonly event: 'linesDropped';
  readonly lines: number;
}

/** Accounts with sessions are not in the directory any more, and too many at once for that to be believed. */
export interface AccountsMissing {
  readonly event: 'accountsMissing';
  readonly missing: number;
  readonly sessions: number;
}

/** An exception that nobody expected. */
export interface Bug {
  readonly event: 'bug';
  readonly session?: string;
  readonly detail: string;
  readonly stack?: string;
}
