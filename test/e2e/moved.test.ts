import { Attribute, Change, Client } from 'ldapts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PEOPLE } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
import { ConfigFolder, GOOD } from '../support/config-folder.ts';
import { homing } from '../support/homing.ts';
import { logIn, openSession } from '../support/mail-session.ts';
import { clusterConfig, ldapDirectory, RunningProxy } from '../support/running-proxy.ts';

let admin: Client;
let proxy: RunningProxy;
beforeAll(async () => {
  admin = new Client({ url: `ldap://127.0.0.1:${cluster().ldap.master.ldap}`, timeout: 5000 });
  await admin.startTLS({ ca: cluster().ca, host: 'localhost' });
  await admin.bind(cluster().admin.dn, cluster().admin.password);
  proxy = await RunningProxy.start(
    clusterConfig(cluster(), {
      directories: [ldapDirectory(cluster(), { status: STATUS })],
      endSessions: { movedWithin: '10s' },
      admin: { port: 0 },
    }),
  );
  await proxy.events('followState', { following: 'sync' }, 1);
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  await admin.unbind();
});

const STATUS = [
  {
    kind: 'table',
    attribute: 'accountStatus',
    values: { active: 'active', disabled: 'disabled', hold: 'held' },
    absent: 'active',
    unknown: 'disabled',
  },
];
const PASSWORD = 'move-me';
let count = 0;

/** A new account on node-a, which is gone in the end. */
async function person() {
  count += 1;
  const uid = `moved-${process.pid}-${count}`;
  const dn = `uid=${uid},${PEOPLE}`;
  await admin.add(dn, {
    objectClass: ['inetOrgPerson', 'posixAccount', 'qmailUser'],
    uid,
    cn: uid,
    sn: uid,
    mail: `${uid}@example.org`,
    mailHost: 'node-a.example.org',
    homeDirectory: `/srv/mail/${uid}`,
    uidNumber: '5000',
    gidNumber: '5000',
    accountStatus: 'active',
    userPassword: PASSWORD,
  });
  const set = (type: string, value: string) =>
    admin.modify(
      dn,
      new Change({ operation: 'replace', modification: new Attribute({ type, values: [value] }) }),
    );
  return { uid, set, [Symbol.asyncDispose]: () => admin.del(dn) };
}

async function open() {
  return await openSession('imap', {
    port: proxy.port('imap', 'implicit'),
    tls: 'implicit',
    ca: cluster().ca,
  });
}

describe('a user with an open session', () => {
  it('who is moved logs in at his new home, and his session ends quietly', async () => {
    await using user = await person();
    await using wire = await open();
    expect(await logIn('imap', wire, user.uid, PASSWORD)).toMatch(/^l OK/);
    await user.set('mailHost', 'node-b.example.org');
    await using next = await open();
    expect(await logIn('imap', next, user.uid, PASSWORD)).toMatch(/^l OK/);

    const [, second] = await proxy.events('login', { user: user.uid, result: 'ok' }, 2);
    const [end] = await proxy.events('sessionEnd', { user: user.uid }, 1);
    expect(second).toMatchObject({ node: 'node-b.example.org' });
    expect(end).toMatchObject({ node: 'node-a.example.org', how: 'moved', endedBy: 'proxy' });
    // The new one goes on.
    next.send('x NOOP');
    expect(await next.linesUntil(/^x /)).toContainEqual(expect.stringMatching(/^x OK/));
  });

  it('who is disabled is shut out of it', async () => {
    await using user = await person();
    await using wire = await open();
    expect(await logIn('imap', wire, user.uid, PASSWORD)).toMatch(/^l OK/);
    await user.set('accountStatus', 'disabled');

    const [end] = await proxy.events('sessionEnd', { user: user.uid }, 1);
    expect(end).toMatchObject({ how: 'disabled', endedBy: 'proxy' });
  });

  it('who is held while his mailbox is moved waits, and is let in at his new home', async () => {
    await using user = await person();
    await using wire = await open();
    expect(await logIn('imap', wire, user.uid, PASSWORD)).toMatch(/^l OK/);
    await user.set('accountStatus', 'hold');
    const [end] = await proxy.events('sessionEnd', { user: user.uid }, 1);
    await using next = await open();
    const answer = logIn('imap', next, user.uid, PASSWORD);
    // Who has a wrong password is told so at once, and learns nothing of the hold.
    await using guess = await open();
    expect(await logIn('imap', guess, user.uid, 'wrong')).toMatch(/^l NO \[AUTHENTICATIONFAILED\]/);
    await user.set('mailHost', 'node-b.example.org');
    await user.set('accountStatus', 'active');

    expect(await answer).toMatch(/^l OK/);
    const logins = await proxy.events('login', { user: user.uid, result: 'ok' }, 2);
    expect(end).toMatchObject({ how: 'held', endedBy: 'proxy' });
    expect(logins[1]).toMatchObject({ node: 'node-b.example.org', heldMs: expect.any(Number) });
  });

  it('who is held by a command waits as well, and has his mailbox moved in the middle', async () => {
    await using user = await person();
    await using wire = await open();
    expect(await logIn('imap', wire, user.uid, PASSWORD)).toMatch(/^l OK/);
    using folder = new ConfigFolder();
    const { address, port } = await proxy.event('adminListening');
    const config = folder.write(
      'ask.yaml',
      `${GOOD}admin: { address: ${String(address)}, port: ${Number(port)} }\n`,
    );

    const held = await homing(['hold', `${user.uid}@example.org`, '-c', config]);
    const [end] = await proxy.events('sessionEnd', { user: user.uid }, 1);
    await using next = await open();
    const answer = logIn('imap', next, user.uid, PASSWORD);
    await user.set('mailHost', 'node-b.example.org');
    const released = await homing(['release', user.uid, '-c', config]);

    expect(held).toMatchObject({
      code: 0,
      output: expect.stringContaining(`${user.uid} is held for 10 minutes`),
    });
    expect(released).toMatchObject({ code: 0, output: `${user.uid} is released\n` });
    expect(await answer).toMatch(/^l OK/);
    const logins = await proxy.events('login', { user: user.uid, result: 'ok' }, 2);
    expect(end).toMatchObject({ how: 'held', endedBy: 'proxy' });
    expect(logins[1]).toMatchObject({ node: 'node-b.example.org' });
  });
});
