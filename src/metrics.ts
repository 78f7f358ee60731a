import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { FollowMode } from '../auth/directory-changes.ts';
import { WIRE_ANSWER } from '../auth/failure.ts';
import { type Connections, watchConnections } from './connection-metrics.ts';
import type { AnswerCounts } from './directories.ts';
import { watchAnswers } from './directory-metrics.ts';
import type {
  ConnectionEnd,
  ConnectionRefused,
  Event,
  LoginEvent,
  Observer,
  SessionEnd,
  ShortageEvent,
} from './events.ts';
import { COUNTER_KINDS } from './throttle/counters.ts';
import type { ThrottleState } from './throttle/throttle.ts';
import { watchThrottle } from './throttle/throttle-metrics.ts';

/** The counters and histograms of a running proxy, fed by its events. */
export interface Metrics {
  readonly observe: Observer;
  /** Prometheus' MIME type for `text`. */
  readonly contentType: string;
  text(): Promise<string>;
  /** Shows how full the proxy is, from now on. */
  watchConnections(state: () => Connections): void;
  /** Shows by whom questions to directories are answered, from now on. */
  watchAnswers(state: () => ReadonlyMap<string, AnswerCounts>): void;
}

export interface MetricsSources {
  /** Log lines lost since the start. */
  droppedLines(): number;
  /** `undefined` where logins are not throttled. */
  throttle?(): Promise<ThrottleState>;
}

/**
 * Makes the metrics, in a registry of their own. Labels are words of ours and names from the configuration, never
 * what a client sent, so their number is bounded.
 */
export function makeMetrics(sources: MetricsSources): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const meters = makeMeters(registry);
  countDroppedLines(registry, sources);
  if (sources.throttle !== undefined) watchThrottle(registry, sources.throttle);
  return {
    observe: (event) => count(meters, event),
    contentType: registry.contentType,
    text: () => registry.metrics(),
    watchConnections: (state) => watchConnections(registry, state, () => sumOf(meters.sessions)),
    watchAnswers: (state) => watchAnswers(registry, state),
  };
}

async function sumOf(gauge: Gauge): Promise<number> {
  const { values } = await gauge.get();
  return values.reduce((sum, { value }) => sum + value, 0);
}

function count(meters: Meters, event: Event): void {
  switch (event.event) {
    case 'login':
      countLogin(meters, event);
      break;
    case 'sessionEnd':
      countSessionEnd(meters, event);
      break;
    case 'connectionEnd':
      meters.connectionEnds.inc({ protocol: event.protocol, how: event.how });
      break;
    case 'connectionRefused':
      meters.connectionsRefused.inc({ protocol: event.protocol, why: event.why });
      break;
    case 'certificateInUse':
      meters.certificateExpiry.set({ file: event.file }, Date.parse(event.expires) / 1000);
      break;
    case 'directoryState':
      meters.directoryUp.set({ server: event.server }, event.up ? 1 : 0);
      break;
    case 'followState':
      for (const mode of FOLLOW_MODES) {
        meters.following.set({ directory: event.directory, mode }, event.following === mode ? 1 : 0);
      }
      break;
    case 'directoryChange':
      meters.directoryChanges.inc({ directory: event.directory, kind: event.kind });
      break;
    case 'nodeState':
      meters.nodesDown.inc(
        { node: event.nodeEntry, protocol: event.protocol },
        event.state === 'down' ? 1 : -1,
      );
      break;
    case 'shortage':
      meters.shortage.set({ resource: event.resource }, SUPPLY[event.supply]);
      break;
    case 'configRead':
      meters.configReads.inc({ result: 'taken' });
      break;
    case 'configRefused':
      meters.configReads.inc({ result: 'refused' });
      break;
    case 'bug':
      meters.bugs.inc();
      break;
    case 'throttleStart':
      meters.throttleStarts.inc({ kind: event.kind });
      break;
    case 'listening':
      // From the start a graph shall show 0, not nothing.
      startAtZero(meters, event.protocol);
      break;
    case 'memberFailed':
      meters.nodeFailures.inc({ node: event.nodeEntry ?? 'other', reason: event.reason });
      break;
    case 'nodeTrust':
      meters.nodeTrustsAnyone.inc(
        { node: event.nodeEntry, protocol: event.protocol },
        event.trustsAnyone ? 1 : -1,
      );
      break;
    case 'revocationListInUse':
      if (event.expires !== undefined) {
        meters.listExpiry.set({ file: event.file }, Date.parse(event.expires) / 1000);
      } else meters.listExpiry.remove({ file: event.file });
      break;
    case 'certificateRefused':
      meters.certificatesRefused.inc();
      break;
    case 'clientCertificateRefused':
    case 'configWarning':
    case 'authoritiesRenewed':
    case 'certificatesRead':
    case 'adminListening':
    case 'stopping':
    case 'stopped':
    case 'linesDropped':
    case 'nodeTrustUnknown':
    case 'nodesRead':
    case 'nodesUnreadable':
    case 'nodeEntryRefused':
    case 'accountsMissing':
    case 'repeated':
    case 'throttleForgotten':
    case 'userHeld':
    case 'userReleased':
    case 'directoryStale':
      break;
  }
}

