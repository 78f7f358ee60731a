import { describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
import { CuttableRelay } from '../support/cuttable-relay.ts';
import { logIn, openSession } from '../support/mail-session.ts';
import { clusterConfig, clusterNode, RunningProxy } from '../support/running-proxy.ts';

const BOB = accounts.bob;

async function answerTo(proxy: RunningProxy, account: { mail: string; password: string } = BOB) {
  await using wire = await openSession('imap', { port: proxy.port('imap', 'none'), tls: 'none', ca: '' });
  return await logIn('imap', wire, account.mail, account.password);
}

/** bob's home, a real Dovecot, behind a wire that can be cut. */
function configBehind(wire: CuttableRelay, changes: Record<string, unknown> = {}) {
  const node = clusterNode(cluster(), 'node-b', { ports: { imap: wire.port } });
  return clusterConfig(cluster(), { nodes: [clusterNode(cluster(), 'node-a'), node], ...changes });
}

describe('a node that goes down', () => {
  it.each([
    ['greeting', 'a probe'],
    ['off', 'a login'],
  ])('F16 F17 is left alone after three failures, and is back when %s shows that it works', async (probe) => {
    await using wire = await CuttableRelay.start(cluster().nodes['node-b'].imaps);
    await using proxy = await RunningProxy.start(configBehind(wire, { health: { probe, every: '1s' } }));
    expect(await answerTo(proxy)).toMatch(/^l OK/);

    wire.cut();
    for (let count = 0; count < 3; count += 1) expect(await answerTo(proxy)).toMatch(/^l NO \[UNAVAILABLE\]/);
    const down = await proxy.event('nodeState', { state: 'down' });
    expect(down).toMatchObject({ node: 'node-b.example.org', protocol: 'imap', level: 'error' });
    expect(await answerTo(proxy)).toMatch(/^l NO \[UNAVAILABLE\]/);
    const failed = await proxy.events('login', { result: 'nodeUnreachable' });
    expect(failed.at(-1)?.detail).toContain('left alone for a while, as it failed');

    wire.mend();
    if (probe === 'off') await expect.poll(() => answerTo(proxy), { timeout: 10_000 }).toMatch(/^l OK/);
    await proxy.event('nodeState', { state: 'up' });
    expect(await answerTo(proxy)).toMatch(/^l OK/);
  });
});

/** bob's home as a group: a real Dovecot behind a wire that can be cut, and the same as a spare. */
function configOfTwo(wire: CuttableRelay, changes: Record<string, unknown> = {}) {
  const first = clusterNode(cluster(), 'node-b', { name: 'first.example.org', ports: { imap: wire.port } });
  const spare = clusterNode(cluster(), 'node-b', { name: 'spare.example.org' });
  const members = ['first.example.org', { node: 'spare.example.org', priority: 2 }];
  return clusterConfig(cluster(), {
    nodes: [first, spare],
    // By the name that bob's entry gives.
    groups: [{ name: 'node-b.example.org', kind: 'replicas', members }],
    ...changes,
  });
}

describe('a home of two nodes', () => {
  it('serves each login by the other node while the first one is down, which is tried for three logins', async () => {
    await using wire = await CuttableRelay.start(cluster().nodes['node-b'].imaps);
    await using proxy = await RunningProxy.start(configOfTwo(wire));
    wire.cut();

    for (let count = 0; count < 5; count += 1) expect(await answerTo(proxy)).toMatch(/^l OK/);

    const logins = await proxy.events('login', { result: 'ok', node: 'spare.example.org' }, 5);
    expect(logins).toHaveLength(5);
    expect(await proxy.events('memberFailed', {}, 3)).toHaveLength(3);
  });

  it('brings sessions home when the first one works again, quietly', async () => {
    await using wire = await CuttableRelay.start(cluster().nodes['node-b'].imaps);
    await using proxy = await RunningProxy.start(configOfTwo(wire, { health: { every: '1s' } }));
    wire.cut();
    for (let count = 0; count < 2; count += 1) expect(await answerTo(proxy)).toMatch(/^l OK/);
    await using session = await openSession('imap', {
      port: proxy.port('imap', 'none'),
      tls: 'none',
      ca: '',
    });
    expect(await logIn('imap', session, BOB.mail, BOB.password)).toMatch(/^l OK/);
    await proxy.event('nodeState', { state: 'down' });

    wire.mend();
    const [end] = await proxy.events('sessionEnd', { how: 'rebalanced' });
    expect(end).toMatchObject({ node: 'spare.example.org', endedBy: 'proxy' });
    expect(await answerTo(proxy)).toMatch(/^l OK/);
    await proxy.events('login', { result: 'ok', node: 'first.example.org' });
  });
});
