import { Attribute, Change, Client } from 'ldapts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { concerns, type DirectoryChange, type FollowMode } from '../../auth/directory-changes.ts';
import { schemaOptions } from '../../auth/entries/presets.ts';
import { compileSchema } from '../../auth/entries/schema.ts';
import { openLdap } from '../../auth/ldap/ldap.ts';
import { Secret } from '../../auth/secret.ts';
import { PEOPLE } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
import { CuttableRelay } from '../support/cuttable-relay.ts';
import { FollowedChanges } from '../support/followed-changes.ts';

const signal = new AbortController().signal;
const context = { service: 'imap' };

let admin: Client;
beforeAll(async () => {
  admin = new Client({ url: `ldap://127.0.0.1:${cluster().ldap.master.ldap}`, timeout: 5000 });
  await admin.startTLS({ ca: cluster().ca, host: 'localhost' });
  await admin.bind(cluster().admin.dn, cluster().admin.password);
});
afterAll(async () => {
  await admin.unbind();
});

type Ports = readonly number[];

/** Follows servers at these ports of ldaps, and waits until that goes. */
async function follow(ports: Ports, mode: 'auto' | 'sync' | 'poll' = 'auto') {
  const { service, ca } = cluster();
  const directory = openLdap(
    {
      servers: ports.map((port) => ({
        url: `ldaps://127.0.0.1:${port}`,
        host: '127.0.0.1',
        port,
        tls: 'implicit',
        ca: Buffer.from(ca),
        serverName: undefined,
      })),
      order: 'failover',
      account: { dn: service.dn, password: new Secret(Buffer.from(service.password)) },
      verify: 'bind',
      readPasswords: false,
      allowCleartext: false,
      schema: compileSchema(schemaOptions('qmail', { base: PEOPLE })),
      connectMs: 2000,
      operationMs: 3000,
      maxBinds: 4,
      follow: { mode, pollMs: 100, recheckMs: 600_000, timestamp: 'modifyTimestamp', retryMs: 50 },
    },
    () => undefined,
  );
  const changes = new FollowedChanges(directory);
  await changes.state(({ following }) => following !== 'off');
  return Object.assign(changes, {
    directory,
    async [Symbol.asyncDispose]() {
      await changes.stop();
      await directory[Symbol.asyncDispose]();
    },
  });
}

let count = 0;

/** A new account, which is gone in the end; its name is given by what it is for. */
async function person(purpose: string) {
  count += 1;
  const uid = `follow-${purpose}-${count}`;
  const dn = `uid=${uid},${PEOPLE}`;
  await admin.add(dn, {
    objectClass: ['inetOrgPerson', 'qmailUser'],
    uid,
    cn: uid,
    sn: uid,
    mail: `${uid}@example.org`,
    mailHost: 'node-a.example.org',
    userPassword: 'secret',
  });
  return {
    dn,
    uid,
    moveTo: (home: string) =>
      admin.modify(
        dn,
        new Change({
          operation: 'replace',
          modification: new Attribute({ type: 'mailHost', values: [home] }),
        }),
      ),
    async [Symbol.asyncDispose]() {
      await admin.del(dn).catch((error: unknown) => {
        if (!(error instanceof Error && error.name === 'NoSuchObjectError')) throw error;
      });
    },
  };
}

const isAt = (dn: string, home: string) => (change: DirectoryChange) =>
  change.kind === 'changed' && change.entry === dn && change.read(context).homes[0] === home;

describe.each([
  ['the master', 'sync', () => cluster().ldap.master.ldaps],
  ['a replica', 'sync', () => cluster().ldap.replica.ldaps],
  ['the master', 'poll', () => cluster().ldap.master.ldaps],
] as const)('following %s by %s', (_server, mode, port) => {
  it('F51 tells that a user moved', async () => {
    await using user = await person('moves');
    await using changes = await follow([port()], mode);

    await user.moveTo('node-b.example.org');

    const change = await changes.next(isAt(user.dn, 'node-b.example.org'));
    expect(changes.following).toBe<FollowMode>(mode);
    expect(change).toMatchObject({ id: expect.stringMatching(/^[0-9a-f-]{36}$/) });
  });

  it('tells of a rename what the account was known by', async () => {
    await using user = await person('renamed');
    await using changes = await follow([port()], mode);
    const before = await changes.directory.reread?.({ entry: user.dn }, context, signal);
    const renamed = `uid=${user.uid}-new,${PEOPLE}`;

    await admin.modifyDN(user.dn, `uid=${user.uid}-new`);

    const change = await changes.next((one) => one.kind === 'changed' && one.entry === renamed);
    await admin.del(renamed);
    expect(before).toMatchObject({ entry: user.dn });
    expect(change.kind === 'changed' && before !== undefined && concerns(change, before)).toBe(true);
  });

  it('shows that nothing that matters changed by a wrong password', async () => {
    await using user = await person('guessed');
    await using changes = await follow([port()], mode);
    await user.moveTo('node-b.example.org');
    const before = await changes.next(isAt(user.dn, 'node-b.example.org'));
    const guesser = new Client({ url: `ldap://127.0.0.1:${cluster().ldap.master.ldap}`, timeout: 5000 });
    await guesser.startTLS({ ca: cluster().ca, host: 'localhost' });

    await expect(guesser.bind(user.dn, 'wrong')).rejects.toThrow();
    await guesser.unbind();
    await user.moveTo('node-c.example.org');
    await changes.next(isAt(user.dn, 'node-c.example.org'));

    const told = changes.all.slice(changes.all.indexOf(before) + 1, -1);
    const ofUser = told.flatMap((one) =>
      one.kind === 'changed' && one.entry === user.dn ? [one.fingerprint] : [],
    );
    expect(
      new Set(ofUser).difference(new Set(before.kind === 'changed' ? [before.fingerprint] : [])),
    ).toEqual(new Set());
  });
});

