import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../auth/secret.ts';
import { imap } from '../../protocols/imap/imap.ts';
import { pop3 } from '../../protocols/pop3/pop3.ts';
import type { MailProtocol } from '../../protocols/protocol.ts';
import { hostOfReferral } from '../../protocols/referral.ts';
import { sieve } from '../../protocols/sieve/sieve.ts';
import { openHome } from '../../src/home.ts';
import { NodeTable } from '../../src/routing/node-table.ts';
import { planRoute } from '../../src/routing/route.ts';
import type { NodeSettings } from '../../src/settings.ts';
import { freePorts } from '../support/ports.ts';
import { ScriptedServer } from '../support/scripted-server.ts';
import { TIMES } from '../support/settings.ts';

const NEVER = new AbortController().signal;
const HERE = { ip: '127.0.0.1', port: 9 };

/** What a node says, by protocol: its greeting, its challenge, and that it lets us in. */
const TALK = {
  imap: ['* OK [CAPABILITY IMAP4rev1] ready', '+ PDFAbm9kZT4=', 'L OK [CAPABILITY IMAP4rev1] in'],
  pop3: ['+OK ready', '+ PDFAbm9kZT4=', '+OK in'],
  sieve: ['"SASL" "CRAM-SHA256"\r\nOK', '"PDFAbm9kZT4="', 'OK\r\n"IMPLEMENTATION" "x"\r\nOK'],
} as const;

/** A node that lets in, or says this to a proof. */
async function node(service: keyof typeof TALK, refusal?: string): Promise<ScriptedServer> {
  const [greeting, challenge, welcome] = TALK[service];
  return await ScriptedServer.start(async (socket, line) => {
    socket.write(`${greeting}\r\n`);
    await line();
    socket.write(`${challenge}\r\n`);
    await line();
    socket.write(`${refusal ?? welcome}\r\n`);
  });
}

function settings(
  name: string,
  service: string,
  port: number,
  state: NodeSettings['state'] = 'up',
): NodeSettings {
  return {
    name,
    host: '127.0.0.1',
    kind: 'generic',
    ports: new Map([[service, port]]),
    tls: { mode: 'none' },
    trust: { kind: 'cram-sha256', name: 'proxy1', key: new Secret(randomBytes(32)) },
    required: [],
    state,
  };
}

async function opened(
  protocol: MailProtocol,
  rows: readonly NodeSettings[],
  members: readonly string[] = ['old.example.org'],
) {
  const nodes = new NodeTable(rows);
  const plan = (homes: readonly string[]) =>
    planRoute({ name: 'u', entry: 'uid=u', homes, forwarded: new Map(), bar: undefined }, protocol.name, {
      nodes,
    });
  const login = {
    protocol,
    user: 'u',
    password: undefined,
    origin: { client: HERE, listener: HERE, sessionId: 'abcdefghijklmnopqrstuv', ttl: 4 },
    refer: (name: string) => plan([name])[0],
    onFailure: () => undefined,
  };
  const home = await openHome(plan(members), login, { times: TIMES, leadsToUs: () => false }, NEVER);
  home.session.transport.destroy();
  return `${home.node.name}, ${home.way}`;
}

describe('a node that refers a user to another one', () => {
  it.each([
    [imap, 'L NO [REFERRAL imap://u;AUTH=*@new.example.org:143/] moved'],
    [pop3, '-ERR [REFERRAL/u@example.org@new.example.org:110] moved'],
    [sieve, 'NO (REFERRAL "sieve://u@new.example.org/") "moved"'],
  ] as const)('is followed by $name', async (protocol, refusal) => {
    const service = protocol.name as keyof typeof TALK;
    await using old = await node(service, refusal);
    await using now = await node(service);

    const name = await opened(protocol, [
      settings('old.example.org', service, old.port),
      settings('new.example.org', service, now.port),
    ]);

    expect(name).toBe('new.example.org, referred');
  });

  it('H9 X5 is followed to no host that is not in the table', async () => {
    await using old = await node('imap', 'L NO [REFERRAL imap://evil.example.com/] moved');

    await expect(opened(imap, [settings('old.example.org', 'imap', old.port)])).rejects.toMatchObject({
      reason: 'nodeRefusedProxy',
      message: expect.stringContaining('not in the node table'),
    });
  });

  it('is followed to no node that is down by its state', async () => {
    await using old = await node('imap', 'L NO [REFERRAL imap://new.example.org/] moved');
    await using now = await node('imap');
    const rows = [
      settings('old.example.org', 'imap', old.port),
      settings('new.example.org', 'imap', now.port, 'down'),
    ];

    await expect(opened(imap, rows)).rejects.toMatchObject({ reason: 'nodeRefusedProxy' });
    expect(now.connections).toHaveLength(0);
  });

  it('A26 is not followed in a circle', async () => {
    await using old = await node('imap', 'L NO [REFERRAL imap://new.example.org/] moved');
    await using now = await node('imap', 'L NO [REFERRAL imap://old.example.org/] moved');
    const rows = [
      settings('old.example.org', 'imap', old.port),
      settings('new.example.org', 'imap', now.port),
    ];

    await expect(opened(imap, rows)).rejects.toMatchObject({ reason: 'loop' });
    expect([old.connections.length, now.connections.length]).toEqual([1, 1]);
  });

  it('is followed twice at most', async () => {
    await using first = await node('imap', 'L NO [REFERRAL imap://b.example.org/] moved');
    await using second = await node('imap', 'L NO [REFERRAL imap://c.example.org/] moved');
    await using third = await node('imap', 'L NO [REFERRAL imap://d.example.org/] moved');
    await using fourth = await node('imap');
    const rows = [first, second, third, fourth].map(({ port }, index) =>
      settings(`${['old', 'b', 'c', 'd'][index]}.example.org`, 'imap', port),
    );

    await expect(opened(imap, rows)).rejects.toMatchObject({ reason: 'loop' });
    expect(fourth.connections).toHaveLength(0);
  });
});

describe('hostOfReferral', () => {
  it.each([
    ['imap://Node-A.example.org/', 'node-a.example.org'],
    ['imap://u;AUTH=*@192.0.2.1:993', '192.0.2.1'],
    ['u@example.org@node-a:110', 'node-a'],
    ['imap://node-a/INBOX', undefined],
    ['imap://;AUTH=*@[::1]/', undefined],
    ['imap://no de/', undefined],
    ['', undefined],
  ])('takes %j for %j', (text, host) => {
    expect(hostOfReferral(text)).toBe(host);
  });

  it('A16 takes no time for a long one', () => {
    expect(hostOfReferral(`imap://${'@'.repeat(60_000)}`)).toBeUndefined();
    expect(hostOfReferral('a'.repeat(60_000))).toBeUndefined();
  });
});

describe('a home of two nodes', () => {
  const homes = ['old.example.org', 'new.example.org'];

  it('is opened by a detour when the first one is not to be reached', async () => {
    await using now = await node('imap');
    const [dead = 0] = await freePorts(1);
    const rows = [settings('old.example.org', 'imap', dead), settings('new.example.org', 'imap', now.port)];

    expect(await opened(imap, rows, homes)).toBe('new.example.org, detour');
  });

  it('is opened as planned when the first one has an answer for this user', async () => {
    await using old = await node('imap', 'L NO [UNAVAILABLE] his volume is away');
    await using now = await node('imap');
    const rows = [
      settings('old.example.org', 'imap', old.port),
      settings('new.example.org', 'imap', now.port),
    ];

    expect(await opened(imap, rows, homes)).toBe('new.example.org, planned');
  });
});
