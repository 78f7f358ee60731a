import { describe, expect, it } from 'vitest';
import type { Entry } from '../../auth/entries/entry.ts';
import { Secret } from '../../auth/secret.ts';
import { type NodeEntryTerms, readNodeEntries } from '../../src/config/node-entries.ts';
import { nodesFromSchema } from '../../src/config/schema-nodes-from.ts';

const KEY = new Secret(Buffer.from('a key of the configuration'));
const { attributes } = nodesFromSchema.parse({
  base: 'dc=x',
  allow: ['*.mail.example.org'],
  defaults: { kind: 'dovecot' },
});
const TERMS: NodeEntryTerms = {
  attributes,
  allow: ['*.mail.example.org'],
  defaults: {
    name: 'nodes.invalid',
    host: undefined,
    kind: 'dovecot',
    ports: new Map(),
    tls: { mode: 'implicit', ca: Buffer.from('CA'), serverName: undefined, pin: undefined },
    trust: { kind: 'scram-sha-256', name: 'proxy1', key: KEY },
    required: ['home'],
  },
  written: { ports: {}, requires: undefined },
  services: ['imap'],
};

function entry(values: {
  readonly cn?: readonly string[];
  readonly [name: string]: readonly string[] | undefined;
}): Entry {
  const lower = Object.entries(values).map(([name, list]) => [name.toLowerCase(), list ?? []] as const);
  return { dn: `cn=${values.cn?.[0]},dc=x`, attributes: new Map(lower) };
}

const node = (values: Record<string, readonly string[]> = {}) =>
  entry({ cn: ['a.mail.example.org'], ...values });

/** Makes rows of entries that were never read before. */
function read(entries: readonly Entry[]) {
  const { rows, refused } = readNodeEntries(entries, TERMS);
  const all = [...rows.values()];
  return {
    nodes: all.flatMap((row) => ('node' in row ? [row.node] : [])),
    groups: all.flatMap((row) => ('group' in row ? [row.group] : [])),
    refused,
  };
}

describe('nodes and groups in entries', () => {
  it('take from the entry what it says, and from the defaults the rest', () => {
    const { nodes, refused } = read([
      node({
        homingHost: ['A1.mail.example.org.'],
        homingPort: ['imap 1993'],
        homingTls: ['starttls'],
        homingState: ['Draining'],
        homingWeight: ['2.5'],
      }),
      entry({ cn: ['c.mail.example.org'], homingKind: ['courier'] }),
    ]);

    expect(refused).toEqual([]);
    expect(nodes[0]).toMatchObject({
      name: 'a.mail.example.org',
      host: 'a1.mail.example.org',
      kind: 'dovecot',
      tls: { mode: 'starttls', ca: Buffer.from('CA') },
      trust: { kind: 'scram-sha-256', key: KEY },
      state: 'draining',
      weight: 2.5,
      required: ['home', 'uid', 'gid'],
    });
    expect(nodes[0]?.ports).toEqual(
      new Map([
        ['imap', 1993],
        ['pop3', 110],
        ['sieve', 4190],
      ]),
    );
    expect(nodes[1]).toMatchObject({
      kind: 'courier',
      trust: { kind: 'cram-sha256', key: KEY },
      state: 'up',
    });
  });

  it('make a group of members', () => {
    const members = ['a.mail.example.org', 'B.mail.example.org weight=2 priority=3'];
    const { nodes, groups } = read([
      entry({ cn: ['g1'], homingMember: members, homingGroupKind: ['replicas'] }),
    ]);

    expect(nodes).toEqual([]);
    expect(groups).toEqual([
      {
        name: 'g1',
        kind: 'replicas',
        members: [
          { node: 'a.mail.example.org', weight: undefined, priority: 1 },
          { node: 'b.mail.example.org', weight: 2, priority: 3 },
        ],
        services: ['imap'],
      },
    ]);
  });

  it.each([
    ['a host that nobody allowed', { homingHost: ['evil.example.net'] }, 'fits nothing in nodesFrom.allow'],
    [
      'a host below an allowed one',
      { homingHost: ['a.b.mail.example.org'] },
      'fits nothing in nodesFrom.allow',
    ],
    ['what is no host', { homingHost: ['a/b.mail.example.org'] }, 'is no host name'],
    ['a pattern for a name', { cn: ['*.mail.example.org'] }, 'is no name of a node'],
    ['two names', { cn: ['a.mail.example.org', 'b.mail.example.org'] }, 'cn has several values'],
    ['no TLS where the defaults have it', { homingTls: ['none'] }, "an entry can't take away"],
    ['a trust that tells the key', { homingTrust: ['plain-authzid'] }, 'tells a password'],
    ["a trust that tells users' passwords", { homingTrust: ['replay'] }, 'tells a password'],
    ['a state that there is not', { homingState: ['off'] }, '"off" is not one of up, draining, down'],
    ['a port beyond all', { homingPort: ['imap 65536'] }, '"imap 65536" is not as "imap 993"'],
    [
      'a port of no service',
      { homingPort: ['imaps 993'] },
      'there is no service "imaps", but imap, pop3, sieve',
    ],
    ['two ports of one service', { homingPort: ['imap 143', 'IMAP 993'] }, 'imap has several ports'],
    ['a weight of nothing', { homingWeight: ['0'] }, 'is no number above 0'],
    ['a member twice', { homingMember: ['a', 'A weight=2'] }, 'a node is a member once'],
    ['a member with a wrong word', { homingMember: ['a wait=2'] }, 'is not as "node-a"'],
  ])('leave out an entry with %s, and no other', (_what, values, detail) => {
    const { nodes, refused } = read([node(values), entry({ cn: ['z.mail.example.org'] })]);

    expect(nodes.map(({ name }) => name)).toEqual(['z.mail.example.org']);
    expect(refused).toEqual([
      { entry: expect.stringMatching(/^cn=.*,dc=x$/), detail: expect.stringContaining(detail) },
    ]);
  });

  it('leave out the second entry of a name, the same on all proxies', () => {
    const [one, two] = [
      node({ homingState: ['down'] }),
      { ...node(), dn: 'cn=a.mail.example.org,ou=z,dc=x' },
    ];

    expect(read([two, one])).toEqual(read([one, two]));
    expect(read([two, one]).refused).toHaveLength(1);
  });
});