describe('following by content synchronisation', () => {
  it('tells that an entry is gone, or is no account any more', async () => {
    await using gone = await person('gone');
    await using other = await person('other');
    await using changes = await follow([cluster().ldap.master.ldaps]);

    await admin.del(gone.dn);
    await admin
      .modify(
        other.dn,
        new Change({
          operation: 'delete',
          modification: new Attribute({ type: 'objectClass', values: ['qmailUser'] }),
        }),
      )
      .catch(() => admin.del(other.dn));

    await changes.next((change) => change.kind === 'removed' && change.entry === gone.dn);
    await changes.next((change) => change.kind === 'removed' && change.entry === other.dn);
  });

  it('begins with doubt and no entry, and reads none that did not change', async () => {
    await using user = await person('alone');
    await using changes = await follow([cluster().ldap.master.ldaps]);

    await user.moveTo('node-b.example.org');
    await changes.next(isAt(user.dn, 'node-b.example.org'));

    expect(changes.all[0]).toEqual({ kind: 'doubtful' });
    expect(
      changes.all.some((one) => one.kind === 'changed' && /^uid=(alice|bob|carol),/.test(one.entry)),
    ).toBe(false);
  });

  it('is told what happened while the connection was lost, from where it stood', async () => {
    await using relay = await CuttableRelay.start(cluster().ldap.master.ldaps);
    await using user = await person('away');
    await using changes = await follow([relay.port]);
    await user.moveTo('node-b.example.org');
    await changes.next(isAt(user.dn, 'node-b.example.org'));

    relay.cut();
    await changes.state(({ following }) => following === 'off');
    await user.moveTo('node-c.example.org');
    relay.mend();

    await changes.next(isAt(user.dn, 'node-c.example.org'));
    await changes.state(({ following }) => following === 'sync');
    // What it has missed it was told, so nothing is in doubt.
    expect(changes.all.filter(({ kind }) => kind === 'doubtful')).toHaveLength(1);
  });

  it('goes on at a replica when the master is lost', async () => {
    await using relay = await CuttableRelay.start(cluster().ldap.master.ldaps);
    await using user = await person('failover');
    await using changes = await follow([relay.port, cluster().ldap.replica.ldaps]);

    relay.cut();
    await changes.state(({ following }) => following === 'off');
    await user.moveTo('node-b.example.org');

    await changes.next(isAt(user.dn, 'node-b.example.org'));
    await changes.state(
      ({ following, detail }) =>
        following === 'sync' && detail?.endsWith(String(cluster().ldap.replica.ldaps)) === true,
    );
  });
});

describe('an account that is read again', () => {
  it('is undefined when it is gone, or never was one', async () => {
    await using changes = await follow([cluster().ldap.master.ldaps]);

    expect(await changes.directory.reread?.({ entry: `uid=alice,${PEOPLE}` }, context, signal)).toMatchObject(
      {
        name: 'alice',
      },
    );
    expect(
      await changes.directory.reread?.({ entry: `uid=nobody,${PEOPLE}` }, context, signal),
    ).toBeUndefined();
    expect(await changes.directory.reread?.({ entry: PEOPLE }, context, signal)).toBeUndefined();
  });

  it('is found by its id when it was renamed', async () => {
    await using user = await person('goes-on');
    await using changes = await follow([cluster().ldap.master.ldaps]);
    const { directory } = changes;
    const before = await directory.reread?.({ entry: user.dn }, context, signal);
    const renamed = `uid=${user.uid}-new,${PEOPLE}`;
    await admin.modifyDN(user.dn, `uid=${user.uid}-new`);
    try {
      const after = await directory.reread?.({ entry: user.dn, id: before?.id }, context, signal);

      expect(after).toMatchObject({ entry: renamed, id: before?.id });
    } finally {
      await admin.del(renamed);
    }
    expect(await directory.reread?.({ entry: renamed, id: before?.id }, context, signal)).toBeUndefined();
  });
});
