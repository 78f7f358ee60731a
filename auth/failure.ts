/** Why a login did not succeed: the one vocabulary of log, metrics and admin interface. */
export type Reason =
  | 'unknownUser'
  | 'wrongPassword'
  | 'badName'
  | 'locked'
  | 'expired'
  | 'mustChange'
  | 'disabled'
  | 'serviceForbidden'
  | 'notAuthorized'
  | 'tlsRequired'
  | 'tooManySessions'
  | 'noHome'
  | 'homeNotAllowed'
  | 'held'
  | 'directoryDown'
  | 'directoryFault'
  | 'nodeUnreachable'
  | 'nodeTlsFailed'
  | 'nodeRefusedProxy'
  | 'nodeBrokeProtocol'
  | 'nodeLimit'
  | 'nodeInUse'
  | 'loop'
  | 'draining'
  | 'abandoned'
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
  | 'inUse';

/** What each reason tells the client. A node or directory that fails must never look like a wrong password. */
export const WIRE_ANSWER: Readonly<Record<Reason, WireAnswer>> = {
  unknownUser: 'badCredentials',
  wrongPassword: 'badCredentials',
  badName: 'badCredentials',
  // slapd tells "locked" to wrong passwords too, so it may not be told apart from them.
  locked: 'badCredentials',
  expired: 'expired',
  mustChange: 'expired',
  disabled: 'disabled',
  serviceForbidden: 'disabled',
  notAuthorized: 'notAuthorized',
  tlsRequired: 'tlsRequired',
  tooManySessions: 'tooMany',
  noHome: 'contactAdmin',
  homeNotAllowed: 'contactAdmin',
  held: 'unavailable',
  directoryDown: 'unavailable',
  directoryFault: 'unavailable',
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
  bug: 'unavailable',
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
