import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Attribute, Change, Client, type Entry } from 'ldapts';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { accounts, PEOPLE, type TestAccount } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
import { logIn, openSession } from '../support/mail-session.ts';
import { freePorts } from '../support/ports.ts';
import { clusterConfig, RunningProxy } from '../support/running-proxy.ts';
import { run } from '../support/test-terminal.ts';

const WRONG = /^l NO \[AUTHENTICATIONFAILED\] Authentication failed\.$/;
const REFUSED = /^l NO \[UNAVAILABLE\] Temporary failure; try again later\. \[ref:[\w-]{22}\]$/;
const OK = /^l OK /;

function start(throttle: Record<string, unknown> = {}): Promise<RunningProxy> {
  return RunningProxy.start(clusterConfig(cluster(), { throttle }));
}

/** One login by IMAP from an address of our own. @returns the answer. */
async function login(
  proxy: RunningProxy,
  user: string,
  password: string,
  from = '127.0.0.1',
): Promise<string> {
  const port = proxy.port('imap', 'none');
  await using wire = await openSession('imap', { port, tls: 'none', ca: '', from });
  return await logIn('imap', wire, user, password);
}

/** A connection to slapd's master as the directory's administrator. */
async function administrator(): Promise<Client> {
  const client = new Client({ url: `ldap://127.0.0.1:${cluster().ldap.master.ldap}` });
  const { admin } = cluster();
  await client.startTLS({ ca: cluster().ca, servername: 'localhost' });
  await client.bind(admin.dn, admin.password);
  return client;
}

async function changePassword({ name }: TestAccount, password: string): Promise<void> {
  const client = await administrator();
  const modification = new Attribute({ type: 'userPassword', values: [password] });
  await client.modify(`uid=${name},${PEOPLE}`, new Change({ operation: 'replace', modification }));
  await client.unbind();
}

/** What slapd's master keeps of an account's failures, and when its password was changed. */
async function stateOf({ name }: TestAccount): Promise<{ failures: number; changed: string }> {
  const client = await administrator();
  const { searchEntries } = await client.search(`uid=${name},${PEOPLE}`, {
    scope: 'base',
    attributes: ['pwdFailureTime', 'pwdChangedTime'],
  });
  await client.unbind();
  const { pwdFailureTime = [], pwdChangedTime }: Partial<Entry> = searchEntries[0] ?? {};
  return { failures: [pwdFailureTime].flat().length, changed: String(pwdChangedTime) };
}

describe('an old password in a client that never gives up', () => {
  it('is tried at the directory once, and neither locks its user out nor looks different', async () => {
    await using proxy = await start();
    const before = await stateOf(accounts.nora);

    for (let count = 0; count < 30; count += 1) {
      expect(await login(proxy, accounts.nora.mail, 'last year’s')).toMatch(WRONG);
    }

    expect(await stateOf(accounts.nora)).toEqual({ failures: 1, changed: before.changed });
    expect(await login(proxy, accounts.nora.mail, accounts.nora.password)).toMatch(OK);
  });
});

describe('a password that was changed to one that was wrong before', () => {
  it('gets in at once, where the directory shows the change', async () => {
    await using proxy = await start();
    const { mail, password } = accounts.nina;
    expect(await login(proxy, mail, 'tomorrow’s')).toMatch(WRONG);

    await changePassword(accounts.nina, 'tomorrow’s');
    const changed = await login(proxy, mail, 'tomorrow’s');
    await changePassword(accounts.nina, password);

    expect(changed).toMatch(OK);
    expect(await login(proxy, mail, password)).toMatch(OK);
  });
});

describe('guesses at a user', () => {
  it('end before the directory locks him out, and he gets in where he was before (A19)', async () => {
    await using proxy = await start();
    const { name, mail, password } = accounts.nick;
    const names = [mail, name, `${name}.alias@example.org`];
    expect(await login(proxy, mail, password, '127.0.0.2')).toMatch(OK);

    const answers: string[] = [];
    for (let count = 0; count < 12; count += 1) {
      answers.push(await login(proxy, names[count % 3] ?? '', `guess ${count}`, `127.0.1.${count}`));
    }

    expect(answers.slice(0, 4)).toEqual(Array(4).fill(expect.stringMatching(WRONG)));
    expect(answers.slice(4)).toEqual(Array(8).fill(expect.stringMatching(REFUSED)));
    expect((await stateOf(accounts.nick)).failures).toBe(4);
    expect(await login(proxy, mail, password, '127.0.0.3')).toMatch(REFUSED);
    expect(await login(proxy, mail, password, '127.0.0.2')).toMatch(OK);
    expect(await proxy.event('throttleStart', { kind: 'user' })).toMatchObject({ user: name, level: 'warn' });
  });
});

