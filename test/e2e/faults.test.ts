import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
import { CuttableRelay } from '../support/cuttable-relay.ts';
import { greeted, liveSession, metricsOf, TURNED_AWAY } from '../support/live-sessions.ts';
import { firstSubject, logIn } from '../support/mail-session.ts';
import { clusterConfig, clusterNode, RunningProxy } from '../support/running-proxy.ts';
import { resetAtOnce } from '../support/sockets.ts';
import { Wire } from '../support/wire.ts';

const STORM = 2000;
/** What is said to who is right, and whose home is unknown. */
const HOMELESS = { imap: /\[CONTACTADMIN\]/, pop3: /\[SYS\/PERM\]/ } as const;
const DESCRIPTORS = 4096;
/** Of about a hundred. */
const LAST = 6;
const NOOP = { imap: 'n NOOP', pop3: 'NOOP' } as const;
const DONE = { imap: /^n OK/, pop3: /^\+OK/ } as const;
/** Columns of /proc/net/tcp, and its words for an established connection whose next timer is that of keepalive. */
const [LOCAL, REMOTE, STATE, TIMER] = [1, 2, 3, 5];
const [ESTABLISHED, KEEPALIVE] = ['01', '02'];
const TICKS_A_SECOND = 100;

/** A proxy in front of bob's home behind a wire that can fail, and of alice's, which nothing happens to. */
async function beside() {
  const relay = await CuttableRelay.start(cluster().nodes['node-b'].imaps);
  const pop3 = await CuttableRelay.start(cluster().nodes['node-b'].pop3s);
  const nodes = [
    clusterNode(cluster(), 'node-a'),
    clusterNode(cluster(), 'node-b', { ports: { imap: relay.port, pop3: pop3.port } }),
  ];
  const proxy = await RunningProxy.start(clusterConfig(cluster(), { nodes, admin: { port: 0 } }));
  return {
    proxy,
    relays: { imap: relay, pop3 },
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await relay[Symbol.asyncDispose]();
      await pop3[Symbol.asyncDispose]();
    },
  };
}

/** Seconds to the next keepalive probe of each established connection of these ends; none where there is no such timer. */
function keepalives(column: number, port: number): (number | 'none')[] {
  const end = port.toString(16).toUpperCase().padStart(4, '0');
  const rows = readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1);
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter((row) => row[STATE] === ESTABLISHED && row[column]?.endsWith(`:${end}`) === true)
    .map((row) => {
      const [kind, ticks] = row[TIMER]?.split(':') ?? [];
      return kind === KEEPALIVE ? Number.parseInt(ticks ?? '', 16) / TICKS_A_SECOND : 'none';
    });
}

