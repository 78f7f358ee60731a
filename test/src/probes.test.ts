import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LoginFailure } from '../../auth/failure.ts';
import type { Event } from '../../src/events.ts';
import { probeNode } from '../../src/probe.ts';
import { Breakers, type DownNode } from '../../src/routing/breakers.ts';
import { type KnownNode, NodeTable } from '../../src/routing/node-table.ts';
import { Probes } from '../../src/routing/probes.ts';
import { Ways } from '../../src/routing/ways.ts';
import { listenOn } from '../support/sockets.ts';

const NEVER = new AbortController().signal;

function nodeAt(ports: ReadonlyMap<string, number>): KnownNode {
  const found = new NodeTable([
    {
      name: 'node-a.example.org',
      host: '127.0.0.1',
      kind: 'generic',
      ports,
      tls: { mode: 'starttls', ca: undefined, serverName: undefined, pin: undefined },
      trust: { kind: 'replay' },
      required: [],
      allowUnauthenticate: false,
    },
  ]).find('node-a.example.org');
  if (found === undefined) throw new Error('no node');
  return found;
}

describe('Probes', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const node = nodeAt(new Map([['imap', 143]]));

  function bench(check: (place: DownNode) => Promise<void>, all = false) {
    const events: Event[] = [];
    const known = [{ node, service: 'imap' }];
    const breakers = new Breakers({ observe: (event) => events.push(event), retryMs: 5000 });
    const always = () => (all ? known : []);
    const probes = new Probes({ breakers, always, everyMs: 5000, probeMs: 2000, check });
    const states = () => events.map((event) => (event.event === 'nodeState' ? event.state : event.event));
    return { breakers, probes, states, known };
  }

  function bringDown(breakers: Breakers): void {
    for (let count = 0; count < 3; count += 1) {
      breakers
        .attempt(node, 'imap', 'ann')
        .failed(new LoginFailure('nodeUnreachable', 'refused'), 'connecting');
    }
  }

  it('leave nodes alone that work', async () => {
    const check = vi.fn(async () => undefined);
    const { probes } = bench(check);

    await vi.advanceTimersByTimeAsync(60_000);

    expect(check).not.toHaveBeenCalled();
    probes[Symbol.dispose]();
  });

  it('try a node that is down each 5 s, until it works', async () => {
    const check = vi
      .fn(async () => undefined)
      .mockRejectedValueOnce(new LoginFailure('nodeUnreachable', 'refused'));
    const { breakers, probes, states } = bench(check);
    bringDown(breakers);

    await vi.advanceTimersByTimeAsync(4_999);
    expect(check).toHaveBeenCalledTimes(0);
    await vi.advanceTimersByTimeAsync(501);
    expect(check).toHaveBeenCalledTimes(1);
    expect(breakers.usable(node, 'imap')).toBe(false);
    await vi.advanceTimersByTimeAsync(5_500);

    expect(check).toHaveBeenCalledTimes(2);
    expect(states()).toEqual(['down', 'up']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(check).toHaveBeenCalledTimes(2);
    probes[Symbol.dispose]();
  });

  it('find out that a node is down before a login does, where all are probed', async () => {
    const check = vi.fn(async () => {
      throw new LoginFailure('nodeUnreachable', 'refused');
    });
    const { probes, states } = bench(check, true);

    await vi.advanceTimersByTimeAsync(20_000);

    expect(states()).toEqual(['down']);
    probes[Symbol.dispose]();
  });

  it('go to nodes that came later, and no more to those that went', async () => {
    const check = vi.fn(async (_place: DownNode) => undefined);
    const { probes, known } = bench(check, true);
    const [first] = known.splice(0);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(check).not.toHaveBeenCalled();
    if (first !== undefined) known.push(first, { ...first, service: 'pop3' });
    await vi.advanceTimersByTimeAsync(20_000);

    expect(new Set(check.mock.calls.map(([{ service }]) => service))).toEqual(new Set(['imap', 'pop3']));
    expect(check.mock.calls.length).toBeGreaterThan(4);
    expect(check.mock.calls.length).toBeLessThan(12);
    probes[Symbol.dispose]();
  });

  it('end with the proxy, and blame no node for that', async () => {
    const check = vi.fn(() => new Promise<void>(() => undefined));
    const { breakers, probes, states } = bench(check);
    bringDown(breakers);
    await vi.advanceTimersByTimeAsync(5_500);

    probes[Symbol.dispose]();
    await vi.advanceTimersByTimeAsync(60_000);

    expect(states()).toEqual(['down']);
    expect(check).toHaveBeenCalledTimes(1);
  });
});

describe('a probe', () => {
  async function probed(service: string, greeting: string | undefined, signal = NEVER): Promise<void> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      if (greeting !== undefined) socket.write(greeting);
    });
    const port = await listenOn(server);
    try {
      const node = nodeAt(new Map([[service, port]]));
      await probeNode({ node, service }, { probe: 'greeting', ways: new Ways(), signal });
    } finally {
      server.close();
      await once(server, 'close');
    }
  }

  it.each([
    ['imap', '* OK ready\r\n'],
    ['pop3', '+OK ready\r\n'],
    ['sieve', '"IMPLEMENTATION" "Dovecot"\r\n'],
  ])('hears the greeting of a node by %s', async (service, greeting) => {
    await expect(probed(service, greeting)).resolves.toBeUndefined();
  });

  it.each([
    ['imap', '* BYE too many\r\n'],
    ['pop3', '-ERR [SYS/TEMP] later\r\n'],
    ['sieve', 'BYE "later"\r\n'],
    ['imap', '* PREAUTH hello\r\n'],
  ])('takes no refusal for one by %s', async (service, greeting) => {
    await expect(probed(service, greeting)).rejects.toMatchObject({ reason: 'nodeBrokeProtocol' });
  });

  it('gives up a node that says nothing', async () => {
    const timeIsUp = new AbortController();
    const probing = probed('imap', undefined, timeIsUp.signal);
    setImmediate(() => timeIsUp.abort(new Error('time is over')));

    await expect(probing).rejects.toMatchObject({ reason: 'nodeUnreachable' });
  });
});
