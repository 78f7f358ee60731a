import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ScramKeyring, scramClient } from '../../auth/mechanisms/scram.ts';
import { Secret } from '../../auth/secret.ts';
import { accounts, type TestAccount } from '../support/accounts.ts';
import { cluster, exec, loggedLine, lookupsOf } from '../support/cluster.ts';
import { ConfigFolder } from '../support/config-folder.ts';
import { type Announcement, sieveLogin, type TriedLogin } from '../support/node-login.ts';
import { clusterConfig, clusterNode, RunningProxy, type TlsMode } from '../support/running-proxy.ts';
import { clientFinal, clientFirst } from '../support/scram-client.ts';
import { Wire } from '../support/wire.ts';

const CLIENT = '203.0.113.7';
const FORWARDED = { home: '/srv/mail/alice', uid: '5000', gid: '5000', quota: '0' };
const HOMES = [
  [accounts.alice, 'node-a'],
  [accounts.bob, 'node-b'],
] as const;

let proxy: RunningProxy;
beforeAll(async () => {
  proxy = await RunningProxy.start(clusterConfig(cluster()));
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
});

/** Runs a shell script where the clients are. @throws {Error} with its output when it fails. */
async function shell(script: string): Promise<string> {
  const { output, exitCode } = await exec('clients', ['sh', '-c', script]);
  if (exitCode !== 0) {
    throw new Error(`exit code ${exitCode}:\n${output}`);
  }
  return output;
}

/** Runs sieve-connect for an account through a proxy, by STARTTLS. */
function sieveConnect({ mail, password }: TestAccount, action: string, through = proxy): Promise<string> {
  const port = through.port('sieve', 'starttls');
  const target = `--server localhost --port ${port} --nosrv --tlscafile /homing/ca.pem`;
  return shell(
    `printf '%s\\n' '${password}' | sieve-connect ${target} --user '${mail}' --passwordfd 0 ${action} 2>&1`,
  );
}

/** Reads a file below an account's home, on its node. */
async function homeFile(node: 'node-a' | 'node-b', { name }: TestAccount, file: string): Promise<string> {
  const { output } = await exec(node, ['cat', `/srv/mail/${name}/${file}`]);
  return output;
}

/** A session by hand that was greeted, in TLS where that is asked for. */
async function open(tls: TlsMode): Promise<Wire> {
  const { ca } = cluster();
  const wire = await Wire.open({ port: proxy.port('sieve', tls), ...(tls === 'implicit' ? { ca } : {}) });
  await wire.linesUntil(/^OK /);
  if (tls === 'starttls') {
    wire.send('STARTTLS');
    await wire.line();
    await wire.startTls(ca);
    await wire.linesUntil(/^OK /);
  }
  return wire;
}

function b64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function plain(mail: string, password: string): string {
  return `AUTHENTICATE "PLAIN" "${b64(`\0${mail}\0${password}`)}"`;
}

