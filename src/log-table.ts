import type { Event, LoginEvent, NodeState, ShortageEvent } from './events.ts';

export type Level = 'error' | 'warn' | 'info' | 'debug';

/** How an event is written: `error` asks an admin to act, and the message never holds data. */
export interface Entry {
  readonly level: Level;
  readonly message: string;
}

/** The level and the message of an event: the one table of what the log says. */
export function entryFor(event: Event): Entry {
  switch (event.event) {
    case 'login':
      return LOGIN[event.result];
    case 'connectionEnd':
      return { level: CONNECTION_END[event.how], message: 'connection ended without a login' };
    case 'certificateInUse':
      return event.renewed ? CERTIFICATE_RENEWED : CERTIFICATE_AT_START;
    case 'revocationListInUse':
      return event.renewed ? LISTS_RENEWED : LISTS_AT_START;
    case 'nodeTrust':
      return event.trustsAnyone ? NODE_TRUSTS_ANYONE : NODE_REFUSES_AGAIN;
    case 'directoryStale':
      return event.stale ? DIRECTORY_STALE : DIRECTORY_FRESH;
    case 'directoryState':
      return event.up ? DIRECTORY_UP : DIRECTORY_DOWN;
    case 'followState':
      return event.following === 'off' ? FOLLOWING_NOT : FOLLOWING;
    case 'nodeState':
      return NODE_STATE[event.state];
    case 'configRead':
      return event.needsRestart === undefined ? CONFIG_READ : CONFIG_READ_IN_PART;
    case 'shortage':
      return SHORTAGE[event.supply];
    case 'configWarning':
    case 'listening':
    case 'adminListening':
    case 'stopping':
    case 'stopped':
    case 'memberFailed':
    case 'sessionEnd':
    case 'clientCertificateRefused':
    case 'authoritiesRenewed':
    case 'certificatesRead':
    case 'configRefused':
    case 'certificateRefused':
    case 'connectionRefused':
    case 'throttleStart':
    case 'throttleForgotten':
    case 'userHeld':
    case 'userReleased':
    case 'directoryChange':
    case 'nodeTrustUnknown':
    case 'nodesRead':
    case 'nodesUnreadable':
    case 'nodeEntryRefused':
    case 'accountsMissing':
    case 'repeated':
    case 'linesDropped':
    case 'bug':
      return OTHER[event.event];
  }
}

const LOGIN: Readonly<Record<LoginEvent['result'], Entry>> = {
  ok: { level: 'info', message: 'logged in' },
  unknownUser: { level: 'info', message: 'login failed: no such user' },
  wrongPassword: { level: 'info', message: 'login failed: wrong password' },
  badName: { level: 'info', message: 'login failed: not a valid login name' },
  badToken: { level: 'info', message: 'login failed: token is not valid' },
  tokenExpired: { level: 'info', message: 'login failed: token has expired, or is not valid yet' },
  tokenUnfit: { level: 'info', message: 'login failed: token is not for logins here' },
  badCertificate: { level: 'info', message: 'login failed: certificate is of no account' },
  noStoredKey: {
    level: 'warn',
    message: 'login failed: nothing is stored that this mechanism can work with',
  },
  channelBinding: { level: 'warn', message: 'login failed: not bound to this TLS connection' },
  locked: { level: 'info', message: 'login failed: account is locked' },
  expired: { level: 'info', message: 'login failed: password has expired' },
  mustChange: { level: 'info', message: 'login failed: password must be changed' },
  disabled: { level: 'info', message: 'login failed: account is disabled' },
  serviceForbidden: { level: 'info', message: 'login failed: account may not use this service' },
  notAuthorized: { level: 'warn', message: 'login failed: may not act for this user' },
  tlsRequired: { level: 'info', message: 'login failed: sent in clear text' },
  throttled: { level: 'info', message: 'login failed: too many failed logins' },
  tooManySessions: { level: 'warn', message: 'login failed: too many sessions' },
  noHome: { level: 'error', message: 'login failed: account has no home node' },
  homeNotAllowed: { level: 'error', message: 'login failed: home node is not in the configuration' },
  held: { level: 'info', message: 'login failed: account is held' },
  directoryDown: { level: 'error', message: 'login failed: directory can not be used' },
  providerDown: { level: 'error', message: 'login failed: identity provider can not be used' },
  directoryFault: { level: 'error', message: 'login failed: directory data is at fault' },
  nodeUnreachable: { level: 'error', message: 'login failed: node is unreachable' },
  nodeTlsFailed: { level: 'error', message: 'login failed: no trusted TLS to the node' },
  nodeRefusedProxy: { level: 'error', message: 'login failed: node does not believe this proxy' },
  nodeBrokeProtocol: { level: 'error', message: 'login failed: node broke its protocol' },
  nodeLimit: { level: 'warn', message: 'login failed: node has too many sessions' },
  nodeInUse: { level: 'info', message: 'login failed: mailbox is in use' },
  loop: { level: 'error', message: 'login failed: node leads back to a proxy' },
  draining: { level: 'info', message: 'login failed: proxy is stopping' },
  abandoned: { level: 'info', message: 'login failed: client left before the answer' },
  cancelled: { level: 'info', message: 'login failed: client ended it when its proof had been found right' },
  bug: { level: 'error', message: 'login failed: bug in the proxy' },
};

