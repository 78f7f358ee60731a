import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { accounts } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
import { homing } from '../support/homing.ts';
import { logIn, openSession } from '../support/mail-session.ts';
import { spellings } from '../support/recording-relay.ts';
import { clusterConfig, ldapDirectory, RunningProxy } from '../support/running-proxy.ts';

let folder = '';
let config = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'homing-operator-'));
  config = join(folder, 'homing.yaml');
  writeFileSync(config, stringify(clusterConfig(cluster())));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('homing check', () => {
  it('accepts the configuration of the cluster, and shows what it would run', async () => {
    const { output, code } = await homing(['check', config]);

    expect(code).toBe(0);
    expect(output).toMatch(/node-a\.example\.org/);
  });
});

describe('homing explain', () => {
  it.each([
    [accounts.alice, 'node-a', 'imap'],
    [accounts.bob, 'node-b', 'pop3'],
    [accounts.bob, 'node-b', 'sieve'],
    [accounts.carol, 'node-c', 'imap'],
  ] as const)('shows the way of $name home, and logs in there', async (account, home, service) => {
    const { output, errors, code } = await homing(
      ['explain', account.mail, '-c', config, '--service', service, '--password', '--login'],
      `${account.password}\n`,
    );

    expect([code, errors]).toEqual([0, '']);
    expect(output).toContain(`uid=${account.name},ou=people,dc=example,dc=org`);
    expect(output).toContain(`${home}.example.org`);
    expect(output).toContain(`/srv/mail/${account.name}`);
    expect(output).toMatch(new RegExp(`health +${home}\\.example\\.org: .*${service} greets`));
    expect(output).toMatch(/logged in/);
    for (const spelling of [...spellings(account.password), ...spellings(cluster().proxies.proxy1.key)]) {
      expect(output).not.toContain(spelling);
    }
  });

  it.each([
    [accounts.dave.mail, 'disabled', 'accountStatus: disabled of uid=dave,'],
    [accounts.erin.mail, 'noHome', 'uid=erin,ou=people,dc=example,dc=org has no mailHost'],
    [
      accounts.frank.mail,
      'homeNotAllowed',
      'uid=frank,ou=people,dc=example,dc=org has its home on node-x.example.org',
    ],
    [accounts.heidi.mail, 'nodeUnreachable', 'node node-down.example.org: '],
    [accounts.twin1.mail, 'directoryFault', 'two entries have this name: uid=twin1,'],
    ['nobody@example.org', 'unknownUser', 'no directory has an account of this name'],
  ])('says why %s could not log in: %s', async (user, reason, why) => {
    const { output, errors, code } = await homing(['explain', user, '-c', config]);

    expect(code).toBe(1);
    expect(output).toContain(reason);
    expect(errors).toContain(`homing: ${why}`);
    expect(output).toContain(`=${user})`);
  });
});