describe.each(HOMES)('the scripts of $name', (account, home) => {
  it('are uploaded, listed, activated and read by sieve-connect, by STARTTLS', async () => {
    const script = `# ${randomBytes(8).toString('hex')}\nkeep;\n`;
    const name = `connect-${account.name}`;
    await shell(`cat > /tmp/${name} <<'E'\n${script}E`);

    await sieveConnect(account, `--localsieve /tmp/${name} --remotesieve ${name} --upload`);
    await sieveConnect(account, `--remotesieve ${name} --activate`);
    const list = await sieveConnect(account, '--list');
    await sieveConnect(account, `--localsieve /tmp/${name}.back --remotesieve ${name} --download`);

    expect(list).toMatch(new RegExp(`"${name}" ACTIVE`));
    expect(await shell(`cat /tmp/${name}.back`)).toBe(script);
    expect((await homeFile(home, account, '.dovecot.sieve')).replaceAll('\r', '')).toBe(script);
  });

  it.each([
    ['starttls', 'True', 'PLAIN'],
    ['none', 'False', 'LOGIN'],
  ] as const)('are uploaded and listed by sievelib (TLS %s)', async (tls, startTls, mechanism) => {
    const name = `lib-${account.name}-${tls}`;
    const program = `
from sievelib.managesieve import Client
client = Client('localhost', ${proxy.port('sieve', tls)})
assert client.connect('${account.mail}', '${account.password}', starttls=${startTls}, authmech='${mechanism}')
assert client.putscript('${name}', 'require ["fileinto"];\\nfileinto "x";\\n')
print(client.listscripts())
client.logout()
`;

    expect(await shell(`python3 - <<'E' 2>&1\n${program}\nE`)).toContain(name);
    expect(await homeFile(home, account, `sieve/${name}.sieve`)).toContain('fileinto "x"');
  });

  it('are reached by hand in TLS from the start, with what is pipelined behind the login', async () => {
    await using wire = await open('implicit');

    wire.send(`${plain(account.mail, account.password)}\r\nPUTSCRIPT "hand" {5+}\r\nkeep;\r\nLOGOUT`);

    expect(await wire.closed()).toMatch(/^OK "Logged in\."\r\nOK "[^\r]*"\r\nOK "[^\r]*"\r\n$/);
    expect(await homeFile(home, account, 'sieve/hand.sieve')).toBe('keep;');
  });

  it('are listed over a node that has STARTTLS', async () => {
    const here = cluster();
    const tls = { mode: 'starttls', caFile: here.caFile, serverName: 'localhost' };
    const nodes = [clusterNode(here, home, { tls, ports: { sieve: here.nodes[home].sieve } })];
    await using through = await RunningProxy.start(clusterConfig(here, { nodes }));

    await sieveConnect(account, '--list', through);

    expect(await through.event('login', { protocol: 'sieve' })).toMatchObject({
      result: 'ok',
      mechanism: 'PLAIN',
    });
  });

  it('are told of in the log of proxy and node, with one session id, and looked up nowhere', async () => {
    await using fresh = await RunningProxy.start(clusterConfig(cluster()));
    await sieveConnect(account, '--list', fresh);

    const login = await fresh.event('login');
    const end = await fresh.event('sessionEnd');

    expect(login).toMatchObject({
      protocol: 'sieve',
      result: 'ok',
      user: account.name,
      node: `${home}.example.org`,
      mechanism: 'PLAIN',
    });
    expect(end).toMatchObject({
      session: login.session,
      protocol: 'sieve',
      user: account.name,
      how: 'closed',
    });
    const session = String(login.session);
    const line = await loggedLine(home, new RegExp(`managesieve-login: Info: .*session=<${session}>`));
    expect(line).toMatch(new RegExp(`user=<${account.name}>.* rip=127\\.0\\.0\\.1,.* proxy=<proxy1>`));
    const proxies = home === 'node-a' ? 'passwd-file' : 'homing-proxies';
    expect(await lookupsOf(home, session)).toEqual([`${proxies} passdb`, 'prefetch userdb']);
  });
});

describe('a ManageSieve client that proves itself by SCRAM-SHA-256', () => {
  it('is told by the OK that the proxy knows its key (RFC 5804 1.3), and then speaks to its home', async () => {
    const { name, mail, password } = accounts.alice;
    const entry = {
      objectClass: 'inetLocalMailRecipient',
      uid: name,
      mail,
      mailHost: 'node-a.example.org',
      homeDirectory: `/srv/mail/${name}`,
      uidNumber: '5000',
      gidNumber: '5000',
      userPassword: password,
    };
    const lines = Object.entries(entry).map(([attribute, value]) => `${attribute}: ${value}\n`);
    using folder = new ConfigFolder();
    const file = folder.write('people.ldif', `dn: uid=${name},dc=example\n${lines.join('')}`);
    const directories = [{ kind: 'ldif', file, preset: 'inetLocalMailRecipient', allowCleartext: true }];
    const listener = { protocol: 'sieve', address: '127.0.0.1', port: 0, mechanisms: ['SCRAM-SHA-256'] };
    await using through = await RunningProxy.start(
      clusterConfig(cluster(), { directories, listeners: [listener] }),
    );
    await using wire = await Wire.open({ port: through.port('sieve', 'implicit'), ca: cluster().ca });
    const terms = { user: mail, password };
    await wire.linesUntil(/^OK /);

    wire.send(`AUTHENTICATE "SCRAM-SHA-256" "${b64(clientFirst(terms))}"`);
    const challenge = Buffer.from((await wire.line()).slice(1, -1), 'base64').toString();
    const { message, expected } = clientFinal(challenge, terms);
    wire.send(`"${b64(message)}"`);

    expect(await wire.line()).toBe(`OK (SASL "${b64(expected)}") "Logged in."`);
    wire.send('LISTSCRIPTS');
    expect((await wire.linesUntil(/^OK /)).at(-1)).toContain('Listscripts completed');
  });
});

