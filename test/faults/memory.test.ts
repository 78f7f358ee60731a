import { once } from 'node:events';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
import { greeted, LOGGED_IN, liveSession, metricsOf, TURNED_AWAY } from '../support/live-sessions.ts';
import { firstSubject, logIn } from '../support/mail-session.ts';
import { CAN_LIMIT_MEMORY, MemoryLimit } from '../support/memory-limit.ts';
import { clusterConfig, RunningProxy } from '../support/running-proxy.ts';
import { Wire } from '../support/wire.ts';

const MIB = 2 ** 20;
const LIMIT_MIB = 320;
const AT_ONCE = 50;
const MOST = 7000;

/** Connections in TLS that say nothing. */
class Crowd implements Disposable {
  readonly #sockets: TLSSocket[] = [];

  async come(port: number, count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.#one(port)));
  }

  get size(): number {
    return this.#sockets.length;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async #one(port: number): Promise<void> {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    this.#sockets.push(socket);
    // Who is refused in TLS is closed without a word.
    socket.on('error', () => undefined);
    await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]).catch(() => undefined);
  }
}

describe.runIf(CAN_LIMIT_MEMORY)('a proxy whose memory is limited by the kernel', () => {
  it('F35 refuses who comes before there is none left, and goes on for who is there', async () => {
    using memory = new MemoryLimit(LIMIT_MIB * MIB);
    const room = { unauthenticated: 8000, unauthenticatedPerAddress: 8000, unauthenticatedPerNetwork: 8000 };
    const log = { level: 'info', format: 'json' };
    const config = clusterConfig(cluster(), { limits: room, admin: { port: 0 }, log });
    await using proxy = await memory.start(() => RunningProxy.start(config));
    await using imap = await liveSession(proxy, 'imap', 'alice');
    await using pop3 = await liveSession(proxy, 'pop3', 'bob');
    const shortage = () => proxy.log.filter(({ event }) => event === 'shortage');

    const before = performance.now();
    let refused: string[];
    {
      using crowd = new Crowd();
      while (shortage().length === 0 && crowd.size < MOST) {
        await crowd.come(proxy.port('imap', 'implicit'), AT_ONCE);
      }
      process.stdout.write(
        `${crowd.size} connections in ${LIMIT_MIB} MiB, ${Math.round(performance.now() - before)} ms: ${shortage()[0]?.detail}\n`,
      );
      await crowd.come(proxy.port('imap', 'implicit'), AT_ONCE * 10);
      refused = await Promise.all((['imap', 'pop3'] as const).map((protocol) => lineOf(proxy, protocol)));
      expect(await firstSubject('imap', imap)).toBe('on node-a');
      expect(await firstSubject('pop3', pop3)).toBe('on node-b');
    }

    expect(refused).toEqual([
      expect.stringMatching(TURNED_AWAY.imap),
      expect.stringMatching(TURNED_AWAY.pop3),
    ]);
    expect(shortage()[0]).toMatchObject({ resource: 'memory', supply: 'scarce', level: 'error' });
    const metrics = await metricsOf(proxy);
    expect(metrics).toMatch(/^homing_connections_refused_total\{protocol="imap",why="memoryScarce"\} [1-9]/m);
    expect(memory.kills).toBe(0);
    expect(memory.most).toBeLessThan(memory.octets);
    // Room is made by those that left, whatever the allocator keeps of them.
    await expect.poll(() => answerTo(proxy), { timeout: 20_000, interval: 500 }).toMatch(LOGGED_IN);
  });
});

async function lineOf(proxy: RunningProxy, protocol: 'imap' | 'pop3'): Promise<string> {
  await using wire = await Wire.open({ port: proxy.port(protocol, 'none') });
  return await wire.line();
}

async function answerTo(proxy: RunningProxy): Promise<string> {
  await using wire = await greeted(proxy, 'imap');
  return await logIn('imap', wire, accounts.alice.mail, accounts.alice.password);
}
