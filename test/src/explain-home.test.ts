import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { Account } from '../../auth/directory.ts';
import { LoginFailure } from '../../auth/failure.ts';
import { Secret } from '../../auth/secret.ts';
import { explainHome } from '../../src/commands/explain-home.ts';
import { NodeTable } from '../../src/routing/node-table.ts';
import type { GroupSettings, NodeSettings } from '../../src/settings.ts';
import { listenOn } from '../support/sockets.ts';

const POOL: GroupSettings = {
  name: 'pool',
  kind: 'shared',
  members: [
    { node: 'node-a', priority: 1 },
    { node: 'node-b', priority: 1 },
  ],
};
const ANN: Account = {
  name: 'ann@example.org',
  entry: 'uid=ann',
  homes: ['pool'],
  forwarded: new Map(),
  bar: undefined,
};

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A port where an IMAP or POP3 server greets. */
async function greeting(text: string): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => undefined).end(text));
  servers.push(server);
  return await listenOn(server);
}

/** A port where nobody listens. */
async function closed(): Promise<number> {
  const server = createServer();
  const port = await listenOn(server);
  server.close();
  return port;
}

function node(name: string, imap: number, pop3: number): NodeSettings {
  return {
    name,
    host: '127.0.0.1',
    kind: 'generic',
    ports: new Map([
      ['imap', imap],
      ['pop3', pop3],
    ]),
    tls: { mode: 'none' },
    trust: { kind: 'cram-sha256', name: 'proxy1', key: new Secret(randomBytes(32)) },
    required: [],
  };
}

const TIMES = {
  connectMs: 2000,
} as Parameters<typeof explainHome>[1]['settings']['times'];

async function explained(
  nodes: readonly NodeSettings[],
  probe = true,
  kind: GroupSettings['kind'] = 'shared',
) {
  const steps: string[] = [];
  const home = await explainHome(ANN, {
    service: 'imap',
    nodes: new NodeTable(nodes, [{ ...POOL, kind }]),
    settings: { times: TIMES },
    probe,
    step: (name, detail) => steps.push(`${name} ${detail}`),
  }).catch((error: unknown) => {
    if (error instanceof LoginFailure) return error;
    throw error;
  });
  return { steps, home };
}

describe('explainHome', () => {
  it('says who answers, and goes by that: all services of shared storage must', async () => {
    const imap = await greeting('* OK ready\r\n');
    const pop3 = await greeting('+OK ready\r\n');
    const none = await closed();

    const { steps, home } = await explained([node('node-a', imap, pop3), node('node-b', imap, none)]);

    expect(steps.filter((step) => step.startsWith('health')).toSorted()).toEqual([
      'health node-a: imap greets, pop3 greets',
      expect.stringMatching(/^health node-b: imap greets, pop3: .*ECONNREFUSED/),
    ]);
    expect(home).toMatchObject([{ node: { name: 'node-a' } }, { node: { name: 'node-b' } }]);
  });

  it('asks for no other service where that does not matter', async () => {
    const imap = await greeting('* OK ready\r\n');
    const none = await closed();

    const { steps } = await explained(
      [node('node-a', imap, none), node('node-b', imap, none)],
      true,
      'replicas',
    );

    expect(steps.filter((step) => step.startsWith('health')).toSorted()).toEqual([
      'health node-a: imap greets',
      'health node-b: imap greets',
    ]);
  });

  it('says why the best node is not the one that the hash would have', async () => {
    const imap = await greeting('* OK ready\r\n');
    const pop3 = await greeting('+OK ready\r\n');
    const none = await closed();

    for (const dead of ['node-a', 'node-b']) {
      const nodes = ['node-a', 'node-b'].map((name) =>
        name === dead ? node(name, none, none) : node(name, imap, pop3),
      );
      const { steps } = await explained(nodes);

      expect(steps.find((step) => step.startsWith('because'))).toContain(
        `highest score: ${dead} can't be used`,
      );
    }
  });

  it('fails as a login would where nobody answers', async () => {
    const none = await closed();

    const { home } = await explained([node('node-a', none, none), node('node-b', none, none)]);

    expect(home).toMatchObject({
      reason: 'nodeUnreachable',
      message: expect.stringMatching(/^node node-[ab]: /),
    });
  });

  it('dials nobody unasked', async () => {
    const none = await closed();

    const { steps, home } = await explained([node('node-a', none, none), node('node-b', none, none)], false);

    expect(home).toHaveLength(2);
    expect(steps.some((step) => step.startsWith('health'))).toBe(false);
  });
});