describe.each(['imap', 'pop3'] as const)('a session by %s', (protocol) => {
  it.each(['reset', 'closed'] as const)(
    'F27 ends without a word where the node %s it, and no other one does',
    async (how) => {
      await using here = await beside();
      await using other = await liveSession(here.proxy, protocol, 'alice');
      await using wire = await liveSession(here.proxy, protocol, 'bob');

      if (how === 'reset') here.relays[protocol].reset();
      else here.relays[protocol].cut();

      expect(await wire.closed()).not.toContain('BYE');
      expect(await here.proxy.event('sessionEnd', { user: 'bob' })).toMatchObject({
        endedBy: 'node',
        how,
        protocol,
      });
      expect(await metricsOf(here.proxy)).toMatch(
        new RegExp(`^homing_session_ends_total\\{protocol="${protocol}",by="node",how="${how}"\\} 1$`, 'm'),
      );
      expect(await firstSubject(protocol, other)).toBe('on node-a');
    },
  );

  it.each(['reset', 'closed'] as const)('F28 is left at the node when its client %s it', async (how) => {
    await using here = await beside();
    await using other = await liveSession(here.proxy, protocol, 'alice');
    await using wire = await liveSession(here.proxy, protocol, 'bob');

    if (how === 'reset') wire.reset();
    else await wire[Symbol.asyncDispose]();

    expect(await here.proxy.event('sessionEnd', { user: 'bob' })).toMatchObject({
      endedBy: 'client',
      how,
      protocol,
    });
    await expect.poll(() => here.relays[protocol].connections).toBe(0);
    expect(await metricsOf(here.proxy)).toMatch(
      new RegExp(`^homing_session_ends_total\\{protocol="${protocol}",by="client",how="${how}"\\} 1$`, 'm'),
    );
    expect(await firstSubject(protocol, other)).toBe('on node-a');
  });

  // That nobody is there shows at the end of ten probes, which the kernel sends; what is ours is to ask for them.
  it.runIf(process.platform === 'linux')(
    'F29 is watched by keepalive on both sides, from 5 minutes on',
    async () => {
      await using here = await beside();
      await using _wire = await liveSession(here.proxy, protocol, 'bob');

      for (const [column, port] of [
        [LOCAL, here.proxy.port(protocol, 'none')],
        [REMOTE, here.relays[protocol].port],
      ] as const) {
        await expect.poll(() => keepalives(column, port)).toEqual([expect.any(Number)]);
        expect(keepalives(column, port)[0]).toBeLessThanOrEqual(300);
      }
    },
  );

  it('F30 waits for a node that froze, while others go on, and loses nothing', async () => {
    await using here = await beside();
    await using other = await liveSession(here.proxy, protocol, 'alice');
    await using wire = await liveSession(here.proxy, protocol, 'bob');

    here.relays[protocol].hold();
    wire.send(NOOP[protocol]);
    expect(await firstSubject(protocol, other)).toBe('on node-a');
    expect(await metricsOf(here.proxy)).toMatch(
      new RegExp(`^homing_sessions\\{protocol="${protocol}"\\} 2$`, 'm'),
    );
    here.relays[protocol].release();

    expect(await wire.line()).toMatch(DONE[protocol]);
    expect(here.proxy.log.filter(({ event }) => event === 'sessionEnd')).toEqual([]);
  });

  it('F33 goes on in a storm of resets, which is a few lines in the log', async () => {
    await using here = await beside();
    await using wire = await liveSession(here.proxy, protocol, 'bob');
    const port = here.proxy.port(protocol, 'none');
    const levels = new Set(['info', 'warn', 'error']);

    for (let sent = 0; sent < STORM; sent += 100) {
      await Promise.all(Array.from({ length: 100 }, () => resetAtOnce(port)));
    }

    expect(await firstSubject(protocol, wire)).toBe('on node-b');
    await expect
      .poll(async () => await endsOf(here.proxy), { timeout: 10_000 })
      .toBeGreaterThanOrEqual(STORM / 2);
    const lines = here.proxy.log.filter(
      ({ event, level }) => event === 'connectionEnd' && levels.has(String(level)),
    );
    expect(lines.length).toBeLessThan(20);
  });

  it('F34 goes on while there is no descriptor left, says so, and clients wait until there is', async () => {
    await using here = await beside();
    await using wire = await liveSession(here.proxy, protocol, 'bob');

    limitDescriptors(here.proxy, 1);
    await using waiting = await Wire.open({ port: here.proxy.port(protocol, 'none') });
    const subject = await firstSubject(protocol, wire);
    await here.proxy.event('shortage', { resource: 'descriptors', supply: 'spent' });
    limitDescriptors(here.proxy, DESCRIPTORS);
    await waiting.line();
    await logIn(protocol, waiting, accounts.alice.mail, accounts.alice.password);

    expect(subject).toBe('on node-b');
    expect(await firstSubject(protocol, waiting)).toBe('on node-a');
    await here.proxy.event('shortage', { resource: 'descriptors', supply: 'enough' });
    expect(here.proxy.log.filter(({ event }) => event === 'sessionEnd' || event === 'bug')).toEqual([]);
  });

  it('F34 refuses who comes while the last descriptors are left, and nobody who is there', async () => {
    await using here = await beside();
    await using wire = await liveSession(here.proxy, protocol, 'bob');

    limitDescriptors(here.proxy, readdirSync(`/proc/${here.proxy.pid}/fd`).length + LAST);
    await here.proxy.event('shortage', { resource: 'descriptors', supply: 'scarce' });
    await using refused = await Wire.open({ port: here.proxy.port(protocol, 'none') });

    expect(await refused.line()).toMatch(TURNED_AWAY[protocol]);
    expect(await refused.lineOrEnd()).toBeUndefined();
    expect(await firstSubject(protocol, wire)).toBe('on node-b');
    expect(await here.proxy.event('connectionRefused', { why: 'descriptorsScarce' })).toMatchObject({
      protocol,
    });
    const metrics = await metricsOf(here.proxy);
    expect(metrics).toContain('homing_shortage{resource="descriptors"} 1');
    expect(metrics).toContain(
      `homing_connections_refused_total{protocol="${protocol}",why="descriptorsScarce"} 1`,
    );
  });

  it('F38 F39 goes on while a new node is taken into the configuration, and a broken one is not', async () => {
    const listeners = clusterConfig(cluster()).listeners.filter((one) => isOf(one, protocol));
    const started = clusterConfig(cluster(), { listeners, nodes: [clusterNode(cluster(), 'node-a')] });
    const both = { ...started, nodes: [clusterNode(cluster(), 'node-a'), clusterNode(cluster(), 'node-b')] };
    await using proxy = await RunningProxy.start(started);
    await using wire = await liveSession(proxy, protocol, 'alice');
    await expect(liveSession(proxy, protocol, 'bob')).rejects.toThrow(HOMELESS[protocol]);

    proxy.reload({ ...both, times: { node: 'soon' } });
    const refused = await proxy.event('configRefused');
    await expect(liveSession(proxy, protocol, 'bob')).rejects.toThrow(HOMELESS[protocol]);
    proxy.reload(both);
    const read = await proxy.event('configRead');
    await using next = await liveSession(proxy, protocol, 'bob');

    expect(refused).toMatchObject({ level: 'error', detail: expect.stringContaining('times.node') });
    expect(read).toMatchObject({ changed: 'nodes' });
    expect(await firstSubject(protocol, next)).toBe('on node-b');
    expect(await firstSubject(protocol, wire)).toBe('on node-a');
    expect(proxy.log.filter(({ event }) => event === 'sessionEnd' || event === 'bug')).toEqual([]);
  });

  it('F40 F41 outlives the first SIGTERM, which nobody new does, and ends at the second', async () => {
    await using here = await beside();
    await using waiting = await greeted(here.proxy, protocol);
    await using wire = await liveSession(here.proxy, protocol, 'bob');

    process.kill(here.proxy.pid, 'SIGTERM');

    expect(await waiting.line()).toMatch(TURNED_AWAY[protocol]);
    await expect(greeted(here.proxy, protocol)).rejects.toThrow('ECONNREFUSED');
    expect(await firstSubject(protocol, wire)).toBe('on node-b');
    expect(await here.proxy.signal('SIGTERM')).toBe(143);
    expect(await wire.closed()).toBe('');
  });
});

function isOf(listener: unknown, protocol: string): boolean {
  return (listener as { readonly protocol: string }).protocol === protocol;
}

/** Sets how many files the proxy may open from now on; what is open stays. */
function limitDescriptors({ pid }: RunningProxy, soft: number): void {
  execFileSync('prlimit', ['--pid', String(pid), `--nofile=${soft}:`]);
}

/** How many connections ended without a session, or were not let in. */
async function endsOf(proxy: RunningProxy): Promise<number> {
  const lines = (await metricsOf(proxy)).match(/^homing_connection(?:_ends|s_refused)_total\S* \d+$/gm) ?? [];
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
