import type { Delegate } from '../auth/delegates.ts';
import type { LdapFollowOptions } from '../auth/ldap/follow.ts';
import type { DecoyShape } from '../auth/mechanisms/disguise.ts';
import type { CertificateMap } from '../auth/mechanisms/external.ts';
import type { NameOptions } from '../auth/names.ts';
import type { Secret } from '../auth/secret.ts';
import type { Trust } from '../auth/trust.ts';
import type { NodeEntryTerms } from './config/node-entries.ts';
import type { Networks } from './networks.ts';

/**
 * What the program runs on: the configuration after it was read, checked, given its defaults, and its files were
 * read. Times are in milliseconds, sizes in octets. How it is written down in YAML is `config.ts`'s matter alone.
 */
export interface Settings {
  /** Who may act for others. */
  readonly delegates?: readonly Delegate[];
  readonly listeners: readonly ListenerSettings[];
  readonly nodes: readonly NodeSettings[];
  readonly groups?: readonly GroupSettings[];
  /** `undefined` where only the configuration has nodes. */
  readonly nodesFrom?: NodesFromSettings | undefined;
  readonly times: TimeSettings;
  readonly limits: LimitSettings;
  /** Logins alone find out, if it is left out. */
  readonly health?: HealthSettings;
  /** What ends sessions that go on; a moved, disabled or removed user does if it is left out. */
  readonly endSessions?: SessionEndSettings;
  /** IP addresses of ours that connections to nodes leave from in turn; none lets the system choose. */
  readonly sourceAddresses?: readonly string[];
  readonly names: NameOptions;
  /** Whose a client's certificate is; `undefined` where certificates let nobody in. */
  readonly external?: CertificateMap | undefined;
  /** Balancers that introduce nobody: their clients share one address, so no limit per address holds for it. */
  readonly balancers?: Networks;
  /** What SCRAM tells of unknown names; new salts at each start if it is left out. */
  readonly decoys?: DecoySettings | undefined;
}

/** What SCRAM tells of names that have no key. */
export interface DecoySettings {
  /** Of what their salts are made: the same at each start and, best, on all proxies of a cluster. */
  readonly secret: Secret | undefined;
  /** Where the secret comes from: a file of its own, this proxy's key, or nowhere, so that it is new at each start. */
  readonly source: 'file' | 'key' | 'chance';
  /** `undefined` gives them what most accounts have that were seen. */
  readonly shape: DecoyShape | undefined;
}

export interface ListenerSettings {
  /** By name, as `imap`. */
  readonly protocol: string;
  readonly address: string;
  /** 0 lets the system choose one. */
  readonly port: number;
  readonly tls: ListenerTls;
  /** Takes logins in clear text. Refused in a configuration unless it's asked for by this name. */
  readonly allowPlaintext: boolean;
  /** The balancers that introduce each of its connections by a PROXY header; nobody else may connect then. */
  readonly introducedBy?: Networks;
  /** Of login names without one, on this listener. */
  readonly domains?: ListenerDomains;
  readonly greeting: string;
  /** What clients are told before a login that the nodes can do; the protocol's own list if it is left out. */
  readonly capabilities?: readonly string[] | undefined;
  /** Names of the mechanisms that may be offered, in the order of preference. */
  readonly mechanisms: readonly string[];
}

/** Which domain a login name without one has, by where its client connected to. */
export interface ListenerDomains {
  readonly default: string | undefined;
  /** By local IP address; goes before the default. */
  readonly byAddress: ReadonlyMap<string, string>;
}

export type ListenerTls =
  | { readonly mode: 'none' }
  | (Credentials & {
      readonly mode: 'implicit' | 'starttls';
      readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
      /** OpenSSL's list for TLS 1.2; `undefined` is the safe default. */
      readonly ciphers: string | undefined;
      /** Where the credentials come from; without it they never change. */
      readonly source?: CredentialSource;
    });

/** A certificate, with the chain behind it, and its private key. */
export interface KeyPair {
  /** PEM. */
  readonly certificate: Buffer;
  /** PEM. */
  readonly key: Secret;
}

/** How a listener proves who it is, and whom it believes. The pair itself is for clients that ask for no other name. */
export interface Credentials extends KeyPair {
  /** Pairs for other names, or of another kind of key for the same. */
  readonly others?: readonly KeyPair[];
  /** Whose certificates clients may show; `undefined` asks for none. */
  readonly clients: ClientAuthorities | undefined;
}

/** The files of credentials. */
export interface CredentialSource {
  /** Their paths: certificate and key of each pair, then those that judge clients. */
  readonly files: readonly string[];
  /** The one of them that holds lists of revoked certificates. */
  readonly listsFile?: string | undefined;
  /** Reads and checks them again, each part by itself. */
  read(): readonly CredentialPart[];
}

/** What takes the place of a part of credentials. */
export type Renewal =
  | { readonly kind: 'pair'; readonly index: number; readonly pair: KeyPair }
  | { readonly kind: 'authorities'; readonly authorities: Buffer }
  | { readonly kind: 'revocations'; readonly revocations: readonly RevocationList[] };

/** A part of credentials that was read again; or what is wrong with it, and nothing secret. */
export type CredentialPart = { readonly file: string } & (
  | Renewal
  | { readonly kind: 'refused'; readonly why: string }
);

/** Who vouches for clients. */
export interface ClientAuthorities {
  /** PEM. */
  readonly authorities: Buffer;
  /** With any, a certificate is trusted only by an authority that has one. */
  readonly revocations: readonly RevocationList[];
}

