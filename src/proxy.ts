import { networkInterfaces } from 'node:os';
import type { Authenticator } from '../auth/authenticator.ts';
import type { Transport } from '../protocols/transport.ts';
import { CertificateStore } from './certificates.ts';
import type { Connections } from './connection-metrics.ts';
import { DirectoryNodes } from './directory-nodes.ts';
import { EndSpread } from './end-spread.ts';
import type { Listening, Observer } from './events.ts';
import type { Following } from './following.ts';
import type { MechanismParts } from './mechanism-makers.ts';
import { scramSupport } from './mechanisms.ts';
import type { HomeTerms } from './member-login.ts';
import type { OperatorHolds } from './operator-holds.ts';
import { startProbes } from './probe.ts';
import { PROTOCOLS } from './protocols.ts';
import { type Readings, readingsOf, sessionsByDescriptors } from './resources.ts';
import { Breakers } from './routing/breakers.ts';
import { NodeTable } from './routing/node-table.ts';
import { Turns } from './routing/turns.ts';
import { Ways } from './routing/ways.ts';
import { Listener } from './server.ts';
import { actOnChanges } from './session-changes.ts';
import { Sessions } from './sessions.ts';
import type { GroupSettings, HealthSettings, LimitSettings, NodeSettings, Settings } from './settings.ts';
import { Shortage } from './shortage.ts';
import type { Throttle } from './throttle/throttle.ts';
import { tryWrongProof } from './trust-check.ts';
import { TrustWatch, type TrustWatchTerms } from './trust-watch.ts';
import { UserSessions } from './user-sessions.ts';
import { Waiting } from './waiting.ts';

/** A running proxy. */
export interface ProxyServer extends AsyncDisposable {
  readonly listening: readonly Listening[];
  /** Accepts no more, tells clients that are not logged in to come back, and gives sessions `graceMs` to end. */
  stop(graceMs: number): Promise<void>;
  /** How full it is. */
  connections(): Connections;
  /** Who is held by command. */
  readonly holds: OperatorHolds;
  /** Reads certificates and keys again, for the handshakes from now on. */
  reloadCertificates(): Promise<void>;
  /** Knows these nodes and groups from now on, in the place of those of the settings. */
  reconfigure(nodes: readonly NodeSettings[], groups?: readonly GroupSettings[]): void;
}

/** What the proxy works with besides its settings; it does not own them. */
export interface ProxyParts {
  readonly authenticator: Authenticator;
  readonly observe: Observer;
  /** Stops who guesses passwords; nobody does if it's left out. */
  readonly throttle?: Throttle | undefined;
  /** Whose tokens are taken; `undefined` where tokens let nobody in. */
  readonly oauth?: MechanismParts['oauth'];
  /** Tells of the directories' changes; sessions go on whatever they are if it's left out. */
  readonly following?: Pick<Following, 'subscribe'>;
  /** How much memory and descriptors are in use; those of this process if it's left out. */
  readonly resources?: Readings;
}

/** A node must have worked for the time of so many trials before users are brought back. */
const SETTLING_TRIALS = 6;

/** An account that may not use a service is an account all the same. */
const ANY_SERVICE = 'imap';
const LOGINS_ALONE: HealthSettings = { probe: 'off', everyMs: 5000, all: false };