// Health checks and port scans come and go all day, so their ends are for debugging only.
const CONNECTION_END: Readonly<Record<Extract<Event, { event: 'connectionEnd' }>['how'], Level>> = {
  logout: 'debug',
  disconnected: 'debug',
  timeout: 'info',
  tooManyBadCommands: 'info',
  tooManyFailures: 'info',
  tooLong: 'info',
  notMail: 'info',
  // While the listener does not expect it, no client of this balancer is served.
  strayProxyHeader: 'warn',
  tlsFailed: 'info',
  healthCheck: 'debug',
  // Only who may introduce clients gets so far: while it does it wrongly, none of its clients is served.
  badProxyHeader: 'warn',
  draining: 'info',
  evicted: 'info',
  // The event `bug` beside it is the error.
  bug: 'info',
};

const CERTIFICATE_RENEWED: Entry = { level: 'info', message: 'certificate was renewed' };
// What is in use at the start is what the configuration says.
const CERTIFICATE_AT_START: Entry = { level: 'debug', message: 'certificate is in use' };
const LISTS_RENEWED: Entry = { level: 'info', message: 'lists of revoked certificates were renewed' };
const LISTS_AT_START: Entry = { level: 'debug', message: 'lists of revoked certificates are in use' };
const NODE_TRUSTS_ANYONE: Entry = { level: 'error', message: 'node trusts anyone, it gets no logins' };
const NODE_REFUSES_AGAIN: Entry = {
  level: 'info',
  message: 'node refuses wrong proofs again, or is gone',
};
const DIRECTORY_STALE: Entry = {
  level: 'warn',
  message: 'no server of the directory answers, logins go by what is remembered',
};
const DIRECTORY_FRESH: Entry = { level: 'info', message: 'directory answers again' };
const DIRECTORY_UP: Entry = { level: 'info', message: 'directory server is usable' };
// Another server may stand in; logins that find none are errors by themselves.
const DIRECTORY_DOWN: Entry = { level: 'warn', message: 'directory server is not usable' };

const FOLLOWING: Entry = { level: 'info', message: 'directory is followed' };
// Logins ask the directory itself; what is late is that changes reach sessions that go on.
const FOLLOWING_NOT: Entry = { level: 'warn', message: 'directory is not followed, changes are not seen' };
const NODE_STATE: Readonly<Record<NodeState['state'], Entry>> = {
  up: { level: 'info', message: 'node works again' },
  down: { level: 'error', message: 'node is down: logins are not tried there, but for one now and then' },
  forgotten: { level: 'info', message: 'node that was down is wanted no more, or is another one now' },
};

const CONFIG_READ: Entry = { level: 'info', message: 'configuration was read again' };
const CONFIG_READ_IN_PART: Entry = {
  level: 'warn',
  message: 'configuration was read again, some of what has changed needs a restart',
};

const SHORTAGE: Readonly<Record<ShortageEvent['supply'], Entry>> = {
  enough: { level: 'info', message: 'there is enough again, clients are let in' },
  scarce: {
    level: 'error',
    message: 'what is left is kept for the clients that are there, others are refused',
  },
  spent: { level: 'error', message: 'nothing is left, clients that come are closed without a word' },
};

const OTHER: Readonly<
  Record<
    Exclude<
      Event['event'],
      | 'login'
      | 'connectionEnd'
      | 'certificateInUse'
      | 'revocationListInUse'
      | 'nodeTrust'
      | 'directoryStale'
      | 'directoryState'
      | 'followState'
      | 'nodeState'
      | 'shortage'
      | 'configRead'
    >,
    Entry
  >
> = {
  configWarning: { level: 'warn', message: 'doubtful configuration' },
  listening: { level: 'info', message: 'listening' },
  adminListening: { level: 'info', message: 'listening for admins' },
  stopping: { level: 'info', message: 'stopping' },
  stopped: { level: 'info', message: 'stopped' },
  // The login went on to another member; that this one failed is for someone to look at.
  memberFailed: { level: 'warn', message: 'node failed, another one serves the login' },
  authoritiesRenewed: { level: 'info', message: 'authorities for client certificates were renewed' },
  certificatesRead: { level: 'info', message: 'certificates, keys and lists were read again' },
  configRefused: { level: 'error', message: 'configuration can not be used, what was in use stays' },
  // Without help it will end with the sessions that nobody can open any more.
  certificateRefused: {
    level: 'error',
    message: 'new certificate, authority or list can not be used, the old one stays',
  },
  clientCertificateRefused: { level: 'info', message: 'client certificate is not trusted' },
  sessionEnd: { level: 'info', message: 'session ended' },
  connectionRefused: { level: 'warn', message: 'connection refused' },
  throttleStart: { level: 'warn', message: 'too many failed logins, more are refused' },
  userHeld: { level: 'warn', message: 'user is held at this proxy by an operator: logins wait' },
  userReleased: { level: 'warn', message: 'user is released by an operator: logins go on' },
  throttleForgotten: { level: 'warn', message: 'failed logins were forgotten by an operator' },
  directoryChange: { level: 'debug', message: 'directory has changed' },
  nodeTrustUnknown: {
    level: 'warn',
    message: 'whether the node refuses wrong proofs could not be told for an hour',
  },
  nodesRead: { level: 'info', message: 'nodes were read from the directory' },
  nodesUnreadable: {
    level: 'error',
    message: 'nodes can not be read from the directory, what was read stays',
  },
  nodeEntryRefused: { level: 'error', message: 'entry of a node can not be used' },
  accountsMissing: {
    level: 'error',
    message: 'the directory lacks accounts that have sessions, too many to be believed: the sessions go on',
  },
  repeated: { level: 'info', message: 'the same again, several times' },
  linesDropped: { level: 'warn', message: 'log lines were dropped: their reader was too slow or gone' },
  bug: { level: 'error', message: 'bug in the proxy' },
};
