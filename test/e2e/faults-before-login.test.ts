import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
import { CuttableRelay } from '../support/cuttable-relay.ts';
import { greeted, LOGGED_IN, liveSession, metricsOf } from '../support/live-sessions.ts';
import { firstSubject, logIn, type ProtocolName } from '../support/mail-session.ts';
import { clusterConfig, clusterNode, ldapDirectory, RunningProxy } from '../support/running-proxy.ts';

const TEMPORARY = /^(?:l NO \[UNAVAILABLE\]|-ERR \[SYS\/TEMP\]) Temporary failure; try again later\. \[ref:/;
const TIMES = { failure: '0s', trustCheck: '0s', directory: '2s', node: '2s', connect: '1s' };

async function answerTo(proxy: RunningProxy, protocol: ProtocolName, user: 'alice' | 'bob'): Promise<string> {
  await using wire = await greeted(proxy, protocol);
  return await logIn(protocol, wire, accounts[user].mail, accounts[user].password);
}

/** A proxy whose directory is the master behind a wire that can fail, and other servers. */
async function behind(wire: CuttableRelay, ...others: readonly number[]) {
  const urls = [wire.port, ...others].map((port) => `ldap://127.0.0.1:${port}`);
  const directories = [ldapDirectory(cluster(), { urls })];
  const proxy = await RunningProxy.start(
    clusterConfig(cluster(), { directories, times: TIMES, admin: { port: 0 } }),
  );
  return { proxy, server: urls[0] ?? '', [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
}

const master = () => CuttableRelay.start(cluster().ldap.master.ldap);

describe.each(['imap', 'pop3'] as const)('a directory, to who logs in by %s,', (protocol) => {
  it('F1 that takes no connections is a temporary failure until it is back, and ends no session', async () => {
    await using wire = await master();
    await using here = await behind(wire);
    await using other = await liveSession(here.proxy, protocol, 'alice');

    wire.cut();
    expect(await answerTo(here.proxy, protocol, 'bob')).toMatch(TEMPORARY);
    expect(await answerTo(here.proxy, protocol, 'bob')).toMatch(TEMPORARY);
    expect(await here.proxy.event('directoryState', { up: false })).toMatchObject({ server: here.server });
    const failed = await here.proxy.events('login', { result: 'directoryDown' }, 2);
    expect(failed).toHaveLength(2);
    expect(await metricsOf(here.proxy)).toContain(`homing_directory_server_up{server="${here.server}"} 0`);
    expect(await firstSubject(protocol, other)).toBe('on node-a');
    wire.mend();

    await expect.poll(() => answerTo(here.proxy, protocol, 'bob'), { timeout: 10_000 }).toMatch(LOGGED_IN);
    expect(await metricsOf(here.proxy)).toContain(`homing_directory_server_up{server="${here.server}"} 1`);
  });

  it('F2 that loses one of its servers is there for every login', async () => {
    await using wire = await master();
    await using here = await behind(wire, cluster().ldap.replica.ldap);
    await using other = await liveSession(here.proxy, protocol, 'alice');

    wire.cut();

    for (let count = 0; count < 3; count += 1)
      expect(await answerTo(here.proxy, protocol, 'bob')).toMatch(LOGGED_IN);
    expect(await here.proxy.event('directoryState', { up: false })).toMatchObject({ server: here.server });
    expect(await metricsOf(here.proxy)).toContain(`homing_directory_server_up{server="${here.server}"} 0`);
    expect(await firstSubject(protocol, other)).toBe('on node-a');
  });

  it('F3 that froze is a temporary failure when its time is over, and ends no session', async () => {
    await using wire = await master();
    await using here = await behind(wire);
    await using other = await liveSession(here.proxy, protocol, 'alice');

    wire.hold();
    const answer = answerTo(here.proxy, protocol, 'bob');
    expect(await firstSubject(protocol, other)).toBe('on node-a');

    expect(await answer).toMatch(TEMPORARY);
    await here.proxy.events('login', { result: 'directoryDown' });
    wire.release();
    await expect.poll(() => answerTo(here.proxy, protocol, 'bob'), { timeout: 10_000 }).toMatch(LOGGED_IN);
  });

  it('F5 whose connections are reset is there for the next login, and is not said to be down', async () => {
    await using wire = await master();
    await using here = await behind(wire);
    await using other = await liveSession(here.proxy, protocol, 'alice');

    wire.reset();

    expect(await answerTo(here.proxy, protocol, 'bob')).toMatch(LOGGED_IN);
    expect(here.proxy.log.filter(({ event, up }) => event === 'directoryState' && up === false)).toEqual([]);
    expect(await firstSubject(protocol, other)).toBe('on node-a');
  });
});

/** A port at which connections are neither taken nor refused, as of a machine that is off: its queue is full. */
class DeadPort implements AsyncDisposable {
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #queued: readonly Socket[];

  private constructor(port: number, process: ChildProcess, queued: readonly Socket[]) {
    this.port = port;
    this.#process = process;
    this.#queued = queued;
  }

  static async start(): Promise<DeadPort> {
    const listen = `const s = require('node:net').createServer();
      s.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(s.address().port));`;
    const child = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    child.kill('SIGSTOP');
    const port = Number(line.toString());
    // Two are queued; of the others the kernel drops each SYN.
    const queued = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    await Promise.all(queued.slice(0, 2).map((socket) => once(socket, 'connect')));
    return new DeadPort(port, child, queued);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#queued) socket.destroy();
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }
}

describe.runIf(process.platform === 'linux')('a node whose machine is off', () => {
  it.each(['imap', 'pop3'] as const)(
    'F17 is given up when the time to connect is over, by %s, and after three failures at once',
    async (protocol) => {
      await using dead = await DeadPort.start();
      const ports = { [protocol]: dead.port };
      const nodes = [clusterNode(cluster(), 'node-a'), clusterNode(cluster(), 'node-b', { ports })];
      await using proxy = await RunningProxy.start(
        clusterConfig(cluster(), { nodes, times: TIMES, health: { probe: 'off' }, admin: { port: 0 } }),
      );
      await using other = await liveSession(proxy, protocol, 'alice');

      const answers = await Promise.all([1, 2, 3].map(() => answerTo(proxy, protocol, 'bob')));
      const next = await answerTo(proxy, protocol, 'bob');

      for (const answer of [...answers, next]) expect(answer).toMatch(TEMPORARY);
      expect(await proxy.event('nodeState', { state: 'down' })).toMatchObject({
        node: 'node-b.example.org',
        protocol,
      });
      const failed = await proxy.events('login', { result: 'nodeUnreachable' }, 4);
      expect(failed.at(-1)?.detail).toContain('left alone for a while, as it failed');
      expect(await metricsOf(proxy)).toContain(
        `homing_nodes_down{node="node-b.example.org",protocol="${protocol}"} 1`,
      );
      expect(await firstSubject(protocol, other)).toBe('on node-a');
    },
  );
});