/** Starts all listeners, or none. @throws {Error} that says which listener could not be had, and why. */
export async function startProxy(
  settings: Settings,
  { authenticator, observe, throttle, oauth, following, resources }: ProxyParts,
): Promise<ProxyServer> {
  const listening: Listening[] = [];
  const { limits } = settings;
  const most = withinDescriptors(limits.connections, observe);
  const sessions = new Sessions(most);
  const leadsToUs = (node: Transport): boolean => listening.some((listener) => isSame(node, listener));
  const nodes = new NodeTable(settings.nodes, settings.groups);
  const directoryNodes = settings.nodesFrom && new DirectoryNodes(settings.nodesFrom, nodes, observe);
  const ways = new Ways(settings.sourceAddresses);
  const trustWatch = watchTrust(settings, { times: settings.times, leadsToUs, ways }, observe);
  const health = settings.health ?? LOGINS_ALONE;
  const noticed: Observer = (event) => {
    observe(event);
    if (event.event === 'nodeState' && event.state !== 'down') acting.rebalance.returned(event.node);
  };
  const breakers = new Breakers({ observe: noticed, retryMs: health.everyMs });
  const userSessions = new UserSessions({
    perUser: limits.sessionsPerUser,
    perUserAndAddress: limits.sessionsPerUserAndAddress,
  });
  using starting = new DisposableStack();
  const readings = resources ?? readingsOf(limits.memory);
  const shortage = starting.use(new Shortage({ readings, open: () => sessions.size, observe }));
  const acting = starting.use(
    actOnChanges(settings, {
      sessions: userSessions,
      nodes,
      health: breakers,
      settleMs: SETTLING_TRIALS * health.everyMs,
      observe,
      following,
      find: (typed, signal) => authenticator.lookup(Buffer.from(typed), { service: ANY_SERVICE }, signal),
    }),
  );
  const context = {
    authenticator,
    trustWatch,
    observe,
    throttle,
    waiting: new Waiting({
      perAddress: limits.unauthenticatedPerAddress,
      perNetwork: limits.unauthenticatedPerNetwork,
      max: limits.unauthenticated,
      isShared: (ip) => settings.balancers?.has(ip) === true || throttle?.isExempt(ip) === true,
    }),
    userSessions,
    changes: acting.changes,
    hold: acting.hold,
    rebalance: acting.rebalance,
    nodes,
    refreshNodes: directoryNodes && (() => directoryNodes.refresh()),
    health: breakers,
    endSpread: new EndSpread({ spreadMs: settings.times.spreadMs ?? 0 }),
    ways,
    turns: new Turns(limits.connectingPerNode ?? Number.POSITIVE_INFINITY),
    times: settings.times,
    external: settings.external,
    oauth,
    scram: scramSupport(settings.decoys),
    leadsToUs,
  };
  const secured = settings.listeners.flatMap(({ tls }) => (tls.mode === 'none' ? [] : [tls]));
  const certificates = new CertificateStore(secured, observe);
  const listeners = settings.listeners.map((listener) => {
    const protocol = PROTOCOLS.get(listener.protocol);
    if (protocol === undefined) {
      throw new Error(`no protocol "${listener.protocol}"; there are ${[...PROTOCOLS.keys()].join(', ')}`);
    }
    return new Listener(listener, protocol, context, { sessions, shortage, limits, certificates });
  });
  try {
    // Clients that come first find the nodes, where the directory answers in time.
    await directoryNodes?.readFirst(settings.times.directoryMs);
    for (const listener of listeners) {
      listening.push(await listener.listen());
    }
  } catch (error) {
    for (const listener of listeners) {
      listener.close();
    }
    await directoryNodes?.[Symbol.asyncDispose]();
    await sessions.end(0);
    throw error;
  }
  for (const event of listening) {
    observe(event);
  }
  await certificates.watch();
  const probing = { breakers, nodes, ways, connectMs: settings.times.connectMs };
  const probes = startProbes(health, probing);
  for (const node of nodes.all) trustWatch?.watch(node);
  nodes.onChange(breakers.nodesChanged);
  nodes.onChange(({ replaced }) => trustWatch?.replace(replaced, nodes.all));
  starting.move();
  const stop = async (graceMs: number): Promise<void> => {
    observe({ event: 'stopping', sessions: sessions.size });
    certificates[Symbol.dispose]();
    probes?.[Symbol.dispose]();
    trustWatch?.[Symbol.dispose]();
    acting[Symbol.dispose]();
    shortage[Symbol.dispose]();
    for (const listener of listeners) {
      listener.close();
    }
    await directoryNodes?.[Symbol.asyncDispose]();
    await sessions.end(graceMs);
    observe({ event: 'stopped' });
  };
  const reloadCertificates = (): Promise<void> => certificates.reload();
  const connections = (): Connections => ({
    open: sessions.size,
    limits: limitsOf({ ...limits, connections: most }),
  });
  return {
    listening,
    stop,
    connections,
    holds: acting.holds,
    reloadCertificates,
    reconfigure: (changed, groups) => nodes.reconfigure(changed, groups),
    [Symbol.asyncDispose]: () => stop(0),
  };
}

function watchTrust(
  { times: { trustCheckMs: everyMs, nodeMs: checkMs } }: Settings,
  terms: HomeTerms,
  observe: Observer,
): TrustWatch | undefined {
  if (everyMs === undefined) return undefined;
  const check: TrustWatchTerms['check'] = (member, protocol, signal) =>
    tryWrongProof(member, { protocol, terms, signal });
  return new TrustWatch({ check, everyMs, checkMs, protocols: PROTOCOLS, observe });
}

function limitsOf(limits: LimitSettings): ReadonlyMap<string, number> {
  return new Map(Object.entries(limits).filter(([, limit]) => limit !== undefined));
}

/** More connections than descriptors would end in clients that are told nothing at all. */
function withinDescriptors(connections: number, observe: Observer): number {
  const possible = sessionsByDescriptors();
  if (possible === undefined || connections <= possible) return connections;
  const detail =
    `the process may open files for ${possible} connections only, so there will be no more: ` +
    'raise LimitNOFILE (ulimit -n), or lower limits.connections';
  observe({ event: 'configWarning', line: 0, setting: 'limits.connections', detail });
  return possible;
}

function isSame({ remote }: Transport, { address, port }: Listening): boolean {
  if (remote.port !== port) {
    return false;
  }
  const anyAddress = address === '::' || address === '0.0.0.0';
  return remote.ip === address || (anyAddress && isLocal(remote.ip));
}

function isLocal(ip: string): boolean {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return ip.startsWith('127.') || own.some(({ address }) => address === ip);
}
