/** Why a login did not succeed: the one vocabulary of log, metrics and admin interface. */
export type Reason =
  | 'unknownUser'
  | 'wrongPassword'
  | 'badName'
  | 'badToken'
  | 'tokenExpired'
  | 'tokenUnfit'
  | 'badCertificate'
  | 'noStoredKey'
  | 'channelBinding'
  | 'locked'
  | 'expired'
  | 'mustChange'
  | 'disabled'
  | 'serviceForbidden'
  | 'notAuthorized'
  | 'tlsRequired'
  | 'throttled'
  | 'tooManySessions'
  | 'noHome'
  | 'homeNotAllowed'
  | 'held'
  | 'directoryDown'
  | 'directoryFault'
  | 'providerDown'
  | 'nodeUnreachable'
  | 'nodeTlsFailed'
  | 'nodeRefusedProxy'
  | 'nodeBrokeProtocol'
  | 'nodeLimit'
  | 'nodeInUse'
  | 'loop'
  | 'draining'
  | 'abandoned'
  | 'cancelled'
  | 'bug';

/** What a client may be told. Each protocol has one table that says it in its own words. */
export type WireAnswer =
  | 'badCredentials'
  | 'notAuthorized'
  | 'expired'
  | 'disabled'
  | 'contactAdmin'
  | 'tlsRequired'
  | 'tooMany'
  | 'unavailable'
  | 'inUse'
  /** It ended its own login, by not taking what the mechanism says last. */
  | 'cancelled'
  /** Nothing was judged: the client's binding is not to our TLS, or of a kind that we do not have. */
  | 'unbound';

/** What each reason tells the client. A node or directory that fails must never look like a wrong password. */
export const WIRE_ANSWER: Readonly<Record<Reason, WireAnswer>> = {
  unknownUser: 'badCredentials',
  wrongPassword: 'badCredentials',
  badName: 'badCredentials',
  badToken: 'badCredentials',
  // Of a provider, but not of now; or not for this service: of another audience, scope, kind or domain.
  tokenExpired: 'badCredentials',
  tokenUnfit: 'badCredentials',
  badCertificate: 'badCredentials',
  // The account has nothing stored that the mechanism can work with, or its entry is at fault. Only the log may say so: else anyone could ask
  // which names are accounts, since an unknown one is refused as a wrong proof; and the throttle counts both alike.
  noStoredKey: 'badCredentials',
  channelBinding: 'unbound',
  // slapd tells "locked" to wrong passwords too, so it may not be told apart from them.
  locked: 'badCredentials',
  expired: 'expired',
  mustChange: 'expired',
  disabled: 'disabled',
  serviceForbidden: 'disabled',
  notAuthorized: 'notAuthorized',
  tlsRequired: 'tlsRequired',
  // Never as a wrong password, which a client would forget.
  throttled: 'unavailable',
  tooManySessions: 'tooMany',
  noHome: 'contactAdmin',
  homeNotAllowed: 'contactAdmin',
  held: 'unavailable',
  directoryDown: 'unavailable',
  directoryFault: 'unavailable',
  providerDown: 'unavailable',
  nodeUnreachable: 'unavailable',
  nodeTlsFailed: 'unavailable',
  nodeRefusedProxy: 'unavailable',
  nodeBrokeProtocol: 'unavailable',
  nodeLimit: 'tooMany',
  nodeInUse: 'inUse',
  loop: 'contactAdmin',
  draining: 'unavailable',
  // Nobody is there to be told.
  abandoned: 'unavailable',
  cancelled: 'cancelled',
  bug: 'unavailable',
};

/** Whether a failure may have been a guess at somebody's credentials, which the throttle counts. */
export function countsAsGuess(reason: Reason): boolean {
  return !GENUINE.has(reason) && COUNTS_AS_GUESS[WIRE_ANSWER[reason]];
}

/** The provider itself made these tokens: nobody guessed them, and many honest clients go on with one that has expired. */
const GENUINE: ReadonlySet<Reason> = new Set<Reason>(['tokenExpired', 'tokenUnfit']);

const COUNTS_AS_GUESS: Readonly<Record<WireAnswer, boolean>> = {
  badCredentials: true,
  notAuthorized: true,
  expired: false,
  disabled: false,
  contactAdmin: false,
  tlsRequired: false,
  tooMany: false,
  unavailable: false,
  inUse: false,
  cancelled: false,
  unbound: false,
};

/** A login that can't go on. `message` and `cause` are for the log, never for a peer. */
export class LoginFailure extends Error {
  override readonly name = 'LoginFailure';
  readonly reason: Reason;

  constructor(reason: Reason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}

/** An entry that is there and can't be used, or several where there may be one: the directory's others are well. */
export class EntryFault extends LoginFailure {
  constructor(message: string) {
    super('directoryFault', message);
  }
}

/** No server of a directory gave an answer, whatever it might have been: what is remembered may stand in for it. */
export class NobodyAnswered extends LoginFailure {
  constructor(message: string, options?: ErrorOptions) {
    super('directoryDown', message, options);
  }
}
