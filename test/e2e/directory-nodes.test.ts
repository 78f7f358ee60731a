import { Attribute, Change, Client } from 'ldapts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { accounts } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
import { ConfigFolder } from '../support/config-folder.ts';
import { homing } from '../support/homing.ts';
import { firstSubject, logIn, openSession } from '../support/mail-session.ts';
import { clusterConfig, RunningProxy } from '../support/running-proxy.ts';

const BASE = 'ou=nodes,dc=example,dc=org';
const NODE = `cn=node-a.example.org,${BASE}`;

let admin: Client;
beforeAll(async () => {
  admin = new Client({ url: `ldap://127.0.0.1:${cluster().ldap.master.ldap}`, timeout: 5000 });
  await admin.startTLS({ ca: cluster().ca, host: 'localhost' });
  await admin.bind(cluster().admin.dn, cluster().admin.password);
});
afterAll(async () => {
  await admin.unbind();
});

/** A cluster whose nodes are all in the directory. */
function config() {
  const here = cluster();
  const nodesFrom = {
    directory: 0,
    base: BASE,
    allow: ['127.0.0.1'],
    defaults: { kind: 'dovecot', tls: { caFile: here.caFile, serverName: 'localhost' } },
  };
  return clusterConfig(here, { nodes: [], nodesFrom });
}

function startProxy(): Promise<RunningProxy> {
  return RunningProxy.start(config());
}

function addNode(): Promise<void> {
  const { imaps, pop3s, sieves } = cluster().nodes['node-a'];
  return admin.add(NODE, {
    objectClass: 'homingNode',
    cn: 'node-a.example.org',
    homingHost: '127.0.0.1',
    homingPort: [`imap ${imaps}`, `pop3 ${pop3s}`, `sieve ${sieves}`],
  });
}

async function tryAlice(proxy: RunningProxy): Promise<string> {
  const options = { port: proxy.port('imap', 'implicit'), tls: 'implicit', ca: cluster().ca } as const;
  await using wire = await openSession('imap', options);
  const answer = await logIn('imap', wire, accounts.alice.mail, accounts.alice.password);
  return / OK /.test(answer) ? await firstSubject('imap', wire) : answer;
}

function setState(state: string): Promise<void> {
  const modification = new Attribute({ type: 'homingState', values: [state] });
  return admin.modify(NODE, new Change({ operation: 'replace', modification }));
}

describe('nodes in the directory', () => {
  it('come, go down and return on all proxies with no restart, on allowed hosts only', async () => {
    await using first = await startProxy();
    await using second = await startProxy();
    const proxies = [first, second];
    const readBy = async (count: number) => {
      for (const proxy of proxies) await proxy.events('nodesRead', {}, count);
    };
    await readBy(1);
    for (const proxy of proxies) await proxy.events('followState', { following: 'sync' }, 2);
    try {
      expect(await tryAlice(first)).toMatch(/\[CONTACTADMIN\]/);

      await addNode();
      await readBy(2);
      for (const proxy of proxies) expect(await tryAlice(proxy)).toBe('on node-a');

      await setState('down');
      await readBy(3);
      for (const proxy of proxies) expect(await tryAlice(proxy)).toMatch(/\[UNAVAILABLE\]/);

      await setState('draining');
      await readBy(4);
      for (const proxy of proxies) expect(await tryAlice(proxy)).toBe('on node-a');

      const modification = new Attribute({ type: 'homingHost', values: ['evil.example.net'] });
      await admin.modify(NODE, new Change({ operation: 'replace', modification }));
      for (const proxy of proxies) {
        const detail = 'the host evil.example.net fits nothing in nodesFrom.allow; it stays as it was before';
        expect(await proxy.event('nodeEntryRefused')).toMatchObject({ entry: NODE, detail });
      }
      await readBy(5);
      expect(await tryAlice(first)).toBe('on node-a');

      // Whoever sees nothing any more may not be allowed to.
      await admin.del(NODE);
      for (const proxy of proxies) {
        const detail = expect.stringContaining('0 entries, where 1 were');
        expect(await proxy.event('nodesUnreadable')).toMatchObject({ detail });
      }
      expect(await tryAlice(first)).toBe('on node-a');
    } finally {
      await admin.del(NODE).catch(() => undefined);
    }
  });

  it('are nodes to `homing explain` and `homing doctor` too', async () => {
    using folder = new ConfigFolder();
    const file = folder.write('homing.yaml', stringify(config()));
    try {
      await addNode();

      const explained = await homing(['explain', accounts.alice.mail, '-c', file, '--login']);
      const examined = await homing(['doctor', '-c', file]);

      expect([explained.code, explained.errors]).toEqual([0, '']);
      expect(explained.output).toMatch(new RegExp(`nodes +read from .*${BASE}`));
      expect(explained.output).toMatch(/health +node-a\.example\.org: imap greets\n/);
      expect(explained.output).toMatch(/login +node-a\.example\.org let alice in/);
      expect([examined.code, examined.errors]).toEqual([0, '']);
      expect(examined.output).toMatch(/^ok +node-a\.example\.org pop3: it refuses a wrong proof/m);
    } finally {
      await admin.del(NODE).catch(() => undefined);
    }
  });
});
