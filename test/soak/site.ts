import { type Cluster, cluster } from '../support/cluster.ts';
import { freePorts } from '../support/ports.ts';
import { COLLECTING } from '../support/process-look.ts';
import { clusterConfig, clusterNode, RunningProxy } from '../support/running-proxy.ts';
import { addPeople, hostOf, type Person } from './people.ts';
import { ScriptedNode } from './scripted-node.ts';

/** Of each kind; those of real nodes share their mailboxes' nodes with the accounts of all tests. */
const PEOPLE_OF_A_NODE = 20;
/** So long a client waits for an answer, which is longer than the proxy may take. */
export const PATIENCE_MS = 75_000;
/** The two names of the scripted node, by how it is spoken with. */
export const SCRIPTED = { plain: 'soak-plain', tls: 'soak-tls' } as const;

/** A proxy, what it stands in front of, and who uses it. */
export interface Site extends AsyncDisposable {
  readonly proxy: RunningProxy;
  readonly node: ScriptedNode;
  /** By the node that was their home at first. */
  readonly people: Readonly<Record<'node-a' | 'node-b' | 'soak-plain' | 'soak-tls', readonly Person[]>>;
}

/** Starts it all; the servers are those of all tests. */
export async function startSite(): Promise<Site> {
  const servers = cluster();
  const [plain = 0, tls = 0] = await freePorts(2);
  await using stack = new AsyncDisposableStack();
  const node = stack.use(
    new ScriptedNode({
      proxyName: 'proxy1',
      keyFile: servers.proxies.proxy1.keyFile,
      certificate: servers.listener.certificate,
      certificateKey: servers.listener.key,
      ports: { plain, tls },
    }),
  );
  await node.start();
  const people = {
    'node-a': await addPeople(PEOPLE_OF_A_NODE, 'node-a'),
    'node-b': await addPeople(PEOPLE_OF_A_NODE, 'node-b'),
    'soak-plain': await addPeople(PEOPLE_OF_A_NODE, SCRIPTED.plain),
    'soak-tls': await addPeople(PEOPLE_OF_A_NODE, SCRIPTED.tls),
  };
  const proxy = stack.use(await RunningProxy.start(configOf(servers, node), COLLECTING));
  await proxy.events('followState', { following: 'sync' });
  const all = stack.move();
  return { proxy, node, people, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

function configOf(servers: Cluster, { ports }: ScriptedNode) {
  const tls = { mode: 'implicit', caFile: servers.caFile, serverName: 'mail.example.org' };
  const scripted = (name: string, port: number, how: unknown) => ({
    name: hostOf(name),
    host: '127.0.0.1',
    kind: 'dovecot',
    ports: { imap: port },
    tls: how,
  });
  return clusterConfig(servers, {
    nodes: [
      clusterNode(servers, 'node-a'),
      clusterNode(servers, 'node-b'),
      clusterNode(servers, 'node-c'),
      scripted(SCRIPTED.plain, ports.plain, 'none'),
      scripted(SCRIPTED.tls, ports.tls, tls),
    ],
    // Half a minute would leave no time in a minute for the clients to come back; and what is slow here is the machine.
    times: { failure: '0s', trustCheck: '0s', spread: '10s', directory: '20s', node: '40s', connect: '10s' },
    endSessions: { movedWithin: '10s' },
    health: { every: '1s' },
    admin: { port: 0 },
    log: { level: 'info', format: 'json' },
  });
}
