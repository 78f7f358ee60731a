import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Account } from '../../auth/directory.ts';
import { LoginFailure } from '../../auth/failure.ts';
import { Secret } from '../../auth/secret.ts';
import type { Trust } from '../../auth/trust.ts';
import type { NodeHealth } from '../../src/routing/node-health.ts';
import { NodeTable } from '../../src/routing/node-table.ts';
import { planRoute } from '../../src/routing/route.ts';
import type { NodeSettings } from '../../src/settings.ts';

const KEYED: Trust = { kind: 'cram-sha256', name: 'proxy1', key: new Secret(randomBytes(32)) };
const TLS = { mode: 'implicit', ca: undefined, serverName: undefined, pin: undefined } as const;

function node(name: string, changes: Partial<NodeSettings> = {}): NodeSettings {
  return {
    name,
    host: undefined,
    kind: 'dovecot',
    ports: new Map([['imap', 143]]),
    tls: { mode: 'none' },
    trust: KEYED,
    required: [],
    ...changes,
  };
}

function table(...names: readonly string[]): NodeTable {
  return new NodeTable(names.map((name) => node(name)));
}

/** A name of so many octets, in labels that RFC 1123 allows. */
function nameOf(octets: number): string {
  const label = 'a'.repeat(63);
  return `${label}.${label}.${label}.${'a'.repeat(octets - 3 * 64)}`;
}

describe('NodeTable', () => {
  it.each(['NODE-A.Example.ORG', 'node-a.example.org.', ' node-a.example.org\t', 'node-a.example.org\r\n'])(
    'finds a node by %j, under its name as the table has it',
    (written) => {
      const found = table('node-a.example.org').find(written);

      expect(found).toMatchObject({ name: 'node-a.example.org', host: 'node-a.example.org' });
    },
  );

  it('finds a node whose name has capitals in the configuration', () => {
    const found = table('Node-A', '*.Mail.example.org');

    expect(found.find('node-a')?.name).toBe('node-a');
    expect(found.find('b.mail.example.org')?.name).toBe('b.mail.example.org');
  });

  it.each(['node-c', 'node', 'node-a.example.org', 'node -a'])(
    'finds no %j where it is not in the table',
    (name) => {
      const found = table('node-a', 'node-b').find(name);

      expect(found).toBeUndefined();
    },
  );

  it.each([
    '127.0.0.1:389',
    '[::1]',
    '::1',
    'node-a\r\nnode-b',
    'node-a\0',
    'a/b',
    '/var/run/slapd',
    'unix:/var/run/slapd',
    'user@node-a',
    'node_a',
    'node a',
    'nöde-a',
    '',
    '.',
    '.node-a',
    'node-a..',
    'node-a..example.org',
    '-node-a',
    'node-a-',
    'node-a-.example.org',
    'mail.-example.org',
    '*',
    'a*',
    '*.mail.example.org',
    nameOf(254),
  ])('A27 dials no %j, even where the table has it: it is no host name', (odd) => {
    const found = table(odd.toLowerCase(), odd.replace(/\.$/, '')).find(odd);

    expect(found).toBeUndefined();
  });

  it('takes a name of 253 octets, the longest that there is', () => {
    const found = table('*.*.*.*').find(nameOf(253));

    expect(found?.name).toBe(nameOf(253));
  });

  it.each(['a', '1', 'a1', '1a', 'a--b', 'node-a.1.example.org'])(
    'takes %s, which is a host name',
    (name) => {
      const found = table(name).find(name);

      expect(found?.name).toBe(name);
    },
  );

  it('A27 dials an IPv4 address only where the table has it', () => {
    const found = table('192.0.2.1', 'node-a', '*.mail.example.org');

    expect(found.find('192.0.2.1')?.host).toBe('192.0.2.1');
    expect(found.find('192.0.2.2')).toBeUndefined();
    expect(found.find('169.254.169.254')).toBeUndefined();
  });

  it.each(['b.mail.example.org', 'B.Mail.Example.Org.', 'node-7.mail.example.org'])(
    'finds %s by a pattern, and dials that name',
    (name) => {
      const found = table('*.mail.example.org').find(name);

      const dialled = name.toLowerCase().replace(/\.$/, '');
      expect(found).toMatchObject({ name: dialled, host: dialled });
    },
  );

  it.each([
    'b.mail.example.org.attacker.tld',
    'attacker.tld.b.mail.example.org',
    'a.b.mail.example.org',
    'mail.example.org',
    '.mail.example.org',
    'b.mailxexample.org',
    'bxmail.example.org',
    'b.mail.example.orgx',
  ])('A27 finds no %s by *.mail.example.org', (name) => {
    const found = table('*.mail.example.org').find(name);

    expect(found).toBeUndefined();
  });

  it('takes the part of a label that a * stands for', () => {
    const found = table('node-*.example.org');

    expect(found.find('node-12.example.org')?.name).toBe('node-12.example.org');
    expect(found.find('xnode-12.example.org')).toBeUndefined();
    expect(found.find('node-1.2.example.org')).toBeUndefined();
    expect(found.find('node-.example.org')).toBeUndefined();
  });

  it('finds no name by a pattern where there is nothing that its * could stand for', () => {
    const found = table('node*.example.org').find('node.example.org');

    expect(found).toBeUndefined();
  });

  it('takes each * of a pattern for itself', () => {
    const found = table('node-*.*.example.org');

    expect(found.find('node-1.berlin.example.org')?.name).toBe('node-1.berlin.example.org');
    expect(found.find('node-1.example.org')).toBeUndefined();
  });

  it('prefers the row of the exact name to a pattern, wherever it stands', () => {
    const rows = [
      node('*.mail.example.org', { kind: 'generic' }),
      node('b.mail.example.org', { kind: 'courier' }),
    ];

    const kinds = [rows, rows.toReversed()].map(
      (nodes) => new NodeTable(nodes).find('b.mail.example.org')?.settings.kind,
    );

    expect(kinds).toEqual(['courier', 'courier']);
  });

  it('takes the first of several patterns', () => {
    const nodes = new NodeTable([
      node('b*.mail.example.org', { kind: 'courier' }),
      node('*.mail.example.org', { kind: 'generic' }),
    ]);

    expect(nodes.find('b1.mail.example.org')?.settings.kind).toBe('courier');
    expect(nodes.find('c1.mail.example.org')?.settings.kind).toBe('generic');
  });

  it('dials the host of the row instead of the name', () => {
    const nodes = new NodeTable([node('node-a', { host: '192.0.2.1' })]);

    expect(nodes.find('node-a')).toMatchObject({ name: 'node-a', host: '192.0.2.1' });
  });

  it.each<Trust>([{ kind: 'replay' }, { ...KEYED, kind: 'plain-authzid' }])(
    'takes no node with trust $kind and without TLS, as its proof can be used again',
    (trust) => {
      expect(() => new NodeTable([node('node-a', { trust })])).toThrow(`node node-a: trust ${trust.kind}`);
      expect(new NodeTable([node('node-a', { trust, tls: TLS })]).find('node-a')?.settings.trust).toBe(trust);
    },
  );
});

