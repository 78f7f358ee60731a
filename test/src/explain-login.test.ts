import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../auth/secret.ts';
import { imap } from '../../protocols/imap/imap.ts';
import { explainLogin } from '../../src/commands/explain-login.ts';
import { NodeTable } from '../../src/routing/node-table.ts';
import { planRoute } from '../../src/routing/route.ts';
import type { NodeSettings } from '../../src/settings.ts';
import { ScriptedServer } from '../support/scripted-server.ts';
import { TIMES } from '../support/settings.ts';

const ANN = { name: 'ann', entry: 'uid=ann', forwarded: new Map(), bar: undefined };
const REFUSED = 'L NO [AUTHENTICATIONFAILED] no';
const IN = 'L OK [CAPABILITY IMAP4rev1] in';

/** A node that says this to the proof of a user. */
async function node(answer: (user: string) => string): Promise<ScriptedServer> {
  return await ScriptedServer.start(async (socket, line) => {
    socket.write('* OK [CAPABILITY IMAP4rev1] ready\r\n');
    await line();
    socket.write('+ PDFAbm9kZT4=\r\n');
    const [user = ''] = Buffer.from(await line(), 'base64')
      .toString()
      .split(';');
    socket.write(`${answer(user)}\r\n`);
  });
}

function settings(name: string, { port }: ScriptedServer): NodeSettings {
  return {
    name,
    host: '127.0.0.1',
    kind: 'generic',
    ports: new Map([['imap', port]]),
    tls: { mode: 'none' },
    trust: { kind: 'cram-sha256', name: 'proxy1', key: new Secret(randomBytes(32)) },
    required: [],
  };
}

/** The steps of a login to node-a and node-b, in this order, with node-c in the table too. */
async function explained(
  { a, b, c = b }: { a: ScriptedServer; b: ScriptedServer; c?: ScriptedServer },
  { homes = ['node-a', 'node-b'], unverified = false } = {},
): Promise<readonly string[]> {
  const nodes = new NodeTable([settings('node-a', a), settings('node-b', b), settings('node-c', c)]);
  const account = { ...ANN, homes };
  const steps: string[] = [];
  await explainLogin(account, planRoute(account, 'imap', { nodes }), {
    protocol: imap,
    nodes,
    times: { ...TIMES, trustCheckMs: 3_600_000 },
    password: undefined,
    unverified,
    step: (name, detail) => steps.push(`${name} ${detail}`),
  });
  return steps;
}

const forAnn =
  (answer: string) =>
  (user: string): string =>
    user === 'ann' ? answer : REFUSED;

describe('homing explain --login', () => {
  it('goes on to where a node refers the user, as a login does', async () => {
    await using a = await node(forAnn('L NO [REFERRAL imap://ann@node-c/] moved'));
    await using b = await node(forAnn(REFUSED));
    await using c = await node(forAnn(IN));

    expect(await explained({ a, b, c })).toEqual([
      'refers the user to node-c',
      expect.stringMatching(/^login node-c let ann in; /),
    ]);
  });

  it('goes to no node that takes a wrong proof, as no login does', async () => {
    await using a = await node(() => IN);
    await using b = await node(forAnn(IN));

    expect(await explained({ a, b })).toEqual([
      expect.stringMatching(/^trusts node-a gets no logins: it takes a wrong proof for right/),
      expect.stringMatching(/^login node-b let ann in; /),
    ]);
    await expect(explained({ a, b }, { homes: ['node-a'] })).rejects.toMatchObject({
      reason: 'homeNotAllowed',
    });
  });

  it('is referred to no node that believes the proxy where nobody verified the password', async () => {
    await using a = await node(forAnn('L NO [REFERRAL imap://ann@node-c/] moved'));
    await using b = await node(forAnn(IN));

    const login = explained({ a, b }, { homes: ['node-a'], unverified: true });

    await expect(login).rejects.toThrow(/needs trust: replay/);
  });
});
