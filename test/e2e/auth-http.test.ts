import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type { StartedTestContainer } from 'testcontainers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accounts, type TestAccount } from '../support/accounts.ts';
import { AuthScript, type ScriptAnswer } from '../support/auth-script.ts';
import { cluster } from '../support/cluster.ts';
import { startServer } from '../support/containers.ts';
import { useEngine } from '../support/engine.ts';
import { firstSubject, logIn, openSession, type ProtocolName } from '../support/mail-session.ts';
import { freePorts } from '../support/ports.ts';
import { clusterConfig, RunningProxy, type TlsMode } from '../support/running-proxy.ts';
import type { Wire } from '../support/wire.ts';

const PROTOCOLS: readonly ProtocolName[] = ['imap', 'pop3'];
const FAILED = /\[(?:AUTHENTICATIONFAILED|AUTH)\]/;
const WRONG: ScriptAnswer = { 'Auth-Status': 'Invalid login or password', 'Auth-Wait': '1' };

/** What a script reads of a request, as scripts for nginx do. */
function read({ headers }: IncomingMessage) {
  const value = (name: string): string => {
    const octets = Buffer.from(String(headers[name] ?? ''), 'latin1').toString('utf8');
    return decodeURIComponent(octets);
  };
  const protocol = headers['auth-protocol'] === 'pop3' ? ('pop3' as const) : ('imap' as const);
  return { protocol, user: value('auth-user'), password: value('auth-pass'), who: value('x-who') };
}

function accountOf(user: string): TestAccount | undefined {
  return Object.values<TestAccount>(accounts).find(({ mail }) => mail === user);
}

async function open(proxy: RunningProxy, protocol: ProtocolName): Promise<Wire> {
  const { ca } = cluster();
  return await openSession(protocol, { port: proxy.port(protocol, 'implicit'), tls: 'implicit', ca });
}

/** A script that knows the accounts of the cluster and their homes; `changes` replaces lines of a good answer. */
function homes(changes: ScriptAnswer = {}): Promise<AuthScript> {
  const { nodes } = cluster();
  return AuthScript.answering((request) => {
    const { user, password, protocol } = read(request);
    const account = accountOf(user);
    if (account?.password !== password) return WRONG;
    const home = account.home as 'node-a' | 'node-b' | 'node-c';
    return {
      'Auth-Status': 'OK',
      'Auth-Server': `${home}.example.org`,
      'Auth-Port': String(nodes[home][`${protocol}s`]),
      'Auth-User': account.name,
      ...changes,
    };
  });
}

/** A proxy whose accounts a script knows. */
function proxyOf({ url }: AuthScript, changes: Record<string, unknown> = {}): Promise<RunningProxy> {
  const forward = { home: '/srv/mail/%n', uid: 5000, gid: 5000 };
  const directories = [{ kind: 'http', url, forward }];
  return RunningProxy.start(clusterConfig(cluster(), { directories, ...changes }));
}

