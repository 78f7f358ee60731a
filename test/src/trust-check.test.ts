import { describe, expect, it, vi } from 'vitest';
import { Secret } from '../../auth/secret.ts';
import { createProver, type Trust } from '../../auth/trust.ts';
import type { MailProtocol } from '../../protocols/protocol.ts';
import type { Event } from '../../src/events.ts';
import { PROTOCOLS } from '../../src/protocols.ts';
import type { Member } from '../../src/routing/route.ts';
import type { TimeSettings } from '../../src/settings.ts';
import { bareMember, type Finding, tryWrongProof } from '../../src/trust-check.ts';
import { TrustWatch } from '../../src/trust-watch.ts';
import { ScriptedServer } from '../support/scripted-server.ts';

const KEY = new Secret(Buffer.from('0123456789abcdef0123456789abcdef'));
const IMAP = PROTOCOLS.get('imap');
if (IMAP === undefined) throw new Error('there is no IMAP');

function memberAt(port: number, trust: Trust, protocol = IMAP): Member {
  const settings = {
    name: 'node-a.example.org',
    host: '127.0.0.1',
    kind: 'generic' as const,
    ports: new Map([[protocol?.name ?? '', port]]),
    tls: { mode: 'none' as const },
    trust,
    required: [],
  };
  const node = { name: settings.name, host: settings.host, settings, prover: createProver(trust) };
  const member = protocol && bareMember(node, protocol);
  if (member === undefined) throw new Error('the node has no port');
  return member;
}

/** A node that says these lines, one for each line that it hears. */
async function nodeThatSays(...answers: readonly ((heard: string) => string)[]): Promise<ScriptedServer> {
  return await ScriptedServer.start(async (socket, line) => {
    socket.write('* OK [CAPABILITY IMAP4rev1 SASL-IR] ready\r\n');
    for (const answer of answers) socket.write(`${answer(await line())}\r\n`);
  });
}

function serverFirst(heard: string): string {
  const first = Buffer.from(heard.split(' ').at(-1) ?? '', 'base64').toString();
  const nonce = /r=([^,]+)/.exec(first)?.[1];
  return `+ ${Buffer.from(`r=${nonce}node,s=c2FsdHNhbHRzYWx0,i=4096`).toString('base64')}`;
}

async function tried(
  node: ScriptedServer,
  kind: 'scram-sha-256' | 'cram-sha256',
  {
    protocol = IMAP,
    user,
    forwarded = new Map<string, string>(),
  }: { protocol?: MailProtocol | undefined; user?: string; forwarded?: ReadonlyMap<string, string> } = {},
): Promise<Finding> {
  if (protocol === undefined) throw new Error('there is no IMAP');
  const trial = {
    protocol,
    terms: { times: { nodeMs: 5000, connectMs: 5000 } as TimeSettings, leadsToUs: () => false },
    signal: new AbortController().signal,
  };
  const member = memberAt(node.port, { kind, name: 'proxy1', key: KEY }, protocol);
  return await tryWrongProof({ ...member, forwarded }, trial, user);
}

