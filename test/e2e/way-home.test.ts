import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster, loggedLine, lookupsOf, type NodeName } from '../support/cluster.ts';
import { firstSubject, logIn, openSession, type ProtocolName } from '../support/mail-session.ts';
import { clusterConfig, clusterNode, RunningProxy, type TlsMode } from '../support/running-proxy.ts';

const CLIENT = '127.0.0.77';
const HOMES = [
  [accounts.alice, 'node-a'],
  [accounts.bob, 'node-b'],
  [accounts.carol, 'node-c'],
] as const;
const PROTOCOLS: readonly ProtocolName[] = ['imap', 'pop3'];
const TLS_MODES: readonly TlsMode[] = ['none', 'starttls', 'implicit'];

let proxy: RunningProxy;
beforeAll(async () => {
  proxy = await RunningProxy.start(clusterConfig(cluster()));
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
});

async function open(protocol: ProtocolName, tls: TlsMode, through = proxy) {
  return await openSession(protocol, {
    port: through.port(protocol, tls),
    tls,
    ca: cluster().ca,
    from: CLIENT,
  });
}

describe.each(PROTOCOLS)('a login by %s', (protocol) => {
  describe.each(TLS_MODES)('with TLS %s', (tls) => {
    it.each(HOMES)('takes $name home', async (account, home) => {
      await using wire = await open(protocol, tls);

      const answer = await logIn(protocol, wire, account.mail, account.password);

      expect(answer).toMatch(
        /^(?:l OK \[CAPABILITY IMAP4rev1 [^\]]*IDLE[^\]]*\] Logged in|\+OK Logged in\.)$/,
      );
      expect(await firstSubject(protocol, wire)).toBe(`on ${home}`);
    });
  });

  it.each(HOMES)(
    'tells the home of $name who the client is, in one session of one name',
    async (account, home) => {
      await using wire = await open(protocol, 'implicit');
      await logIn(protocol, wire, account.mail, account.password);
      const logins = await proxy.events('login', {
        user: account.name,
        protocol,
        tls: 'TLSv1.3',
        result: 'ok',
      });
      const session = String(logins.at(-1)?.session);

      const line = await loggedLine(
        home,
        new RegExp(`${RegExp.escape(session)}.*|.*${RegExp.escape(session)}`),
      );

      expect(line).toContain(session);
      await loggedLine(
        home,
        new RegExp(`127\\.0\\.0\\.77.*${RegExp.escape(session)}|${RegExp.escape(session)}.*127\\.0\\.0\\.77`),
      );
    },
  );

  it.each([
    [accounts.alice, 'node-a'],
    [accounts.bob, 'node-b'],
  ] as const)('needs no lookup at the home of $name', async (account, home) => {
    await using wire = await open(protocol, 'implicit');
    await logIn(protocol, wire, account.mail, account.password);
    const logins = await proxy.events('login', {
      user: account.name,
      protocol,
      tls: 'TLSv1.3',
      result: 'ok',
    });
    const session = String(logins.at(-1)?.session);
    await loggedLine(home, new RegExp(RegExp.escape(session)));

    const lookups = await lookupsOf(home, session);

    // The passdb is the file of the proxies; prefetch only takes what was forwarded.
    const proxies = home === 'node-a' ? 'passwd-file passdb' : 'homing-proxies passdb';
    expect(new Set(lookups)).toEqual(new Set([proxies, 'prefetch userdb']));
  });

  it('keeps the order of what is pipelined behind the login', async () => {
    await using wire = await open(protocol, 'implicit');
    const { mail, password } = accounts.alice;

    wire.sendRaw(
      Buffer.from(
        protocol === 'imap'
          ? `a LOGIN ${mail} ${password}\r\nb SELECT INBOX\r\nc LOGOUT\r\n`
          : `USER ${mail}\r\nPASS ${password}\r\nSTAT\r\nTOP 1 0\r\nQUIT\r\n`,
      ),
    );
    const answer = `${await wire.closed()}`;

    expect(answer).toMatch(
      protocol === 'imap'
        ? /a OK [\s\S]*b OK [\s\S]*\* BYE [\s\S]*c OK /
        : /^\+OK\r\n\+OK Logged in\.\r\n\+OK \d+ \d+\r\n\+OK[\s\S]*on node-a[\s\S]*\r\n\.\r\n\+OK/,
    );
  });

  it('works with the octets of difficult passwords', async () => {
    for (const account of [accounts.paul, accounts.olga]) {
      await using wire = await open(protocol, 'implicit');

      expect(await logIn(protocol, wire, account.mail, account.password)).toMatch(/OK/);
    }
  });

  it('by an alias reaches the same mailbox under the account name', async () => {
    await using wire = await open(protocol, 'implicit');

    expect(await logIn(protocol, wire, 'bob.alias@example.org', accounts.bob.password)).toMatch(/OK/);
    expect(await firstSubject(protocol, wire)).toBe('on node-b');
  });

  it('is told in one line when it begins and one when it ends, with octets and who ended it', async () => {
    await using fresh = await RunningProxy.start(clusterConfig(cluster()));
    await using wire = await open(protocol, 'implicit', fresh);
    await logIn(protocol, wire, accounts.alice.mail, accounts.alice.password);
    wire.send(protocol === 'imap' ? 'z LOGOUT' : 'QUIT');
    await wire.closed();

    const login = await fresh.event('login');
    const end = await fresh.event('sessionEnd');

    expect(login).toMatchObject({
      result: 'ok',
      user: 'alice',
      protocol,
      client: CLIENT,
      tls: 'TLSv1.3',
      node: 'node-a.example.org',
      mechanism: protocol === 'imap' ? 'LOGIN command' : 'USER',
    });
    expect(end).toMatchObject({
      session: login.session,
      user: 'alice',
      node: 'node-a.example.org',
      received: protocol === 'imap' ? 10 : 6,
      endedBy: 'node',
      how: 'closed',
    });
  });
});

