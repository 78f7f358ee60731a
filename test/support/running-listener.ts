/** A proxy with one listener in front of one home, for tests of what comes before a login. */
import { randomBytes } from 'node:crypto';
import type { Authenticator } from '../../auth/authenticator.ts';
import type { Account } from '../../auth/directory.ts';
import { Secret } from '../../auth/secret.ts';
import type { Event as ProxyEvent } from '../../src/events.ts';
import { type ProxyParts, type ProxyServer, startProxy } from '../../src/proxy.ts';
import type { ListenerSettings, ListenerTls, Settings } from '../../src/settings.ts';
import type { Throttle } from '../../src/throttle/throttle.ts';
import { LISTENER, TIMES } from './settings.ts';
import type { KeyPair } from './test-ca.ts';

const ACCOUNT: Account = { name: 'u', entry: 'uid=u', homes: ['home'], forwarded: new Map(), bar: undefined };
const ANYONE: Authenticator = {
  authenticate: async () => ({ kind: 'admitted', account: ACCOUNT, unverified: false }),
  lookup: async () => ACCOUNT,
  credentials: async () => ({ kind: 'none', login: 'u', reason: 'unknownUser' }),
  admit: async () => undefined,
  describeUser: () => '#00000000',
};

type Named<Kind extends ProxyEvent['event']> = Extract<ProxyEvent, { event: Kind }>;

export interface RunningListener extends AsyncDisposable {
  readonly proxy: ProxyServer;
  readonly port: number;
  readonly events: readonly ProxyEvent[];
  /** Waits for the first event of a kind. */
  event<Kind extends ProxyEvent['event']>(kind: Kind): Promise<Named<Kind>>;
}

export interface ListenerTerms {
  readonly listener?: Partial<ListenerSettings>;
  readonly times?: Partial<Settings['times']>;
  readonly homePort?: number;
  readonly connections?: number;
  readonly limits?: Partial<Settings['limits']>;
  readonly throttle?: Throttle;
  readonly authenticator?: Authenticator;
  readonly oauth?: ProxyParts['oauth'];
}

/** Starts an IMAP listener in clear text, or what the terms say; everyone may log in. */
export async function runListener(terms: ListenerTerms = {}): Promise<RunningListener> {
  const events: ProxyEvent[] = [];
  const told = new EventTarget();
  const proxy = await startProxy(settingsOf(terms), {
    authenticator: terms.authenticator ?? ANYONE,
    throttle: terms.throttle,
    oauth: terms.oauth,
    observe: (one) => {
      events.push(one);
      told.dispatchEvent(new Event('told'));
    },
  });
  const event = async <Kind extends ProxyEvent['event']>(kind: Kind): Promise<Named<Kind>> => {
    for (;;) {
      const found = events.find((one): one is Named<Kind> => one.event === kind);
      if (found !== undefined) return found;
      await new Promise((resolve) => told.addEventListener('told', resolve, { once: true }));
    }
  };
  const port = proxy.listening[0]?.port ?? 0;
  return { proxy, port, events, event, [Symbol.asyncDispose]: () => proxy.stop(0) };
}

/** TLS with a certificate of a test. */
export function listenerTls(
  { certificate, key }: KeyPair,
  changes: Partial<Exclude<ListenerTls, { mode: 'none' }>> = {},
): Exclude<ListenerTls, { mode: 'none' }> {
  return {
    mode: 'implicit',
    certificate: Buffer.from(certificate),
    key: new Secret(Buffer.from(key)),
    minVersion: 'TLSv1.2',
    ciphers: undefined,
    clients: undefined,
    ...changes,
  };
}

function settingsOf({ listener, times, homePort = 1, connections = 1000, limits }: ListenerTerms): Settings {
  const trust = { kind: 'cram-sha256', name: 'proxy1', key: new Secret(randomBytes(32)) } as const;
  return {
    listeners: [
      {
        ...LISTENER,
        ...listener,
      },
    ],
    nodes: [
      {
        name: 'home',
        host: '127.0.0.1',
        kind: 'generic',
        ports: new Map([['imap', homePort]]),
        tls: { mode: 'none' },
        trust,
        required: [],
      },
    ],
    times: { ...TIMES, ...times },
    limits: { connections, failures: 10, ...limits },
    names: { defaultDomain: undefined, lowerCase: true, punctuation: '', latin1Passwords: false },
  };
}