describe('a wrong proof, tried at a node', () => {
  it('is refused by a node that is right', async () => {
    await using node = await nodeThatSays(serverFirst, () => 'L NO [AUTHORIZATIONFAILED] no');

    expect(await tried(node, 'scram-sha-256')).toEqual({
      verdict: 'right',
      detail: 'it refuses a wrong proof',
    });
  });

  it('is found out where the node calls it right, though its signature is nothing to this proxy', async () => {
    const signed = `+ ${Buffer.from(`v=${Buffer.alloc(32).toString('base64')}`).toString('base64')}`;
    await using node = await nodeThatSays(serverFirst, () => signed);

    expect(await tried(node, 'scram-sha-256')).toMatchObject({
      verdict: 'wrong',
      detail: expect.stringContaining('takes a wrong proof for right'),
    });
  });

  it('is found out where the node lets it in', async () => {
    await using node = await nodeThatSays(
      () => '+ PDFAbm9kZT4=',
      () => 'L OK [CAPABILITY IMAP4rev1] in',
    );

    expect(await tried(node, 'cram-sha256')).toMatchObject({ verdict: 'wrong' });
  });

  it.each([
    ['refuses it with no code, as Courier', 'L NO Login failed.', 'right'],
    ['says BAD', 'L BAD too long', 'unknown'],
    ['is in trouble', 'L NO [UNAVAILABLE] uid is missing', 'unknown'],
    ['refuses the account', 'L NO [CONTACTADMIN] not here', 'unknown'],
    ['refers the account to another node', 'L NO [REFERRAL imap://other.example.org/] go', 'unknown'],
  ])('is judged by what the node says: one that %s', async (_what, said, verdict) => {
    await using node = await nodeThatSays(
      () => '+ PDFAbm9kZT4=',
      () => said,
    );

    expect(await tried(node, 'cram-sha256')).toMatchObject({ verdict });
  });

  it.each([
    ['pop3', ['+OK ready'], '-ERR [AUTH] no', 'right'],
    ['pop3', ['+OK ready'], '-ERR Authentication failed.', 'right'],
    ['pop3', ['+OK ready'], '-ERR [SYS/PERM] not here', 'unknown'],
    ['sieve', ['"SASL" "CRAM-SHA256"', 'OK'], 'NO "Authentication failed."', 'right'],
    ['sieve', ['"SASL" "CRAM-SHA256"', 'OK'], 'NO (ENCRYPT-NEEDED) "no"', 'unknown'],
    ['sieve', ['"SASL" "CRAM-SHA256"', 'OK'], 'BYE "no"', 'unknown'],
  ])('is judged by what a node of %s says: %j, %s', async (name, greeting, said, verdict) => {
    const protocol = PROTOCOLS.get(name);
    if (protocol === undefined) throw new Error(`there is no ${name}`);
    await using node = await ScriptedServer.start(async (socket, line) => {
      socket.write(`${greeting.join('\r\n')}\r\n`);
      await line();
      socket.write(name === 'sieve' ? '"PDFAbm9kZT4="\r\n' : '+ PDFAbm9kZT4=\r\n');
      await line();
      socket.write(`${said}\r\n`);
    });

    expect(await tried(node, 'cram-sha256', { protocol })).toMatchObject({ verdict });
  });

  it.each(['L NO [AUTHENTICATIONFAILED] no such mechanism', 'L NO no'])(
    'is not tried where the node refuses before it was given one: %s',
    async (said) => {
      await using node = await nodeThatSays(() => said);

      expect(await tried(node, 'cram-sha256')).toMatchObject({ verdict: 'unknown' });
    },
  );

  it('is that of an account that the node knows, where there is one', async () => {
    const heard: string[] = [];
    await using node = await nodeThatSays(
      () => '+ PDFAbm9kZT4=',
      (response) => {
        heard.push(Buffer.from(response, 'base64').toString());
        return 'L NO [AUTHENTICATIONFAILED] no';
      },
    );

    const forwarded = new Map([['home', '/home/ann']]);
    expect(await tried(node, 'cram-sha256', { user: 'ann', forwarded })).toMatchObject({ verdict: 'right' });

    expect(heard).toEqual([expect.stringMatching(/^ann;.*home=/)]);
  });

  it('tells nothing of a node that is down', async () => {
    const node = await nodeThatSays();
    await node[Symbol.asyncDispose]();

    expect(await tried(node, 'scram-sha-256')).toMatchObject({
      verdict: 'unknown',
      detail: expect.stringContaining('ECONNREFUSED'),
    });
  });
});

