import { expect, it, vi } from 'vitest';
import type { Account } from '../../auth/directory.ts';
import type { LoginFailure } from '../../auth/failure.ts';
import { DirectoryNodes } from '../../src/directory-nodes.ts';
import type { Event } from '../../src/events.ts';
import { NodeTable } from '../../src/routing/node-table.ts';
import { planRoute } from '../../src/routing/route.ts';
import { answerAll, type Script, ScriptedLdap, searchDone, searchEntry } from '../auth/ldap/scripted-ldap.ts';
import { ConfigFolder, good } from '../support/config-folder.ts';

const account: Account = {
  bar: undefined,
  name: 'ann',
  entry: 'uid=ann,dc=x',
  homes: ['a.mail.example.org'],
  forwarded: new Map([
    ['home', '/a'],
    ['uid', '1'],
    ['gid', '1'],
  ]),
};

const nodesOf =
  (...names: string[]): Script =>
  (request) => {
    if (request.kind !== 'search' || request.base !== 'ou=nodes,dc=x') return answerAll(request);
    const entries = names.map((name) => searchEntry(request.id, `cn=${name},ou=nodes,dc=x`, { cn: [name] }));
    return Buffer.concat([...entries, searchDone(request.id, 0)]);
  };

const failing: Script = (request) =>
  request.kind === 'search' ? searchDone(request.id, 52) : answerAll(request);

function settingsFor(...ports: readonly number[]) {
  using folder = new ConfigFolder();
  const text = `
nodesFrom:
  urls: [${ports.map((port) => `ldap://127.0.0.1:${port}`).join(', ')}]
  base: ou=nodes,dc=x
  allow: ['*.mail.example.org']
  defaults: { kind: dovecot, tls: { caFile: ca.pem } }
`;
  const { nodesFrom } = folder.load(good('nodes:\n', `${text}nodes:\n`)).settings;
  if (nodesFrom === undefined) throw new Error('nodesFrom was not built');
  return nodesFrom;
}

function reasonOf(nodes: NodeTable): string {
  try {
    return planRoute(account, 'imap', { nodes })[0].node.name;
  } catch (error) {
    return (error as LoginFailure).reason;
  }
}

it('are unsaid until the directory was read once, and stay when it goes', async () => {
  await using server = await ScriptedLdap.start(failing);
  const table = new NodeTable([]);
  const events: Event[] = [];
  await using nodes = new DirectoryNodes(settingsFor(server.port), table, (event) => events.push(event));

  await nodes.read();
  expect(reasonOf(table)).toBe('directoryDown');

  server.script = nodesOf('a.mail.example.org', 'evil.example.net');
  await nodes.read();
  await nodes.read();
  expect(reasonOf(table)).toBe('a.mail.example.org');

  server.script = failing;
  await nodes.read();
  expect(reasonOf(table)).toBe('a.mail.example.org');

  server.script = nodesOf('b.mail.example.org', 'evil.example.net');
  await nodes.read();
  expect(reasonOf(table)).toBe('homeNotAllowed');
  const told = events.map(({ event }) => event).filter((event) => event.startsWith('node'));
  expect(told).toEqual(['nodesUnreadable', 'nodeEntryRefused', 'nodesRead', 'nodesUnreadable', 'nodesRead']);
});

/** Does otherwise when it is asked for changes. */
const whenPolled =
  (polled: Script, otherwise: Script): Script =>
  (request, socket) =>
    (request.kind === 'search' && /modifytimestamp/i.test(request.filter) ? polled : otherwise)(
      request,
      socket,
    );

it('are read where they are followed, as another server may not have the change yet', async () => {
  await using behind = await ScriptedLdap.start(whenPolled(failing, nodesOf('b.mail.example.org')));
  await using followed = await ScriptedLdap.start(nodesOf('a.mail.example.org'));
  const table = new NodeTable([]);
  const { promise: following, resolve } = Promise.withResolvers<void>();
  await using nodes = new DirectoryNodes(settingsFor(behind.port, followed.port), table, (event) => {
    if (event.event === 'followState' && event.following === 'poll') resolve();
  });
  await following;

  await nodes.read();

  expect(table.all.map(({ name }) => name)).toEqual(['a.mail.example.org']);
});

it('are read as soon as something is told of them, however long they could not be read', async () => {
  await using server = await ScriptedLdap.start(whenPolled(answerAll, failing));
  const settings = settingsFor(server.port);
  const source = { ...settings.source, pollMs: 10, recheckMs: 10, retryMs: 600_000 };
  const { promise: read, resolve } = Promise.withResolvers<void>();
  await using nodes = new DirectoryNodes({ ...settings, source }, new NodeTable([]), ({ event }) => {
    if (event === 'nodesRead') resolve();
  });

  await nodes.read();
  server.script = nodesOf('a.mail.example.org');

  await read;
});

it('are read for a home that is unknown, but not again and again where nothing is told of', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  await using server = await ScriptedLdap.start(nodesOf('a.mail.example.org'));
  const table = new NodeTable([]);
  const { promise: following, resolve } = Promise.withResolvers<void>();
  await using nodes = new DirectoryNodes(settingsFor(server.port), table, (event) => {
    if (event.event === 'nodesRead') resolve();
  });
  await following;
  await nodes.read();

  server.script = nodesOf('b.mail.example.org');
  expect(await nodes.refresh()).toBe(false);
  vi.advanceTimersByTime(1000);
  expect(await nodes.refresh()).toBe(true);
  vi.useRealTimers();

  expect(table.all.map(({ name }) => name)).toEqual(['b.mail.example.org']);
});

it('are none of those that the configuration has', async () => {
  await using server = await ScriptedLdap.start(nodesOf('a.mail.example.org'));
  const settings = settingsFor(server.port);
  const table = new NodeTable([{ ...settings.entries.defaults, name: 'a.mail.example.org', host: 'here' }]);
  const events: Event[] = [];
  await using nodes = new DirectoryNodes(settings, table, (event) => events.push(event));

  await nodes.read();

  expect(table.find('a.mail.example.org')?.host).toBe('here');
  expect(events).toContainEqual({
    event: 'nodeEntryRefused',
    directory: settings.name,
    entry: 'a.mail.example.org',
    detail: expect.stringContaining('goes before'),
  });
});
