import { expect, it, onTestFinished, vi } from 'vitest';
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

const entry = (
  id: number,
  name: string,
  attributes: Readonly<Record<string, readonly string[]>> = {},
): Buffer => searchEntry(id, `cn=${name},ou=nodes,dc=x`, { cn: [name], ...attributes });

const nodesOf =
  (...names: string[]): Script =>
  (request) => {
    if (request.kind !== 'search' || request.base !== 'ou=nodes,dc=x') return answerAll(request);
    const entries = names.map((name) => entry(request.id, name));
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

it('stay where most are gone at every server that answers, as its data or our rights are', async () => {
  const all = ['a', 'b', 'c'].map((name) => `${name}.mail.example.org`);
  await using emptied = await ScriptedLdap.start(nodesOf(...all));
  await using other = await ScriptedLdap.start(nodesOf(...all));
  const settings = settingsFor(emptied.port, other.port);
  const table = new NodeTable([]);
  const events: Event[] = [];
  await using nodes = new DirectoryNodes(settings, table, (event) => events.push(event));
  await nodes.read();

  emptied.script = nodesOf();
  other.script = nodesOf(...all.slice(1));
  await nodes.read();
  expect(table.all.map(({ name }) => name)).toEqual(all.slice(1));

  other.script = nodesOf();
  await nodes.read();
  await nodes.read();
  expect(table.all.map(({ name }) => name)).toEqual(all.slice(1));
  const [first, second] = settings.source.servers.map(({ url }) => url);
  expect(events.filter(({ event }) => event === 'nodesUnreadable')).toEqual([
    {
      event: 'nodesUnreadable',
      directory: settings.name,
      detail: `${first}: search below ou=nodes,dc=x: 0 entries, where 2 were: if that is right, restart the proxy; ${second}: search below ou=nodes,dc=x: 0 entries, where 2 were: if that is right, restart the proxy`,
    },
  ]);
});

it('stay as they were where their entry can not be used any more, until it is gone', async () => {
  const [a, b, c] = ['a.mail.example.org', 'b.mail.example.org', 'c.mail.example.org'] as const;
  await using server = await ScriptedLdap.start(nodesOf(a, b));
  const table = new NodeTable([]);
  const events: Event[] = [];
  await using nodes = new DirectoryNodes(settingsFor(server.port), table, (event) => events.push(event));
  await nodes.read();
  const withEntries = (entriesOf: (id: number) => readonly Buffer[]): Script => {
    return (request) =>
      request.kind === 'search' && request.base === 'ou=nodes,dc=x'
        ? Buffer.concat([...entriesOf(request.id), searchDone(request.id, 0)])
        : answerAll(request);
  };

  const typo = { homingWeight: ['ten'] };
  server.script = withEntries((id) => [entry(id, a, typo), entry(id, b), entry(id, c, typo)]);
  await nodes.read();

  expect(table.all.map(({ name }) => name)).toEqual([b, a]);
  const refused = events.flatMap((event) => (event.event === 'nodeEntryRefused' ? [event] : []));
  const why = 'homingWeight: the weight "ten" is no number above 0';
  expect(refused.map(({ detail }) => detail)).toEqual([`${why}; it stays as it was before`, why]);

  server.script = withEntries((id) => [entry(id, b), entry(id, c)]);
  await nodes.read();
  expect(table.all.map(({ name }) => name)).toEqual([b, c]);
});

it('are not a part of them, where the server has a limit: the log says what to do', async () => {
  await using server = await ScriptedLdap.start((request) =>
    request.kind === 'search' && request.base === 'ou=nodes,dc=x'
      ? Buffer.concat([entry(request.id, 'a.mail.example.org'), searchDone(request.id, 4)])
      : answerAll(request),
  );
  const table = new NodeTable([]);
  const events: Event[] = [];
  await using nodes = new DirectoryNodes(settingsFor(server.port), table, (event) => events.push(event));

  await nodes.read();

  expect(table.all).toEqual([]);
  expect(events.find(({ event }) => event === 'nodesUnreadable')).toMatchObject({
    detail: expect.stringMatching(/4 sizeLimitExceeded: .* raise its limit for bindDn/),
  });
});

it('are waited for no longer than a start may take, however many servers are silent', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  await using silent = await ScriptedLdap.start(() => undefined);
  const settings = settingsFor(silent.port, silent.port, silent.port);
  const events: Event[] = [];
  await using nodes = new DirectoryNodes(settings, new NodeTable([]), (event) => events.push(event));
  const unreadable = () => events.filter(({ event }) => event === 'nodesUnreadable');

  const started = nodes.readFirst(6000);
  await vi.waitFor(() => expect(silent.sockets.size).toBeGreaterThan(0));
  vi.advanceTimersByTime(6000);
  await started;
  expect(unreadable()).toEqual([]);

  // The reading goes on.
  while (unreadable().length === 0) await vi.advanceTimersByTimeAsync(1000);
});

it('of a name that another entry has now are those of that entry', async () => {
  const a = 'a.mail.example.org';
  await using server = await ScriptedLdap.start(nodesOf(a));
  const table = new NodeTable([]);
  await using nodes = new DirectoryNodes(settingsFor(server.port), table, () => undefined);
  await nodes.read();

  server.script = (request) =>
    request.kind === 'search' && request.base === 'ou=nodes,dc=x'
      ? Buffer.concat([
          entry(request.id, a, { homingWeight: ['ten'] }),
          searchEntry(request.id, 'cn=z,ou=nodes,dc=x', { cn: [a], homingHost: ['z.mail.example.org'] }),
          searchDone(request.id, 0),
        ])
      : answerAll(request);
  await nodes.read();

  expect(table.all.map(({ name, host }) => [name, host])).toEqual([[a, 'z.mail.example.org']]);
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