/** A list of revoked certificates (RFC 5280 section 5). */
export interface RevocationList {
  /** PEM. */
  readonly pem: Buffer;
  /** When it ends (`nextUpdate`): then clients of its authority are refused. */
  readonly until: Date | undefined;
}

/** Nodes and groups that are entries of a directory. */
export interface NodesFromSettings {
  /** For log and metrics: an LDAP URL with the base. */
  readonly name: string;
  readonly source: LdapFollowOptions;
  readonly entries: NodeEntryTerms;
}

/** What a node may be given: users, only those who have no other place, or nobody. */
export type NodeState = 'up' | 'draining' | 'down';

/** Nodes behind one name. */
export interface GroupSettings {
  readonly name: string;
  /** Of `shared` storage, all sessions of a user meet on one member; `replicas` are chosen for each service by itself. */
  readonly kind: 'shared' | 'replicas';
  readonly members: readonly GroupMember[];
  /** The services that clients can ask for; whatever its members have if it is left out. */
  readonly services?: readonly string[];
}

export interface GroupMember {
  /** Name of a node, as the node table knows it. */
  readonly node: string;
  /** Its share of the users, above 0; the node's own if it is left out. */
  readonly weight?: number | undefined;
  /** 1 is the best; others are spares. */
  readonly priority: number;
}

export interface NodeSettings {
  /** As the directory says it; a `*` stands for one label or a part of it, and then `host` is the name itself. */
  readonly name: string;
  /** Host name or address; `undefined` takes the name that the directory gave. */
  readonly host: string | undefined;
  /** How the node takes what it must be told: by ID or XCLIENT, in the user name, or not at all. */
  readonly kind: 'dovecot' | 'courier' | 'generic';
  /** Port by protocol name. */
  readonly ports: ReadonlyMap<string, number>;
  readonly tls: NodeTls;
  readonly trust: Trust;
  /** Names of forwarded values that this node must be given; a login without one of them fails closed. */
  readonly required: readonly string[];
  /** Takes a node that offers UNAUTHENTICATE (Cyrus). */
  readonly allowUnauthenticate?: boolean | undefined;
  /** `up` if it is left out. */
  readonly state?: NodeState;
  /** Its share of the users of a group, above 0; 1 if it is left out. */
  readonly weight?: number;
}

export type NodeTls =
  | { readonly mode: 'none' }
  | {
      readonly mode: 'implicit' | 'starttls';
      /** PEM of the authorities that may vouch for the node; `undefined` takes the system's. */
      readonly ca: Buffer | undefined;
      /** Name that the certificate must have; `undefined` takes the host. */
      readonly serverName: string | undefined;
      /** SHA-256 of the node's certificate, lower-case hex: then this alone decides, not the CA or the name. */
      readonly pin: string | undefined;
    };

export interface TimeSettings {
  /** From the connection to the end of a balancer's PROXY header. */
  readonly proxyHeaderMs: number;
  readonly unauthenticatedMs: number;
  readonly tlsHandshakeMs: number;
  /** Directory work in all for one login. */
  readonly directoryMs: number;
  /** Node phase over all members of a home. */
  readonly nodeMs: number;
  readonly connectMs: number;
  /** Connecting, and greeting with proof, while another member is left. */
  readonly connectWithSpareMs: number;
  readonly loginWithSpareMs: number;
  /** A failed login is answered this long after it was sent, at the earliest. */
  readonly failureMs: number;
  /** From one trial of a node's trust to the next; `undefined` for none. */
  readonly trustCheckMs?: number | undefined;
  /** How long the other direction may go on after one side's FIN. */
  readonly halfCloseMs: number;
  /** How long a login waits whose account is held; 0, or left out, for not at all. */
  readonly holdMs?: number;
  /** Over how long the clients of a dead node are sent away; 0, or left out, for at once. */
  readonly spreadMs?: number;
}

/** How it is found out whether nodes work. */
export interface HealthSettings {
  /** How a node is tried that is down: by connecting, by its greeting, or by logins alone. */
  readonly probe: 'tcp' | 'greeting' | 'off';
  /** How long a node that is down is left alone between two trials. */
  readonly everyMs: number;
  /** Whether all nodes are probed as often, down or not. */
  readonly all: boolean;
}

/** When sessions end that could go on. */
export interface SessionEndSettings {
  /** How long those of a user may go on who was moved; they end as soon as they are quiet. */
  readonly movedWithinMs: number;
  /** How many are moved in a second from a node that drains, or back to one that has returned. */
  readonly movedPerSecond: number;
  /** Whether those of a user end who was disabled or removed. */
  readonly disabled: boolean;
  /** Whether those end that began by a password which was changed. */
  readonly passwordChanged: boolean;
}

export interface LimitSettings {
  readonly connections: number;
  /** In octets; what the machine or its container has if it is left out. */
  readonly memory?: number | undefined;
  /** Failed logins on one connection. */
  readonly failures: number;
  /** Connections that are not logged in; `undefined` for no limit, also below. */
  readonly unauthenticated?: number | undefined;
  readonly unauthenticatedPerAddress?: number | undefined;
  /** Of a /48 of IPv6. */
  readonly unauthenticatedPerNetwork?: number | undefined;
  /** Logins that connect to one node at the same time. */
  readonly connectingPerNode?: number | undefined;
  /** Logins that wait as their account is held. */
  readonly held?: number | undefined;
  readonly sessionsPerUser?: number | undefined;
  readonly sessionsPerUserAndAddress?: number | undefined;
}
