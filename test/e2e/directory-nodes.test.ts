import { Attribute, Change, Client } from 'ldapts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
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

function startProxy(): Promise<RunningProxy> {
  const here = cluster();
  const nodesFrom = {
    directory: 0,
    base: BASE,
    allow: ['127.0.0.1'],
    defaults: { kind: 'dovecot', tls: { caFile: here.caFile, serverName: 'localhost' } },
  };
  return RunningProxy.start(clusterConfig(here, { nodes: [], nodesFrom }));
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

      await admin.add(NODE, {
        objectClass: 'homingNode',
        cn: 'node-a.example.org',
        homingHost: '127.0.0.1',
        homingPort: [`imap ${cluster().nodes['node-a'].imaps}`, `pop3 ${cluster().nodes['node-a'].pop3s}`],
      });
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
        const detail = 'the host evil.example.net fits nothing in nodesFrom.allow';
        expect(await proxy.event('nodeEntryRefused')).toMatchObject({ entry: NODE, detail });
      }
      await readBy(5);
      expect(await tryAlice(first)).toMatch(/\[CONTACTADMIN\]/);
    } finally {
      await admin.del(NODE).catch(() => undefined);
    }
  });
});
