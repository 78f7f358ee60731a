import { afterAll, describe, expect, it } from 'vitest';
import type { Account } from '../../auth/directory.ts';
import { ALL_USABLE, type NodeHealth } from '../../src/routing/node-health.ts';
import { NodeTable, type TableChange, type TableRows } from '../../src/routing/node-table.ts';
import { planRoute } from '../../src/routing/route.ts';
import type { GroupSettings, NodeSettings } from '../../src/settings.ts';
import { ConfigFolder, GOOD } from '../support/config-folder.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

const ALL = new Map([
  ['imap', 143],
  ['pop3', 110],
  ['sieve', 4190],
]);
const USERS = Array.from({ length: 100 }, (_, index) => `user${index}`);

function node(name: string, changes: Partial<NodeSettings> = {}): NodeSettings {
  return {
    name,
    host: undefined,
    kind: 'generic',
    ports: ALL,
    tls: { mode: 'implicit', ca: undefined, serverName: undefined, pin: undefined },
    trust: { kind: 'replay' },
    required: [],
    ...changes,
  };
}

function shared(...names: readonly string[]): GroupSettings {
  return { name: 'mail', kind: 'shared', members: names.map((name) => ({ node: name, priority: 1 })) };
}

function homeOf(nodes: NodeTable, homes: readonly string[], asked: Asked = {}): readonly string[] {
  const { service = 'imap', name = 'ann', health = ALL_USABLE } = asked;
  const account: Account = { name, entry: `uid=${name}`, homes, forwarded: new Map(), bar: undefined };
  return planRoute(account, service, { nodes, health }).map((one) => one.node.name);
}

interface Asked {
  readonly service?: string;
  readonly name?: string;
  readonly health?: NodeHealth;
}

describe('a shared group', () => {
  const brokenSieve: NodeHealth = { usable: ({ name }, service) => name !== 'c' || service !== 'sieve' };

  it.each([
    ['all have all services', ALL, ALL_USABLE],
    ['one lacks a port', new Map([...ALL].slice(0, 2)), ALL_USABLE],
    ['one has a service that fails', ALL, brokenSieve],
  ])('has all sessions of a user meet on one member where %s', (_, ports, health) => {
    const nodes = new NodeTable([node('a'), node('b'), node('c', { ports })], [shared('a', 'b', 'c')]);

    for (const user of USERS) {
      const first = [...ALL.keys()].map(
        (service) => homeOf(nodes, ['mail'], { service, name: user, health })[0],
      );

      expect(new Set(first).size, user).toBe(1);
    }
  });

  it('is no host, even where a pattern would allow its name', () => {
    const nodes = new NodeTable([node('*.mail.example.org')], [{ ...shared(), name: 'g.mail.example.org' }]);

    expect(nodes.find('g.mail.example.org')).toBeUndefined();
  });
});

describe('the state of a node', () => {
  it('down keeps it from being dialled, and the failure is temporary', () => {
    const nodes = new NodeTable([node('a', { state: 'down' }), node('b')]);

    expect(homeOf(nodes, ['a', 'b'])).toEqual(['b']);
    expect(() => homeOf(nodes, ['a'])).toThrow(expect.objectContaining({ reason: 'nodeUnreachable' }));
  });

  it('draining leaves it those who have no other place', () => {
    const nodes = new NodeTable([node('a', { state: 'draining' }), node('b')], [shared('a', 'b')]);

    expect(homeOf(nodes, ['a'])).toEqual(['a']);
    expect(USERS.map((user) => homeOf(nodes, ['mail'], { name: user }))).toEqual(USERS.map(() => ['b']));
  });
});

it('reads homes as PowerMail writes them by their priority', () => {
  const nodes = new NodeTable([node('a'), node('b')]);

  expect(homeOf(nodes, ['g:2:a', 'g:1:b'])).toEqual(['b', 'a']);
});

describe('NodeTable.replace', () => {
  it('tells of changes of state, and of a clash once; the configuration wins', () => {
    const nodes = new NodeTable([node('a')]);
    const told: unknown[] = [];
    nodes.onChange(({ states }) => told.push(...states));
    const rows = { nodes: [node('a', { host: 'other' }), node('b'), node('*.evil.tld')] };

    expect(nodes.replace('ldap', rows)).toEqual(['a', '*.evil.tld']);
    expect(nodes.replace('ldap', { nodes: [...rows.nodes, node('c')] })).toEqual([]);
    nodes.replace('ldap', { nodes: [node('b', { state: 'draining' })] });

    expect(nodes.find('a')?.host).toBe('a');
    expect(nodes.find('x.evil.tld')).toBeUndefined();
    expect(told).toEqual([
      { node: 'b', before: undefined, after: 'up' },
      { node: 'c', before: undefined, after: 'up' },
      { node: 'b', before: 'up', after: 'draining' },
      { node: 'c', before: 'up', after: undefined },
    ]);
  });
});

describe('what NodeTable tells of', () => {
  const FROM = { nodes: [node('a'), node('b')], groups: [shared('a', 'b')] };

  function told(rows: TableRows): TableChange | undefined {
    const nodes = new NodeTable([]);
    nodes.replace('ldap', FROM);
    let last: TableChange | undefined;
    nodes.onChange((change) => {
      last = change;
    });
    nodes.replace('ldap', rows);
    return last;
  }

  it('is nothing where nothing is different, and keeps what was derived for the nodes', () => {
    const nodes = new NodeTable([]);
    nodes.replace('ldap', FROM);
    const before = nodes.find('a');
    nodes.replace('ldap', { nodes: [node('a'), node('b')], groups: [shared('a', 'b')] });

    expect(told({ nodes: [node('b'), node('a')], groups: [shared('a', 'b')] })).toBeUndefined();
    expect(nodes.find('a')?.prover).toBe(before?.prover);
    expect(nodes.all.map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it.each([
    ['a host', { host: 'c' }, { replaced: ['a'], placesMoved: false }],
    ['ports', { ports: new Map([...ALL, ['imap', 9143]]) }, { replaced: ['a'], placesMoved: false }],
    ['services', { ports: new Map([['imap', 143]]) }, { replaced: ['a'], placesMoved: true }],
    ['a weight', { weight: 2 }, { replaced: [], placesMoved: true }],
    ['a state', { state: 'draining' as const }, { replaced: [], placesMoved: false }],
  ])('is %s that is another one', (_what, changes, expected) => {
    expect(told({ ...FROM, nodes: [node('a', changes), node('b')] })).toMatchObject(expected);
  });

  it('is a group of which a member went, and a node that did', () => {
    expect(told({ ...FROM, groups: [shared('a')] })).toEqual({ states: [], replaced: [], placesMoved: true });
    expect(told({ ...FROM, nodes: [node('b')] })).toMatchObject({ replaced: ['a'], placesMoved: true });
  });
});

describe('groups in the configuration', () => {
  it.each([
    ['{ name: g, kind: shared, members: [node-b] }', /there is no node node-b/],
    ['{ name: g, kind: shared, members: [node-a, NODE-A] }', /is a member already/],
    ['{ name: node-a, kind: shared, members: [node-a] }', /has this name too/],
    ['{ name: g, kind: shared, members: [] }', /too short: at least 1/],
    ['{ name: g, kind: shared, members: [{ node: node-a, weight: 0 }] }', /weight|0/],
  ])('are refused as %s', (group, message) => {
    expect(() => folder.load(`${GOOD}groups:\n  - ${group}\n`)).toThrow(
      expect.objectContaining({
        problems: expect.arrayContaining([
          expect.objectContaining({ message: expect.stringMatching(message) }),
        ]),
      }),
    );
  });
});