const FOLLOW_MODES: readonly FollowMode[] = ['sync', 'poll', 'watch', 'off'];

const SUPPLY: Readonly<Record<ShortageEvent['supply'], number>> = { enough: 0, scarce: 1, spent: 2 };

const REFUSALS: Readonly<Record<ConnectionRefused['why'], true>> = {
  tooManyConnections: true,
  memoryScarce: true,
  descriptorsScarce: true,
  acceptFailed: true,
  untrustedBalancer: true,
};

const ENDS: Readonly<Record<ConnectionEnd['how'], true>> = {
  logout: true,
  disconnected: true,
  timeout: true,
  tooManyBadCommands: true,
  tooManyFailures: true,
  tooLong: true,
  notMail: true,
  tlsFailed: true,
  healthCheck: true,
  badProxyHeader: true,
  strayProxyHeader: true,
  draining: true,
  evicted: true,
  bug: true,
};

function startAtZero(meters: Meters, protocol: string): void {
  meters.sessions.inc({ protocol }, 0);
  for (const direction of ['received', 'sent']) meters.octets.inc({ protocol, direction }, 0);
  for (const why of Object.keys(REFUSALS)) meters.connectionsRefused.inc({ protocol, why }, 0);
  for (const how of Object.keys(ENDS)) meters.connectionEnds.inc({ protocol, how }, 0);
  for (const result of ['taken', 'refused']) meters.configReads.inc({ result }, 0);
  for (const resource of ['memory', 'descriptors']) meters.shortage.inc({ resource }, 0);
  for (const kind of COUNTER_KINDS) meters.throttleStarts.inc({ kind }, 0);
  // Of all mechanisms and versions of TLS there would be thousands; those of nearly all clients do.
  for (const result of ['ok', ...Object.keys(WIRE_ANSWER)]) {
    meters.logins.inc({ protocol, result, mechanism: 'PLAIN', tls: 'TLSv1.3' }, 0);
  }
}

function countLogin(meters: Meters, event: LoginEvent): void {
  const { protocol, result } = event;
  meters.logins.inc({
    protocol,
    result,
    mechanism: meters.mechanismLabel(event.mechanism),
    tls: tlsLabel(event.tls),
  });
  meters.loginSeconds.observe({ protocol }, event.ms / 1000);
  if (event.directoryMs !== undefined) meters.directorySeconds.observe(event.directoryMs / 1000);
  if (event.nodeMs !== undefined) meters.nodeSeconds.observe(event.nodeMs / 1000);
  // Without a node, the login did not get as far as one.
  if (event.node !== undefined) meters.nodeLogins.inc({ node: event.nodeEntry ?? 'other', result });
  if (result === 'ok') meters.sessions.inc({ protocol });
}

function countSessionEnd(meters: Meters, event: SessionEnd): void {
  const { protocol } = event;
  meters.sessions.dec({ protocol });
  meters.sessionEnds.inc({ protocol, by: event.endedBy, how: event.how });
  meters.octets.inc({ protocol, direction: 'received' }, event.received);
  meters.octets.inc({ protocol, direction: 'sent' }, event.sent);
}

/** More than all protocols together can offer. */
const MAX_MECHANISMS = 32;

/** Takes the names of mechanisms as they are, since only what we offer becomes a login; bounded all the same. */
function boundedLabel(): (name: string) => string {
  const known = new Set<string>();
  return (name) => {
    if (known.size < MAX_MECHANISMS) known.add(name);
    return known.has(name) ? name : 'other';
  };
}

function tlsLabel(tls: string): string {
  return tls === 'none' || tls.startsWith('TLSv1.') ? tls : 'other';
}

// From a directory on the same host to the longest time a login may take.
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

type Meters = ReturnType<typeof makeMeters>;