describe('homing explain with a directory that refuses', () => {
  async function explain(changes: Record<string, unknown>) {
    const file = join(mkdtempSync(join(folder, 'refusing-')), 'homing.yaml');
    writeFileSync(
      file,
      stringify(clusterConfig(cluster(), { directories: [ldapDirectory(cluster(), changes)] })),
    );
    return await homing(['explain', 'canary-name', '-c', file]);
  }

  it('shows the search as it was made, and says what is wrong with the base', async () => {
    const { output, errors } = await explain({ base: 'ou=nowhere,dc=example,dc=org' });

    expect(output).toMatch(/search \(.*\(uid=canary-name\).* below ou=nowhere,.*: 32 noSuchObject\n/);
    expect(errors).toMatch(
      /^homing: 32 noSuchObject: there is no entry ou=nowhere,dc=example,dc=org, or bindDn /,
    );
    expect(errors).not.toContain('canary-name');
  });

  it('says once of each server that its own password is wrong', async () => {
    const { output, errors } = await explain({ passwordFile: cluster().proxies.proxy2.keyFile });

    expect(
      `${output}${errors}`.match(/49 invalidCredentials: bindDn or the content of passwordFile/g),
    ).toHaveLength(2);
    expect(errors).toBe('homing: no directory server can be used: see above\n');
  });
});

describe('the admin listener', () => {
  it('counts logins by result, measures their steps, and is ready while the directory answers', async () => {
    await using proxy = await RunningProxy.start(
      clusterConfig(cluster(), { admin: { address: '127.0.0.1', port: 0 } }),
    );
    const admin = await proxy.event('adminListening');
    const url = `http://127.0.0.1:${admin.port}`;
    await using wire = await openSession('imap', { port: proxy.port('imap', 'none'), tls: 'none', ca: '' });
    await logIn('imap', wire, accounts.alice.mail, 'wrong');
    await logIn('imap', wire, accounts.alice.mail, accounts.alice.password);

    const ready = await fetch(`${url}/readyz`);
    const metrics = await (await fetch(`${url}/metrics`)).text();

    expect(ready.status).toBe(200);
    expect(metrics).toMatch(/^homing_logins_total\{[^}]*result="ok"[^}]*\} 1$/m);
    expect(metrics).toMatch(/^homing_logins_total\{[^}]*result="wrongPassword"[^}]*\} 1$/m);
    expect(metrics).toMatch(/^homing_\w*directory\w*_seconds_count.* 2$/m);
    expect(metrics).toMatch(/^homing_\w*node\w*_seconds_count.* 1$/m);
    expect(metrics).toMatch(/^homing_sessions\S* 1$/m);
  });

  it('is not ready while no directory answers', async () => {
    const { downPort } = cluster();
    const directories = [
      ldapDirectory(cluster(), { urls: [`ldap://127.0.0.1:${downPort}`], startTls: false }),
    ];
    await using proxy = await RunningProxy.start(
      clusterConfig(cluster(), { directories, admin: { address: '127.0.0.1', port: 0 } }),
    );
    const admin = await proxy.event('adminListening');

    const ready = await fetch(`http://127.0.0.1:${admin.port}/readyz`);

    expect(ready.status).toBe(503);
    expect(await ready.text()).toMatch(/^not ready: connect to ldap:.*ECONNREFUSED/);
  });
});

describe('a proxy whose base is not there', () => {
  it('is not ready, and says why', async () => {
    const directories = [ldapDirectory(cluster(), { base: 'ou=nowhere,dc=example,dc=org' })];
    await using proxy = await RunningProxy.start(
      clusterConfig(cluster(), { directories, admin: { address: '127.0.0.1', port: 0 } }),
    );
    const admin = await proxy.event('adminListening');

    const ready = await fetch(`http://127.0.0.1:${admin.port}/readyz`);

    expect(ready.status).toBe(503);
    expect(await ready.text()).toMatch(/^not ready: ldap:.*: 32 noSuchObject: there is no entry ou=nowhere,/);
  });
});

describe('a name that no directory knows', () => {
  it.each([
    ['a base that is not there', { base: 'ou=nowhere,dc=example,dc=org' }],
    ['a filter that finds several', { filters: ['(|(uid=%u)(objectClass=qmailUser))'] }],
  ])('stays out of the log, since it may be a password, also with %s', async (_what, changes) => {
    const directories = [ldapDirectory(cluster(), changes)];
    await using proxy = await RunningProxy.start(clusterConfig(cluster(), { directories }));
    await using wire = await openSession('imap', { port: proxy.port('imap', 'none'), tls: 'none', ca: '' });

    const answer = await logIn('imap', wire, 'canary-9c1d', 'x');

    expect(answer).toMatch(/^l NO \[UNAVAILABLE\]/);
    expect(await proxy.event('login')).toMatchObject({ result: 'directoryFault', level: 'error' });
    expect(proxy.output).not.toContain('canary-9c1d');
    expect(proxy.output).toContain('%u');
  });
});
