import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { cluster, loggedLine, type NodeName } from '../support/cluster.ts';
import { DirectoryAdmin, type MadeUser } from '../support/directory-admin.ts';
import { homing } from '../support/homing.ts';
import { firstSubject, logIn, openSession, type ProtocolName } from '../support/mail-session.ts';
import { clusterConfig, clusterNode, RunningProxy } from '../support/running-proxy.ts';
import { Wire } from '../support/wire.ts';

const GROUP = 'shared1.example.org';
const MEMBERS: readonly NodeName[] = ['node-a', 'node-b', 'node-d', 'node-p'];
const USERS = Array.from({ length: 24 }, (_, index) => `agreement-${index}`);

let admin: DirectoryAdmin;
let proxies: RunningProxy[];
let users: readonly MadeUser[];
beforeAll(async () => {
  admin = await DirectoryAdmin.connect();
  users = await Promise.all(USERS.map((name) => admin.addUser(name, GROUP, 'alice')));
  proxies = await Promise.all([1, 2, 1].map((number) => RunningProxy.start(configOf(number))));
});
afterAll(async () => {
  for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
  await admin[Symbol.asyncDispose]();
});

/** Storage that all Dovecots share, as far as Homing goes; one of them is to have twice the users. */
function configOf(number: number) {
  const here = cluster();
  const name = number === 1 ? 'proxy1' : 'proxy2';
  const members = MEMBERS.map((node) => ({ node: `${node}.example.org`, weight: node === 'node-b' ? 2 : 1 }));
  return clusterConfig(here, {
    name,
    keyFile: here.proxies[name].keyFile,
    nodes: MEMBERS.map((node) => clusterNode(here, node)),
    groups: [{ name: GROUP, kind: 'shared', members }],
  });
}

/** Where a user comes by a proxy: the node whose mail he reads. */
async function nodeOf(proxy: RunningProxy, protocol: ProtocolName, user: MadeUser): Promise<string> {
  const target = { port: proxy.port(protocol, 'none'), tls: 'none', ca: '' } as const;
  await using wire = await openSession(protocol, target);
  await logIn(protocol, wire, user.name, user.password);
  return (await firstSubject(protocol, wire)).replace(/^on /, '');
}

async function placesBy(proxy: RunningProxy): Promise<ReadonlyMap<string, string>> {
  const places = new Map<string, string>();
  for (const user of users) places.set(user.name, await nodeOf(proxy, 'imap', user));
  return places;
}

describe('the members of a group with shared storage', () => {
  it('are the same for each user by two proxies and a restarted one', async () => {
    const [first, second, third] = proxies;
    if (first === undefined || second === undefined || third === undefined) throw new Error('no proxies');
    const before = await Promise.all([first, second, third].map(placesBy));
    await third.signal('SIGKILL');
    await third[Symbol.asyncDispose]();
    proxies[2] = await RunningProxy.start(configOf(1));
    const after = await placesBy(proxies[2]);

    expect(new Set(before[0]?.values())).toEqual(new Set(MEMBERS));
    expect([before[1], before[2], after]).toEqual([before[0], before[0], before[0]]);
  });

  it('serve all sessions of a user on one, by IMAP, POP3 and ManageSieve through different proxies', async () => {
    const [first, second, third] = proxies;
    if (first === undefined || second === undefined || third === undefined) throw new Error('no proxies');
    for (const user of users.slice(0, 4)) {
      const imap = await nodeOf(first, 'imap', user);
      const pop3 = await nodeOf(second, 'pop3', user);
      await using sieve = await Wire.open({ port: third.port('sieve', 'none') });
      await sieve.linesUntil(/^OK/);
      const initial = Buffer.from(`\0${user.name}\0${user.password}`).toString('base64');
      sieve.send(`AUTHENTICATE "PLAIN" "${initial}"`);
      expect(await sieve.linesUntil(/^(?:OK|NO|BYE)/)).toContainEqual(expect.stringMatching(/^OK/));

      expect(pop3).toBe(imap);
      // The node itself says so; where it does not, this throws.
      await loggedLine(imap as NodeName, new RegExp(`managesieve-login.*Log.*user=<${user.name}>`));
    }
  });

  it('are the one that `homing explain` names', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'homing-agreement-'));
    const file = join(folder, 'homing.yaml');
    writeFileSync(file, stringify(configOf(2)));
    const [proxy] = proxies;
    if (proxy === undefined) throw new Error('no proxy');
    try {
      for (const user of users.slice(0, 2)) {
        const { output } = await homing(['explain', user.name, '-c', file]);

        expect(output).toContain(`a login would go to ${await nodeOf(proxy, 'imap', user)}.example.org`);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
