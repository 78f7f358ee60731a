import { describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster, pause, unpause } from '../support/cluster.ts';
import { firstSubject, logIn, openSession, type ProtocolName } from '../support/mail-session.ts';
import {
  type ConfigFile,
  clusterConfig,
  clusterNode,
  ldapDirectory,
  RunningProxy,
} from '../support/running-proxy.ts';

const PROTOCOLS: readonly ProtocolName[] = ['imap', 'pop3'];

async function open(proxy: RunningProxy, protocol: ProtocolName) {
  return await openSession(protocol, {
    port: proxy.port(protocol, 'implicit'),
    tls: 'implicit',
    ca: cluster().ca,
  });
}

/** A proxy whose node is another proxy, which gets the user's own password. */
function replaying(next: RunningProxy, verify: 'bind' | 'node'): ConfigFile {
  const here = cluster();
  return clusterConfig(here, {
    directories: [ldapDirectory(here, { verify })],
    nodes: [
      {
        name: 'node-a.example.org',
        host: '127.0.0.1',
        kind: 'generic',
        ports: { imap: next.port('imap', 'implicit'), pop3: next.port('pop3', 'implicit') },
        tls: { mode: 'implicit', caFile: here.caFile, serverName: 'mail.example.org' },
        trust: 'replay',
      },
    ],
  });
}

describe.each(PROTOCOLS)('trust plain-authzid, by %s', (protocol) => {
  it('logs in at a node that takes PLAIN, in verified TLS, and hands over the account', async () => {
    const here = cluster();
    const node = clusterNode(here, 'node-p', { name: 'node-a.example.org', trust: 'plain-authzid' });
    await using proxy = await RunningProxy.start(clusterConfig(here, { nodes: [node] }));
    await using wire = await open(proxy, protocol);

    await logIn(protocol, wire, accounts.alice.mail, accounts.alice.password);

    expect(await firstSubject(protocol, wire)).toBe('on node-p');
  });
});

describe.each(PROTOCOLS)('trust replay, by %s', (protocol) => {
  it("logs in at the node with the user's own password", async () => {
    await using node = await RunningProxy.start(clusterConfig(cluster()));
    await using proxy = await RunningProxy.start(replaying(node, 'bind'));
    await using wire = await open(proxy, protocol);

    await logIn(protocol, wire, accounts.alice.mail, accounts.alice.password);

    expect(await firstSubject(protocol, wire)).toBe('on node-a');
  });

  it("leaves the password to the node where that is configured: the node's no is a wrong password", async () => {
    await using node = await RunningProxy.start(clusterConfig(cluster()));
    await using proxy = await RunningProxy.start(replaying(node, 'node'));
    await using wire = await open(proxy, protocol);

    expect(await logIn(protocol, wire, accounts.alice.mail, 'wrong')).toMatch(
      /\[(?:AUTHENTICATIONFAILED|AUTH)\]/,
    );
    expect(await proxy.event('login')).toMatchObject({ result: 'wrongPassword', user: 'alice' });
    await logIn(protocol, wire, accounts.alice.mail, accounts.alice.password);
    expect(await firstSubject(protocol, wire)).toBe('on node-a');
  });
});

describe.each(PROTOCOLS)('a node that can not serve whom it let in, by %s', (protocol) => {
  it('F22 such as a uid outside its range, is neither taken for a login nor told as a wrong password', async () => {
    const here = cluster();
    await using proxy = await RunningProxy.start(
      clusterConfig(here, { directories: [ldapDirectory(here, { forward: { uid: '4000' } })] }),
    );
    for (const account of [accounts.alice, accounts.bob, accounts.carol]) {
      await using wire = await open(proxy, protocol);

      expect(await logIn(protocol, wire, account.mail, account.password)).toMatch(
        /\[UNAVAILABLE\]|\[SYS\/TEMP\]/,
      );
    }
  });
});

describe('a node that is frozen (F18)', () => {
  it('costs no more than the budget, harms nobody else, and serves again when it is back', async () => {
    const here = cluster();
    // No other test uses this node.
    const nodes = [
      clusterNode(here, 'node-p', { name: 'node-a.example.org', trust: 'plain-authzid' }),
      clusterNode(here, 'node-b'),
    ];
    const times = { failure: '0s', node: '1s', connect: '1s' };
    await using proxy = await RunningProxy.start(clusterConfig(here, { nodes, times }));
    await using stuck = await open(proxy, 'imap');
    await using other = await open(proxy, 'imap');

    await pause('node-p');
    const answer = logIn('imap', stuck, accounts.alice.mail, accounts.alice.password);
    await logIn('imap', other, accounts.bob.mail, accounts.bob.password);
    const subject = await firstSubject('imap', other);

    expect(subject).toBe('on node-b');
    expect(await answer).toMatch(/^l NO \[UNAVAILABLE\]/);
    await unpause('node-p');
    await logIn('imap', stuck, accounts.alice.mail, accounts.alice.password);
    expect(await firstSubject('imap', stuck)).toBe('on node-p');
  });
});