describe('the watch over the trust of nodes', () => {
  function setUp(findings: readonly Finding[], checkMs = 0) {
    vi.useFakeTimers();
    const member = memberAt(143, { kind: 'scram-sha-256', name: 'proxy1', key: KEY });
    const events: Event[] = [];
    const left = [...findings];
    const checked: Member[] = [];
    const watch = new TrustWatch({
      check: async (one) => {
        checked.push(one);
        if (checkMs > 0) await new Promise((resolve) => setTimeout(resolve, checkMs));
        return left.shift() ?? { verdict: 'right', detail: '' };
      },
      everyMs: 3_600_000,
      checkMs: 15_000,
      protocols: PROTOCOLS,
      observe: (event) => events.push(event),
    });
    const dispose = (): void => {
      watch[Symbol.dispose]();
      vi.useRealTimers();
    };
    return { watch, member, events, checked, checks: () => checked.length, [Symbol.dispose]: dispose };
  }

  it('keeps logins from a node that trusts anyone, until it refuses a wrong proof', async () => {
    using at = setUp([{ verdict: 'wrong', detail: 'it takes anything' }]);
    at.watch.watch(at.member.node);
    await vi.advanceTimersByTimeAsync(0);

    expect(() => at.watch.admit([at.member], 'imap')).toThrow(/takes wrong proofs/);
    expect(at.events).toMatchObject([
      { event: 'nodeTrust', trustsAnyone: true, detail: 'it takes anything' },
    ]);
    await vi.advanceTimersByTimeAsync(61_000);

    expect(at.watch.admit([at.member], 'imap')).toEqual([at.member]);
    expect(at.events.at(-1)).toMatchObject({ event: 'nodeTrust', trustsAnyone: false });
    await vi.advanceTimersByTimeAsync(3_590_000);
    expect(at.checks()).toBe(2);
  });

  it('leaves another member of the home to those who have one', async () => {
    using at = setUp([{ verdict: 'wrong', detail: '' }]);
    const other = { ...at.member, node: { ...at.member.node, name: 'node-b.example.org' } };
    at.watch.watch(at.member.node);
    await vi.advanceTimersByTimeAsync(0);

    expect(at.watch.admit([at.member, other], 'imap')).toEqual([other]);
  });

  it('tries a node that another way leads to now, and believes of it what it did until then', async () => {
    using at = setUp([
      { verdict: 'wrong', detail: '' },
      { verdict: 'unknown', detail: '' },
    ]);
    at.watch.watch(at.member.node);
    await vi.advanceTimersByTimeAsync(0);
    const moved = { ...at.member.node, host: '192.0.2.1' };
    at.watch.replace([moved.name], [moved]);
    expect(() => at.watch.admit([at.member], 'imap')).toThrow(/takes wrong proofs/);
    await vi.advanceTimersByTimeAsync(0);

    expect(at.checked.map(({ node }) => node.host)).toEqual(['127.0.0.1', '192.0.2.1']);
    await vi.advanceTimersByTimeAsync(61_000);
    expect(at.watch.admit([at.member], 'imap')).toEqual([at.member]);
  });

  it('looks at nodes that come, and at none that went', async () => {
    using at = setUp([{ verdict: 'wrong', detail: '' }]);
    at.watch.replace([], [at.member.node]);
    await vi.advanceTimersByTimeAsync(0);
    at.watch.replace([at.member.node.name], []);
    await vi.advanceTimersByTimeAsync(7_200_000);

    expect(at.checks()).toBe(1);
    expect(at.events.at(-1)).toMatchObject({
      trustsAnyone: false,
      detail: 'it is in the node table no more',
    });
  });

  it('looks at a node when a login first goes there, again after a minute if it could not tell, and tells nobody', async () => {
    using at = setUp([{ verdict: 'unknown', detail: 'down' }]);

    expect(at.watch.admit([at.member], 'imap')).toEqual([at.member]);
    at.watch.admit([at.member], 'imap');
    await vi.advanceTimersByTimeAsync(59_000);
    expect(at.checks()).toBe(1);
    await vi.advanceTimersByTimeAsync(2000);
    expect(at.checks()).toBe(2);
    expect(at.events).toEqual([]);
  });

  it('forgets a name of a pattern that no login wanted for an hour, and no node of the table', async () => {
    using at = setUp([]);
    const other = { ...at.member, node: { ...at.member.node, name: 'made-up.example.org' } };
    at.watch.watch(at.member.node);
    at.watch.admit([at.member, other], 'imap');
    await vi.advanceTimersByTimeAsync(3 * 3_600_000);

    const names = at.checked.map(({ node }) => node.name);
    expect(names.filter((name) => name === other.node.name)).toHaveLength(1);
    expect(names.filter((name) => name === at.member.node.name).length).toBeGreaterThan(2);
  });

  it('comes to each node, however many can not be asked', async () => {
    const hanging = Array.from({ length: 100 }, (): Finding => ({ verdict: 'unknown', detail: 'down' }));
    using at = setUp(hanging, 60_000);
    const nodes = Array.from({ length: 9 }, (_, index) => ({
      ...at.member.node,
      name: `n${index}.example.org`,
    }));
    for (const node of nodes) at.watch.watch(node);
    await vi.advanceTimersByTimeAsync(600_000);

    expect(new Set(at.checked.map(({ node }) => node.name)).size).toBe(9);
  });

  it('tells once of a node of which it could not tell for an hour', async () => {
    const unknown = Array.from({ length: 130 }, (): Finding => ({ verdict: 'unknown', detail: 'uid?' }));
    using at = setUp(unknown);
    at.watch.watch(at.member.node);
    await vi.advanceTimersByTimeAsync(3_590_000);
    expect(at.events).toEqual([]);
    await vi.advanceTimersByTimeAsync(3_600_000);

    expect(at.events).toEqual([
      {
        event: 'nodeTrustUnknown',
        node: 'node-a.example.org',
        nodeEntry: 'node-a.example.org',
        protocol: 'imap',
        detail: 'uid?',
      },
    ]);
  });

  it('counts the time in which it could not tell from the last time that it could', async () => {
    const unknown = Array.from({ length: 50 }, (): Finding => ({ verdict: 'unknown', detail: 'down' }));
    using at = setUp([...unknown, { verdict: 'right', detail: '' }, ...unknown]);
    at.watch.watch(at.member.node);
    await vi.advanceTimersByTimeAsync(3 * 3_600_000);

    expect(at.checks()).toBeGreaterThan(100);
    expect(at.events).toEqual([]);
  });
});