describe('a ManageSieve login that fails', () => {
  it.each([
    [accounts.alice, /^NO "Authentication failed\."$/, 'wrongPassword'],
    [accounts.dave, /^NO "This account may not be used; ask your administrator\."$/, 'disabled'],
    [
      accounts.heidi,
      /^NO \(TRYLATER\) "Temporary failure; try again later\. \[ref:[\w-]{22}\]"$/,
      'nodeUnreachable',
    ],
    [
      // Courier has no ManageSieve.
      accounts.carol,
      /^NO "This account is not set up correctly; ask your administrator\. \[ref:[\w-]{22}\]"$/,
      'homeNotAllowed',
    ],
  ] as const)('for $name is answered and logged as what it is', async (account, answer, result) => {
    await using wire = await open('starttls');

    wire.send(plain(account.mail, result === 'wrongPassword' ? 'wrong' : account.password));

    expect(await wire.line()).toMatch(answer);
    const [line] = await proxy.events('login', { protocol: 'sieve', result });
    expect(line).toMatchObject({ result });
    wire.send('NOOP "still here"');
    expect(await wire.line()).toBe('OK (TAG "still here") "NOOP completed."');
  });

  it('for want of a port says in the log what the node lacks', async () => {
    await using wire = await open('starttls');
    wire.send(plain(accounts.carol.mail, accounts.carol.password));
    await wire.line();

    const [line] = await proxy.events('login', { protocol: 'sieve', result: 'homeNotAllowed' });

    expect(line?.detail).toMatch(/node-c\.example\.org.* without a sieve port/);
  });
});

describe.each(['node-a', 'node-b'] as const)('the ManageSieve recipe on %s', (node) => {
  it.each(['proxy1', 'proxy2'] as const)('lets %s in for the user whom it names', async (authcid) => {
    await using login = await tryLogin({ node, authcid, key: cluster().proxies[authcid].key });

    expect(login.answer).toMatch(/^OK /);
  });

  it('lets a proxy in over TLS', async () => {
    await using login = await tryLogin({ node, tls: true });

    expect(login.answer).toMatch(/^OK /);
  });

  it.each([
    ['a wrong key', { key: 'wrong' }],
    ['the key of another', { key: 'proxy2' }],
    ['the name of the user', { authcid: 'alice' }],
    ['the right key from elsewhere', { from: 'stranger' }],
  ])('refuses a proxy with %s', async (_what, { key, from, ...terms }: Partial<LoginTerms>) => {
    const here = cluster();
    await using login = await tryLogin({
      node,
      ...terms,
      key: key === 'wrong' ? key : here.proxies[key === 'proxy2' ? 'proxy2' : 'proxy1'].key,
      ...(from === undefined ? {} : { from: here.strangerAddress }),
    });

    expect(login.answer).toMatch(/^NO /);
  });

  it.each([
    ['no uid', { home: '/srv/mail/alice', gid: '5000', quota: '0' }, /^NO "Internal error |^closed$/],
    // Sometimes it closes the connection before the answer is out.
    ['nothing', {}, /^NO "Internal error |^closed$/],
    ['the uid of a system account', { ...FORWARDED, uid: '8' }, /^BYE "Internal error |^closed$/],
  ])('opens no scripts with %s, and ends', async (_what, forward, answer) => {
    await using login = await tryLogin({ node, forward });

    expect(login.answer).toMatch(answer);
    expect(await login.wire.closed()).toBe('');
  });

  it('offers proxies only mechanisms in which no password comes to the node, and no UNAUTHENTICATE', async () => {
    await using wire = await Wire.open({ port: cluster().nodes[node].sieve });

    const greeting = await wire.linesUntil(/^OK /);

    expect(greeting).toContain('"SASL" "SCRAM-SHA-256"');
    expect(greeting).toContain('"XCLIENT"');
    expect(greeting.join()).not.toContain('UNAUTHENTICATE');
  });

  it('knows no UNAUTHENTICATE behind the login, by which a client could leave it', async () => {
    await using login = await tryLogin({ node });

    login.wire.send('UNAUTHENTICATE');

    expect(await login.wire.line()).toMatch(/^NO /);
  });

  it('offers no XCLIENT to a stranger', async () => {
    await using wire = await Wire.open({
      port: cluster().nodes[node].sieve,
      from: cluster().strangerAddress,
    });

    expect((await wire.linesUntil(/^OK /)).join()).not.toContain('XCLIENT');
  });
});

interface LoginTerms {
  readonly node: 'node-a' | 'node-b';
  readonly authcid?: string;
  readonly key?: string;
  readonly forward?: Readonly<Record<string, string>>;
  readonly tls?: boolean;
  readonly from?: string;
}

/** Tries to log in at a node for alice, by default as proxy1 with all that a node needs. */
async function tryLogin(terms: LoginTerms): Promise<TriedLogin> {
  const { node, authcid = 'proxy1', forward = FORWARDED, tls = false, from } = terms;
  const { key = cluster().proxies.proxy1.key } = terms;
  const { sieve, sieves } = cluster().nodes[node];
  const announced: Announcement = {
    address: CLIENT,
    session: randomBytes(16).toString('base64url'),
    forward,
  };
  const sasl = scramClient('alice', authcid, new ScramKeyring(new Secret(Buffer.from(key))));
  const target = tls
    ? { port: sieves, ca: cluster().ca }
    : { port: sieve, ...(from === undefined ? {} : { from }) };
  return await sieveLogin(target, sasl, announced);
}
