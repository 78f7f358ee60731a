import type { WireAnswer } from '../auth/failure.ts';
import type { Proof, SaslClient, SaslServer, SaslServerFactory } from '../auth/sasl.ts';
import type { Channel } from './channel.ts';
import type { Address, Detached, TlsState } from './transport.ts';

/** A mail protocol as the program sees it: one value per protocol, and nothing outside its folder knows more. */
export interface MailProtocol {
  /** Lower case, as in configuration, log and directory: `imap`. */
  readonly name: string;
  /** IANA's; `tls` is TLS from the start, which not every protocol has a port for. */
  readonly ports: { readonly clear: number; readonly tls?: number };
  /** Kinds of nodes whose software does not speak it. */
  readonly absentFrom: readonly string[];
  /** RFC 7301 name, so that no other protocol's TLS client can be led here. */
  readonly alpn: string;
  /** What a client is told instead of a greeting when it can't be served now. */
  readonly refusal: string;
  /** Whether this line is how a node greets who may log in. */
  isGreeting(line: string): boolean;
  frontend(channel: Channel, terms: FrontendTerms): Frontend;
  /** Logs in at a node; ends with the node's OK or throws. @throws {LoginFailure} when the node or its proof fails. */
  login(channel: Channel, terms: NodeTerms): Promise<NodeSession>;
}

/** What the frontend may offer on this listener. */
export interface FrontendTerms {
  readonly greeting: string;
  /** What clients are told before a login that the nodes can do; the protocol's own list if it is left out. */
  readonly capabilities?: readonly string[] | undefined;
  /**
   * The mechanisms that will work on this connection, in clear text or with this TLS, by name and in the order in
   * which they are advertised.
   */
  readonly mechanisms: (tls: TlsState | undefined) => ReadonlyMap<string, SaslServerFactory>;
  /** Longest line of a SASL exchange, and of the command that begins one: tokens are longer than passwords. */
  readonly maxSaslOctets: number;
  /** Makes APOP for a POP3 connection (RFC 1939 section 7); absent where it is not offered. */
  readonly apop?: () => Apop;
  /** Whether STARTTLS or STLS is offered while the connection is in clear text. */
  readonly startTls: boolean;
  /** Is told of the TLS that STARTTLS or STLS has begun. */
  readonly onStartTls?: (tls: TlsState | undefined) => void;
  /** Whether logins are taken in clear text. */
  readonly allowPlaintext: boolean;
  /** Unauthenticated time in all; it stands still while a submitted login is worked on. */
  readonly unauthenticatedMs: number;
  /** The most failed logins on one connection. */
  readonly maxFailures: number;
}

/** POP3's APOP, which is no SASL mechanism but works like one. */
export interface Apop {
  /** Stands in the greeting, which is the offer. */
  readonly timestamp: string;
  /** Judges what a client sends behind the command, each time anew. */
  readonly server: SaslServer;
}

/** The proxy's side towards the client, until a login succeeds. */
export interface Frontend {
  greet(): Promise<void>;
  /** Serves commands until one of them is a login, is refused for policy, or the client is gone. */
  next(): Promise<LoginAttempt | Refusal | Departure>;
  /** Says why the connection ends and closes it; for a frontend that waits for a command. */
  bye(answer: WireAnswer): void;
}

/** What became of the last message of a mechanism: whether the client took it, did not, or is not there to say so. */
export type Conclusion = 'received' | 'cancelled' | 'gone';

/** A login that the client asks for; exactly one of `accept` and `reject` follows. */
export interface LoginAttempt {
  readonly kind: 'login';
  readonly proof: Proof;
  /** SASL mechanism, or the command that carried the password: `PLAIN`, `LOGIN command`, `USER`. */
  readonly mechanism: string;
  readonly tls: TlsState | undefined;
  /** How many more proxies the client, if it is one, allows to follow; `undefined` if it did not say. */
  readonly ttl: number | undefined;
  /** Aborts when the client is gone, so that nothing is done for it any more. */
  readonly abandoned: AbortSignal;
  /**
   * Says what the mechanism says last to a client that proved itself, which is as good as saying that its password is
   * right: to be called once, when the login is admitted. The login may only go on when it was received.
   */
  conclude(): Promise<Conclusion>;
  /** Tells the client that its login takes long, where the protocol can: clients give up what is silent. */
  waiting(): void;
  /** Tells the client that it is in, and gives up the connection for the relay. */
  accept(welcome: NodeWelcome): Detached;
  /** Tells the client why not; `reference` helps to find the log line. The connection goes on. */
  reject(answer: WireAnswer, reference: string): void;
}

/** A login that was refused unseen, and is answered already. */
export interface Refusal {
  readonly kind: 'refused';
  readonly reason: 'tlsRequired';
}

/** The client's end before a login. */
export interface Departure {
  readonly kind: 'departed';
  readonly how: DepartureCause;
  /** What went wrong, for the log. */
  readonly detail?: string;
}
export type DepartureCause =
  | 'logout'
  | 'disconnected'
  | 'timeout'
  | 'tooManyBadCommands'
  | 'tooManyFailures'
  | 'tooLong'
  | 'notMail'
  | 'tlsFailed';

/** Whose connection it is, for the node's log and limits, and what the node must be told of the account. */
export interface Origin {
  readonly client: Address;
  readonly listener: Address;
  readonly sessionId: string;
  /** How many more proxies may follow. */
  readonly ttl: number;
  readonly forwarded: ReadonlyMap<string, string>;
}

/** How to speak to a node. */
export interface NodeTerms {
  /** Whether TLS is to be started by the protocol's command before anything is said. */
  readonly startTls: boolean;
  readonly sasl: SaslClient;
  /** What to announce, by ID or XCLIENT; `undefined` for a node that would choke on it. */
  readonly announce: Origin | undefined;
  /** Whether it may offer UNAUTHENTICATE, by which a client could leave its login and speak on as the proxy. */
  readonly allowUnauthenticate?: boolean | undefined;
}

/** What the node said of itself when it let us in. */
export interface NodeWelcome {
  /** IMAP capabilities after login; empty in protocols whose clients ask the node themselves. */
  readonly capabilities: readonly string[];
}

/** A node's connection, logged in. */
export interface NodeSession extends Detached {
  readonly welcome: NodeWelcome;
}
