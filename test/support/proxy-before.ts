/** A proxy in this process, before one node, for tests in which the directory does not matter. */
import type { Authentication } from '../../auth/authentication.ts';
import type { Authenticator } from '../../auth/authenticator.ts';
import { Secret } from '../../auth/secret.ts';
import type { Trust } from '../../auth/trust.ts';
import type { Event } from '../../src/events.ts';
import { makeMetrics } from '../../src/metrics.ts';
import { type ProxyServer, startProxy } from '../../src/proxy.ts';
import type { ListenerTls, NodeSettings, NodeTls, Settings, TimeSettings } from '../../src/settings.ts';

export type ProtocolName = 'imap' | 'pop3' | 'sieve';

/** What a test wants of the node's entry, and of the proxy. */
export interface ProxyTerms {
  readonly protocol: ProtocolName;
  /** The node's port, and how it is spoken to. */
  readonly node: {
    readonly port: number;
    readonly tls: NodeTls;
    readonly kind?: NodeSettings['kind'];
    readonly trust?: Trust['kind'];
  };
  readonly times?: Partial<TimeSettings>;
  readonly connections?: number;
  readonly tls?: ListenerTls;
  /** Decides who is let in; by default whose password is `p`, as the account that is named as the user. */
  readonly authenticate?: Authenticator['authenticate'];
}

/** A running proxy, with what it had to say. */
export interface ProxyBefore extends AsyncDisposable {
  readonly proxy: ProxyServer;
  readonly port: number;
  readonly events: readonly Event[];
  /** Waits for an event, `count` of them at least, and gives the last. */
  event<Kind extends Event['event']>(kind: Kind, count?: number): Promise<Extract<Event, { event: Kind }>>;
  /** The metrics' text. */
  metrics(): Promise<string>;
}

const TIMES: TimeSettings = {
  proxyHeaderMs: 5000,
  unauthenticatedMs: 120_000,
  tlsHandshakeMs: 10_000,
  directoryMs: 6000,
  nodeMs: 15_000,
  connectMs: 5000,
  connectWithSpareMs: 2000,
  loginWithSpareMs: 5000,
  failureMs: 0,
  halfCloseMs: 5000,
};

export async function proxyBefore(terms: ProxyTerms): Promise<ProxyBefore> {
  const events: Event[] = [];
  const waiting: (() => void)[] = [];
  const metrics = makeMetrics({ droppedLines: () => 0 });
  const proxy = await startProxy(settingsOf(terms), {
    authenticator: authenticatorOf(terms),
    observe: (event) => {
      metrics.observe(event);
      events.push(event);
      for (const wake of waiting.splice(0)) {
        wake();
      }
    },
  });
  return {
    proxy,
    events,
    port: proxy.listening[0]?.port ?? 0,
    metrics: () => metrics.text(),
    [Symbol.asyncDispose]: () => proxy.stop(0),
    async event<Kind extends Event['event']>(kind: Kind, count = 1) {
      for (;;) {
        const found = events.filter((one): one is Extract<Event, { event: Kind }> => one.event === kind);
        const last = found.at(-1);
        if (last !== undefined && found.length >= count) {
          return last;
        }
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}

function settingsOf({ protocol, node, times, connections = 100, tls }: ProxyTerms): Settings {
  const trust: Trust = {
    kind: 'cram-sha256',
    name: 'proxy1',
    key: new Secret(Buffer.from('the-key-of-proxy1')),
  };
  const kind = node.trust ?? 'cram-sha256';
  return {
    listeners: [
      {
        protocol,
        address: '127.0.0.1',
        port: 0,
        tls: tls ?? { mode: 'none' },
        allowPlaintext: tls === undefined,
        greeting: 'ready',
        mechanisms: ['PLAIN', 'LOGIN'],
      },
    ],
    nodes: [
      {
        name: 'home',
        host: '127.0.0.1',
        kind: node.kind ?? 'generic',
        ports: new Map([[protocol, node.port]]),
        tls: node.tls,
        trust: kind === 'replay' ? { kind } : { ...trust, kind },
        required: [],
      },
    ],
    times: { ...TIMES, ...times },
    limits: { connections, failures: 10 },
    names: { defaultDomain: undefined, lowerCase: true, punctuation: '', latin1Passwords: false },
  };
}

function authenticatorOf({ authenticate }: ProxyTerms): Authenticator {
  const account = (name: string) => ({
    name,
    entry: `uid=${name}`,
    homes: ['home'],
    forwarded: new Map(),
    bar: undefined,
  });
  return {
    authenticate:
      authenticate ??
      (async (proof): Promise<Authentication> =>
        proof.kind === 'password' && proof.password.octets.toString() === 'p'
          ? { kind: 'admitted', account: account(proof.authcid.toString()), unverified: false }
          : { kind: 'refused', reason: 'wrongPassword', known: 'u' }),
    lookup: async (name) => account(name.toString()),
    credentials: async () => ({ kind: 'none', login: 'u', reason: 'unknownUser' }),
    admit: async () => undefined,
    describeUser: () => '#00000000',
  };
}