describe.each(PROTOCOLS)('a script that says the home, by %s', (protocol) => {
  it.each([accounts.alice, accounts.bob, accounts.carol])(
    'leads $name there',
    async ({ mail, password, name, home }) => {
      await using script = await homes();
      await using proxy = await proxyOf(script);
      await using wire = await open(proxy, protocol);

      await logIn(protocol, wire, mail, password);

      expect(await firstSubject(protocol, wire)).toBe(`on ${home}`);
      expect(await proxy.event('login')).toMatchObject({ result: 'ok', user: name });
      expect(await proxy.event('directoryState')).toMatchObject({ server: script.url, up: true });
    },
  );

  it('is told which login of the connection it is, and that a password is wrong', async () => {
    const { mail, password, home } = accounts.alice;
    await using script = await homes();
    await using proxy = await proxyOf(script);
    await using wire = await open(proxy, protocol);

    expect(await logIn(protocol, wire, mail, 'wrong')).toMatch(FAILED);
    await logIn(protocol, wire, mail, password);

    expect(await firstSubject(protocol, wire)).toBe(`on ${home}`);
    const attempts = script.requests.map((lines) =>
      lines.find((line) => line.startsWith('Auth-Login-Attempt')),
    );
    expect(attempts).toEqual(['Auth-Login-Attempt: 1', 'Auth-Login-Attempt: 2']);
    expect(await proxy.events('login', {}, 2)).toMatchObject([
      { result: 'wrongPassword', user: expect.stringMatching(/^#/) },
      { result: 'ok' },
    ]);
  });

  it.each([
    [{ 'Auth-Server': '192.0.2.66' }, 'not in the node table'],
    [{ 'Auth-Port': '1' }, 'port 1, and that node has'],
  ])('A27 leads nobody to where no node is: %j', async (changes, why) => {
    await using script = await homes(changes);
    await using proxy = await proxyOf(script);
    await using wire = await open(proxy, protocol);

    const answer = await logIn(protocol, wire, accounts.alice.mail, accounts.alice.password);

    expect(answer).toMatch(/\[(?:CONTACTADMIN|SYS\/PERM)\]/);
    const detail = expect.stringContaining(why);
    expect(await proxy.event('login')).toMatchObject({ result: 'homeNotAllowed', user: 'alice', detail });
  });

  it('is told as down when it is, and no password as wrong', async () => {
    const script = await homes();
    await using proxy = await proxyOf(script);
    await script[Symbol.asyncDispose]();
    await using wire = await open(proxy, protocol);

    const answer = await logIn(protocol, wire, accounts.alice.mail, accounts.alice.password);

    expect(answer).toMatch(/\[(?:UNAVAILABLE|SYS\/TEMP)\]/);
    expect(await proxy.event('login')).toMatchObject({ result: 'directoryDown' });
    expect(await proxy.event('directoryState')).toMatchObject({ server: script.url, up: false });
  });
});

/** The node that takes users' own passwords: a proxy of its own, which asks LDAP. */
let node: RunningProxy;
beforeAll(async () => {
  node = await RunningProxy.start(clusterConfig(cluster()));
});
afterAll(() => node[Symbol.asyncDispose]());

const NODE_ADDRESS = '127.0.0.1';

/** Leads to the node by the user's own password. */
function replaying() {
  return {
    name: NODE_ADDRESS,
    kind: 'generic',
    ports: { imap: node.port('imap', 'implicit'), pop3: node.port('pop3', 'implicit') },
    tls: { mode: 'implicit', caFile: cluster().caFile, serverName: 'mail.example.org' },
    trust: 'replay',
  };
}

function atNode(protocol: ProtocolName, tls: TlsMode): ScriptAnswer {
  return {
    'Auth-Status': 'OK',
    'Auth-Server': NODE_ADDRESS,
    'Auth-Port': String(node.port(protocol, tls)),
  };
}

describe.each(PROTOCOLS)('a script that gives a password for the node, by %s', (protocol) => {
  it('has the node see that one, and the log neither', async () => {
    const { mail, password, home } = accounts.alice;
    await using script = await AuthScript.answering((request) =>
      read(request).password === 'web-canary'
        ? { ...atNode(protocol, 'implicit'), 'Auth-Pass': password }
        : WRONG,
    );
    await using proxy = await proxyOf(script, { nodes: [replaying()] });
    await using wire = await open(proxy, protocol);

    await logIn(protocol, wire, mail, 'web-canary');

    expect(await firstSubject(protocol, wire)).toBe(`on ${home}`);
    await proxy.event('login', { result: 'ok' });
    expect(proxy.output).not.toMatch(new RegExp(`${password}|web-canary`));
  });
});

describe('nginx and Homing, asking one script', () => {
  const ports: Partial<Record<`${ProtocolName}${'' | 's'}`, number>> = {};
  const containers = new AsyncDisposableStack();
  let script: AuthScript;
  let proxy: RunningProxy;

  beforeAll(async () => {
    script = containers.use(await AuthScript.answering(answer));
    const [imap, imaps, pop3, pop3s] = await freePorts(4);
    Object.assign(ports, { imap, imaps, pop3, pop3s });
    const nginx = await startNginx(script.port, ports);
    containers.defer(async () => void (await nginx.stop({ timeout: 1000 })));
    const headers = { 'X-Auth-Key': 'some key', 'X-Who': 'homing' };
    proxy = await proxyOf(script, {
      directories: [{ kind: 'http', url: script.url, headers }],
      nodes: [replaying()],
    });
    containers.use(proxy);
  });
  afterAll(() => containers.disposeAsync());

  /** nginx speaks to nodes in clear text, and Homing never would. */
  function answer(request: IncomingMessage): ScriptAnswer {
    const { user, password, protocol, who } = read(request);
    if (accountOf(user)?.password !== password) return WRONG;
    return atNode(protocol, who === 'nginx' ? 'none' : 'implicit');
  }

  /** What the script got of `who` for this user, without what HTTP itself needs. */
  function askedBy(who: string, user: string, protocol: ProtocolName): string[] {
    return script.requests
      .filter((lines) => lines.includes(`X-Who: ${who}`) && lines.includes(`Auth-User: ${user}`))
      .filter((lines) => lines.includes(`Auth-Protocol: ${protocol}`))
      .map((lines) => lines.filter((line) => !/^(?:X-Who|Connection):/.test(line)).join('\n'));
  }

  it.each(
    PROTOCOLS.flatMap((protocol) =>
      [accounts.bob, accounts.paul, accounts.olga].map((account) => ({ protocol, ...account })),
    ),
  )('say the same of $name by $protocol, and lead to the same mailbox', async (account) => {
    const { protocol, mail, home } = account;
    const subjects: string[] = [];
    for (const port of [ports[`${protocol}s`] ?? 0, proxy.port(protocol, 'implicit')]) {
      await using wire = await openSession(protocol, { port, tls: 'implicit', ca: cluster().ca });
      await plain(protocol, wire, mail, 'wrong %0D%41+');
      await plain(protocol, wire, mail, account.password);
      subjects.push(await firstSubject(protocol, wire));
    }

    expect(subjects).toEqual([`on ${home}`, `on ${home}`]);
    const asked = askedBy('nginx', mail, protocol);
    expect(asked).toHaveLength(2);
    expect(askedBy('homing', mail, protocol)).toEqual(asked);
    expect(asked[1]).toContain('Auth-SSL-Cipher: TLS_AES_128_GCM_SHA256');
  });

  it.each(PROTOCOLS)('say the same in clear text, by %s', async (protocol) => {
    const { mail, password } = accounts.carol;
    for (const port of [ports[protocol] ?? 0, proxy.port(protocol, 'none')]) {
      await using wire = await openSession(protocol, { port, tls: 'none', ca: cluster().ca });
      expect(await plain(protocol, wire, mail, password)).toMatch(/OK/);
    }

    const asked = askedBy('nginx', mail, protocol);
    expect(asked).toHaveLength(1);
    expect(askedBy('homing', mail, protocol)).toEqual(asked);
  });
});

/** Logs in by SASL PLAIN, which carries every password. @returns the last line of the answer. */
async function plain(protocol: ProtocolName, wire: Wire, user: string, password: string): Promise<string> {
  wire.send(protocol === 'imap' ? 'l AUTHENTICATE PLAIN' : 'AUTH PLAIN');
  await wire.line();
  wire.send(Buffer.from(`\0${user}\0${password}`).toString('base64'));
  return protocol === 'imap' ? ((await wire.linesUntil(/^l /)).at(-1) ?? '') : await wire.line();
}

async function startNginx(
  scriptPort: number,
  ports: Readonly<Record<string, number>>,
): Promise<StartedTestContainer> {
  const { dockerHost, listener } = cluster();
  useEngine(dockerHost);
  const servers = Object.entries(ports).map(([service, port]) => {
    const tls = service.endsWith('s') ? ' ssl' : '';
    const protocol = service.slice(0, 4);
    return `server { listen 127.0.0.1:${port}${tls}; protocol ${protocol}; ${protocol}_auth plain; }`;
  });
  return await startServer({
    image: 'nginx',
    environment: {},
    files: {
      'nginx.conf': [
        'load_module /usr/lib/nginx/modules/ngx_mail_module.so;',
        'daemon off; pid /run/nginx.pid; error_log stderr notice;',
        'events { }',
        'mail {',
        `auth_http 127.0.0.1:${scriptPort}/auth;`,
        'auth_http_header X-Auth-Key "some key"; auth_http_header X-Who nginx;',
        'ssl_certificate /homing/cert.pem; ssl_certificate_key /homing/key.pem; ssl_protocols TLSv1.3;',
        // What Homing prefers.
        'ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;',
        ...servers,
        '}',
      ].join('\n'),
      'cert.pem': readFileSync(listener.certificate, 'utf8'),
      'key.pem': readFileSync(listener.key, 'utf8'),
    },
    ready: /start worker process/,
    ports: Object.values(ports),
  });
}