describe('what the proxy hands over', () => {
  it.each([
    [accounts.alice, 'node-a', 10240],
    [accounts.bob, 'node-b', 10240],
  ] as const)('is the quota of $name from the directory', async (account, _home, kib) => {
    await using wire = await open('imap', 'implicit');
    await logIn('imap', wire, account.mail, account.password);

    wire.send('q GETQUOTAROOT INBOX');
    const lines = await wire.linesUntil(/^q /);

    expect(lines.join('\n')).toMatch(new RegExp(`\\(STORAGE \\d+ ${kib}\\)`));
  });

  it('is no limit for an account without a quota', async () => {
    await using wire = await open('imap', 'implicit');
    await logIn('imap', wire, accounts.ivan.mail, accounts.ivan.password);

    wire.send('q GETQUOTAROOT INBOX');
    const lines = await wire.linesUntil(/^q /);

    expect(lines.at(-1)).toMatch(/^q OK/);
    expect(lines.join('\n')).not.toMatch(/STORAGE \d+ \d+/);
  });
});

describe.each([
  ['none', 'imap', 'pop3'],
  ['starttls', 'imap', 'pop3'],
] as const)('nodes with TLS %s', (mode, imapPort, pop3Port) => {
  it('are reached as well, in both protocols', async () => {
    const here = cluster();
    const nodes = (['node-a', 'node-b', 'node-c'] as const).map((name: NodeName) =>
      clusterNode(here, name, {
        ports: { imap: here.nodes[name][imapPort], pop3: here.nodes[name][pop3Port] },
        tls: mode === 'none' ? 'none' : { mode, caFile: here.caFile, serverName: 'localhost' },
      }),
    );
    await using through = await RunningProxy.start(clusterConfig(here, { nodes }));

    for (const protocol of PROTOCOLS) {
      for (const [account, home] of HOMES) {
        await using wire = await open(protocol, 'starttls', through);
        await logIn(protocol, wire, account.mail, account.password);

        expect(await firstSubject(protocol, wire)).toBe(`on ${home}`);
      }
    }
  });
});

describe.each(['cram-md5', 'cram-sha1', 'cram-sha256'])('Courier with trust %s', (trust) => {
  it('lets carol in, in both protocols', async () => {
    const here = cluster();
    await using through = await RunningProxy.start(
      clusterConfig(here, { nodes: [clusterNode(here, 'node-c', { trust })] }),
    );

    for (const protocol of PROTOCOLS) {
      await using wire = await open(protocol, 'implicit', through);

      expect(await logIn(protocol, wire, accounts.carol.mail, accounts.carol.password)).toMatch(/OK/);
    }
  });
});
