import { startHaproxy } from './haproxy.ts';
import type { ProtocolName } from './mail-session.ts';
import { freePorts } from './ports.ts';
import { type ConfigFile, type LogLine, RunningProxy } from './running-proxy.ts';

/** A proxy as it was started, and is started again. */
interface Place {
  readonly config: ConfigFile;
  running: RunningProxy;
  /** What those said that were here before. */
  readonly earlier: LogLine[];
}

/** Proxies behind a real HAProxy, which tells them of their clients by the PROXY protocol; each can be killed and started. */
export class BalancedProxies implements AsyncDisposable {
  /** Where clients connect, with TLS from the start. */
  readonly ports: Readonly<Record<ProtocolName, number>>;
  readonly #places: readonly Place[];
  readonly #haproxy: AsyncDisposable;

  private constructor(
    ports: Record<ProtocolName, number>,
    places: readonly Place[],
    haproxy: AsyncDisposable,
  ) {
    this.ports = ports;
    this.#places = places;
    this.#haproxy = haproxy;
  }

  /** @param configs one for each proxy; their listeners are made here. */
  static async start(configs: readonly Omit<ConfigFile, 'listeners'>[]): Promise<BalancedProxies> {
    const [imap = 0, pop3 = 0, ...own] = await freePorts(2 + 2 * configs.length);
    const doors = configs.map((_config, index) => ({
      imap: own[2 * index] ?? 0,
      pop3: own[2 * index + 1] ?? 0,
    }));
    const places = await Promise.all(
      configs.map(async (rest, index) => {
        const config = { ...rest, listeners: Object.entries(doors[index] ?? {}).map(listenerAt) };
        return { config, running: await RunningProxy.start(config), earlier: [] };
      }),
    );
    const way = (protocol: ProtocolName, port: number): string => `listen ${protocol}
  bind 127.0.0.1:${port}
  option redispatch 1
  ${doors.map((door, index) => `server proxy${index + 1} 127.0.0.1:${door[protocol]} send-proxy-v2 check inter 200ms fall 1 rise 1`).join('\n  ')}
`;
    const haproxy = await startHaproxy(`${way('imap', imap)}\n${way('pop3', pop3)}`);
    return new BalancedProxies({ imap, pop3 }, places, haproxy);
  }

  get count(): number {
    return this.#places.length;
  }

  /** All that a proxy has logged, also before it was started again. */
  log(index: number): readonly LogLine[] {
    const { earlier, running } = this.#at(index);
    return [...earlier, ...running.log];
  }

  /** What the process has logged that runs now. */
  logOfNow(index: number): readonly LogLine[] {
    return this.#at(index).running.log;
  }

  /** Ends a proxy by a signal, and waits until it is gone. */
  async end(index: number, signal: NodeJS.Signals): Promise<void> {
    await this.#at(index).running.signal(signal);
  }

  async startAgain(index: number): Promise<void> {
    const place = this.#at(index);
    place.earlier.push(...place.running.log);
    await place.running[Symbol.asyncDispose]();
    place.running = await RunningProxy.start(place.config);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#haproxy[Symbol.asyncDispose]();
    for (const { running } of this.#places) await running[Symbol.asyncDispose]();
  }

  #at(index: number): Place {
    const place = this.#places[index];
    if (place === undefined) throw new Error(`there is no proxy ${index}`);
    return place;
  }
}

function listenerAt([protocol, port]: [string, number]) {
  const proxyProtocol = { from: ['127.0.0.1'] };
  return { protocol, address: '127.0.0.1', port, tls: 'implicit', proxyProtocol };
}