describe('a user that an operator lets in again', () => {
  it('is throttled no more, by any of his names, and the log says who did that', async () => {
    const [port = 0] = await freePorts(1);
    const folder = mkdtempSync(join(tmpdir(), 'homing-throttle-'));
    const config = join(folder, 'homing.yaml');
    const running = { ...clusterConfig(cluster(), { throttle: {} }), admin: { port } };
    writeFileSync(config, stringify(running));
    await using proxy = await RunningProxy.start(running);
    const { name, mail, password } = accounts.nick;
    for (let count = 0; count < 4; count += 1) await login(proxy, mail, `try ${count}`, `127.0.4.${count}`);
    expect(await login(proxy, mail, password, '127.0.5.1')).toMatch(REFUSED);

    const shown = await run(['throttle', '--user', name, '-c', config]);
    const forgotten = await run(['throttle', '--user', name, '--forget', '-c', config]);
    rmSync(folder, { recursive: true });

    expect(shown.output).toContain(`user ${mail}: 4 of 4 failures, more are refused\n`);
    expect(forgotten).toMatchObject({ code: 0, errors: '' });
    expect(await login(proxy, mail, password, '127.0.5.1')).toMatch(OK);
    expect(await login(proxy, name, password, '127.0.5.2')).toMatch(OK);
    expect(await proxy.event('throttleStart')).toMatchObject({ kind: 'user', user: name, loginName: mail });
    expect(await proxy.event('throttleForgotten')).toMatchObject({ user: name, from: '127.0.0.1' });
  });
});

describe('an office', () => {
  const OFFICE = '127.0.6.1';

  it('whose users all have old passwords somewhere lets in one who was never there (A20)', async () => {
    await using proxy = await start({ perAddress: 2 });
    const users = [accounts.alice, accounts.bob, accounts.carol];
    for (const { mail, password } of users) expect(await login(proxy, mail, password, OFFICE)).toMatch(OK);

    for (const { mail } of users) expect(await login(proxy, mail, 'last year’s', OFFICE)).toMatch(WRONG);

    expect(await login(proxy, accounts.nora.mail, accounts.nora.password, OFFICE)).toMatch(OK);
    expect(await login(proxy, 'nobody1@example.org', 'x', '127.0.6.2')).toMatch(WRONG);
    expect(await login(proxy, 'nobody2@example.org', 'x', '127.0.6.2')).toMatch(WRONG);
    expect(await login(proxy, accounts.nora.mail, accounts.nora.password, '127.0.6.2')).toMatch(REFUSED);
  });
});

describe('one password for everybody', () => {
  it('ends at the limit of its address, and is few lines in the log (A19)', async () => {
    await using proxy = await start({ perAddress: 5 });

    const answers: string[] = [];
    for (let count = 0; count < 20; count += 1) {
      answers.push(await login(proxy, `user${count}@example.org`, 'summer', '127.0.0.9'));
    }

    expect(answers.filter((answer) => WRONG.test(answer))).toHaveLength(5);
    expect(answers.filter((answer) => REFUSED.test(answer))).toHaveLength(15);
    expect(await proxy.event('throttleStart')).toMatchObject({ kind: 'address', client: '127.0.0.9' });
    expect(await proxy.event('login', { result: 'throttled' })).toMatchObject({ client: '127.0.0.9' });
    await proxy.signal('SIGTERM');
    expect(await proxy.event('repeated')).toMatchObject({ what: 'login', why: 'throttled', count: 14 });
  });

  it('harms no user of an address that is exempt (A20)', async () => {
    await using proxy = await start({ perAddress: 2, exempt: ['127.0.2.0/24'] });

    for (let count = 0; count < 10; count += 1) {
      expect(await login(proxy, `user${count}@example.org`, 'summer', '127.0.2.1')).toMatch(WRONG);
    }
    expect(await login(proxy, accounts.alice.mail, accounts.alice.password, '127.0.2.1')).toMatch(OK);
  });
});

describe('the answer to a wrong password', () => {
  it('is the same for all accounts and for none (A18)', async () => {
    const times = { failure: '1s' };
    await using proxy = await RunningProxy.start(clusterConfig(cluster(), { times }));
    const names = [
      'nobody@example.org',
      ...[accounts.alice, accounts.dave, accounts.kurt, accounts.judy].map(({ mail }) => mail),
    ];
    const startedMs = performance.now();

    const answers = await Promise.all(names.map((name, at) => login(proxy, name, 'wrong', `127.0.3.${at}`)));

    expect(new Set(answers)).toEqual(new Set(['l NO [AUTHENTICATIONFAILED] Authentication failed.']));
    expect(performance.now() - startedMs).toBeGreaterThan(1000);
  });
});