function account(homes: readonly string[], forwarded: Readonly<Record<string, string>> = {}): Account {
  const entry = 'uid=u,ou=people,dc=example,dc=org';
  return { name: 'u', entry, homes, forwarded: new Map(Object.entries(forwarded)), bar: undefined };
}

function failureOf(plan: () => unknown): LoginFailure {
  try {
    plan();
  } catch (error) {
    if (error instanceof LoginFailure) return error;
    throw error;
  }
  throw new Error('this account was given a home');
}

describe('planRoute', () => {
  it('keeps the order in which the entry names the home', () => {
    const nodes = table('node-a', 'node-b', 'node-c');

    const members = planRoute(account(['node-b', 'node-c', 'node-a']), 'imap', { nodes });

    expect(members.map((member) => member.node.name)).toEqual(['node-b', 'node-c', 'node-a']);
  });

  it('puts a node last that can not be used for the service, and leaves it in', () => {
    const nodes = table('node-a', 'node-b', 'node-c');
    const health: NodeHealth = { usable: ({ name }, service) => !(name === 'node-a' && service === 'imap') };

    const members = planRoute(account(['node-a', 'node-b', 'node-c']), 'imap', { nodes, health });

    expect(members.map((member) => member.node.name)).toEqual(['node-b', 'node-c', 'node-a']);
  });

  it("gives the service's port at each node", () => {
    const ports = new Map([
      ['imap', 1143],
      ['pop3', 1110],
    ]);
    const nodes = new NodeTable([node('node-a', { ports })]);

    const [imap] = planRoute(account(['node-a']), 'imap', { nodes });
    const [pop3] = planRoute(account(['node-a']), 'pop3', { nodes });

    expect([imap.port, pop3.port]).toEqual([1143, 1110]);
  });

  it('passes a name by that may not be dialled, where another one may', () => {
    const members = planRoute(account(['evil', '127.0.0.1:389', 'node-a', 'typo']), 'imap', {
      nodes: table('node-a'),
    });

    expect(members.map((member) => member.node.name)).toEqual(['node-a']);
  });

  it('passes a node by that does not have the service, where another one has', () => {
    const nodes = new NodeTable([node('node-a', { ports: new Map([['pop3', 110]]) }), node('node-b')]);

    const members = planRoute(account(['node-a', 'node-b']), 'imap', { nodes });

    expect(members.map((member) => member.node.name)).toEqual(['node-b']);
  });

  it('A27 refuses a home of which no name may be dialled, and says which they are', () => {
    const failure = failureOf(() =>
      planRoute(account(['evil', '169.254.169.254']), 'imap', { nodes: table('node-a') }),
    );

    expect(failure.reason).toBe('homeNotAllowed');
    expect(failure.message).toContain('uid=u,ou=people,dc=example,dc=org');
    expect(failure.message).toContain('evil, 169.254.169.254');
  });

  it('refuses a home without a port for the service, and says which service that is', () => {
    const failure = failureOf(() => planRoute(account(['node-a']), 'pop3', { nodes: table('node-a') }));

    expect(failure.reason).toBe('homeNotAllowed');
    expect(failure.message).toMatch(/node-a.*without a pop3 port/);
  });

  it('A27 takes no other port of a node than the one that the directory means, where it means one', () => {
    const at = (homePort: number) => ({ ...account(['node-a']), homePort });

    expect(planRoute(at(143), 'imap', { nodes: table('node-a') })).toMatchObject([{ port: 143 }]);
    const failure = failureOf(() => planRoute(at(1143), 'imap', { nodes: table('node-a') }));
    expect(failure.reason).toBe('homeNotAllowed');
    expect(failure.message).toMatch(
      /node-a port 1143, and that node has imap on 143: ports: \{ imap: 1143 \}/,
    );
  });

  it('refuses an account without a home, and says whose entry names none', () => {
    const failure = failureOf(() => planRoute(account([]), 'imap', { nodes: table('node-a') }));

    expect(failure.reason).toBe('noHome');
    expect(failure.message).toContain('uid=u,ou=people,dc=example,dc=org');
  });

  it.each(['dovecot', 'courier', 'generic'] as const)(
    'fails closed for a %s node that must be told what the entry lacks, and names all of that',
    (kind) => {
      const nodes = new NodeTable([node('node-a', { kind, required: ['home', 'quota', 'uid'] })]);

      const failure = failureOf(() => planRoute(account(['node-a'], { quota: '1' }), 'imap', { nodes }));

      expect(failure.reason).toBe('directoryFault');
      expect(failure.message).toContain('has no home, uid, which node node-a must be told');
    },
  );

  it('tells a node all that the entry says, where it says all that the node needs', () => {
    const nodes = new NodeTable([node('node-a', { required: ['home'] })]);

    const [{ forwarded }] = planRoute(account(['node-a'], { home: '/srv/u', uid: '5000' }), 'imap', {
      nodes,
    });

    expect(Object.fromEntries(forwarded)).toEqual({ home: '/srv/u', uid: '5000', quota: '0' });
  });

  it.each([
    ['dovecot', '10485760', '10485760B'],
    ['dovecot', '0', '0'],
    ['dovecot', undefined, '0'],
    ['courier', '10485760', '10485760S'],
    ['courier', '0', '0'],
    ['courier', undefined, '0'],
  ] as const)('tells a %s node of a quota of %s octets by %s', (kind, quota, told) => {
    const nodes = new NodeTable([node('node-a', { kind })]);

    const [{ forwarded }] = planRoute(account(['node-a'], quota === undefined ? {} : { quota }), 'imap', {
      nodes,
    });

    expect(forwarded.get('quota')).toBe(told);
  });

  it('tells each member of a home in its own unit', () => {
    const nodes = new NodeTable([node('node-a', { kind: 'dovecot' }), node('node-b', { kind: 'courier' })]);

    const members = planRoute(account(['node-a', 'node-b'], { quota: '7' }), 'imap', { nodes });

    expect(members.map(({ forwarded }) => forwarded.get('quota'))).toEqual(['7B', '7S']);
  });

  it('tells a generic node nothing', () => {
    const nodes = new NodeTable([node('node-a', { kind: 'generic' })]);

    const [{ forwarded }] = planRoute(account(['node-a'], { quota: '7', home: '/srv/u' }), 'imap', { nodes });

    expect(forwarded.size).toBe(0);
  });
});