function makeMeters(registry: Registry) {
  const registers = [registry];
  return {
    mechanismLabel: boundedLabel(),
    logins: new Counter({
      name: 'homing_logins_total',
      help: 'Logins by result; a result other than ok is the reason of the failure.',
      labelNames: ['protocol', 'result', 'mechanism', 'tls'],
      registers,
    }),
    loginSeconds: new Histogram({
      name: 'homing_login_seconds',
      help: 'Time spent on a login, without the delay of a refusal (times.failure).',
      labelNames: ['protocol'],
      buckets: SECONDS,
      registers,
    }),
    directorySeconds: new Histogram({
      name: 'homing_login_directory_seconds',
      help: 'Time of a login spent on the directory.',
      buckets: SECONDS,
      registers,
    }),
    nodeSeconds: new Histogram({
      name: 'homing_login_node_seconds',
      help: 'Time of a login spent on connecting and logging in to its node.',
      buckets: SECONDS,
      registers,
    }),
    nodeLogins: new Counter({
      name: 'homing_node_logins_total',
      help: "Logins that were taken to a node, by the node's name or pattern in the configuration and by result.",
      labelNames: ['node', 'result'],
      registers,
    }),
    nodeFailures: new Counter({
      name: 'homing_node_failures_total',
      help: 'Nodes that failed while the home had another one to go on to, by the reason of the failure.',
      labelNames: ['node', 'reason'],
      registers,
    }),
    nodesDown: new Gauge({
      name: 'homing_nodes_down',
      help: "Nodes that logins are kept from as they failed, by the node's name or pattern in the configuration.",
      labelNames: ['node', 'protocol'],
      registers,
    }),
    sessions: new Gauge({
      name: 'homing_sessions',
      help: 'Sessions that are being relayed.',
      labelNames: ['protocol'],
      registers,
    }),
    sessionEnds: new Counter({
      name: 'homing_session_ends_total',
      help: 'Relayed sessions that ended, by who ended them and how.',
      labelNames: ['protocol', 'by', 'how'],
      registers,
    }),
    octets: new Counter({
      name: 'homing_relayed_octets_total',
      help: 'Octets of ended sessions, received from clients and sent to them.',
      labelNames: ['protocol', 'direction'],
      registers,
    }),
    connectionEnds: new Counter({
      name: 'homing_connection_ends_total',
      help: 'Connections that ended without a session.',
      labelNames: ['protocol', 'how'],
      registers,
    }),
    connectionsRefused: new Counter({
      name: 'homing_connections_refused_total',
      help: 'Connections that were not let in.',
      labelNames: ['protocol', 'why'],
      registers,
    }),
    configReads: new Counter({
      name: 'homing_config_reads_total',
      help: 'Times that the configuration was read again, and taken or refused.',
      labelNames: ['result'],
      registers,
    }),
    shortage: new Gauge({
      name: 'homing_shortage',
      help: 'Whether what the process may have runs out: 0 there is enough, 1 clients are refused, 2 nothing is left.',
      labelNames: ['resource'],
      registers,
    }),
    directoryUp: new Gauge({
      name: 'homing_directory_server_up',
      help: 'Whether a directory server is usable.',
      labelNames: ['server'],
      registers,
    }),
    following: new Gauge({
      name: 'homing_directory_following',
      help: 'How the changes of a directory are learned of: 1 for the mode of now; off is none.',
      labelNames: ['directory', 'mode'],
      registers,
    }),
    directoryChanges: new Counter({
      name: 'homing_directory_changes_total',
      help: 'Changes that directories told of; doubtful is that some may have been missed.',
      labelNames: ['directory', 'kind'],
      registers,
    }),
    throttleStarts: new Counter({
      name: 'homing_throttle_starts_total',
      help: 'Times that failed logins became too many, by what they are counted by.',
      labelNames: ['kind'],
      registers,
    }),
    certificateExpiry: new Gauge({
      name: 'homing_certificate_expiry_timestamp_seconds',
      help: 'When the certificate that clients are shown ends, by its file, in seconds since 1970.',
      labelNames: ['file'],
      registers,
    }),
    nodeTrustsAnyone: new Gauge({
      name: 'homing_node_trusts_anyone',
      help: 'Nodes of this entry or pattern that take wrong proofs for right, so that they get no logins.',
      labelNames: ['node', 'protocol'],
      registers,
    }),
    listExpiry: new Gauge({
      name: 'homing_crl_expiry_timestamp_seconds',
      help: 'When the first list of revoked certificates in a file ends, in seconds since 1970.',
      labelNames: ['file'],
      registers,
    }),
    certificatesRefused: new Counter({
      name: 'homing_certificate_refused_total',
      help: 'Times that changed certificates, keys or lists could not be used, so that the old ones stayed.',
      registers,
    }),
    bugs: new Counter({
      name: 'homing_bugs_total',
      help: 'Exceptions that nobody expected.',
      registers,
    }),
  };
}

function countDroppedLines(registry: Registry, sources: MetricsSources): void {
  new Counter({
    name: 'homing_log_lines_dropped_total',
    help: 'Log lines lost because their reader was too slow or gone.',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(sources.droppedLines());
    },
  });
}
