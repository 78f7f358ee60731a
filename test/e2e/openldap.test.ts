import { Client, InvalidCredentialsError, NoSuchObjectError } from 'ldapts';
import { describe, expect, it } from 'vitest';
import { accounts, PEOPLE, SUFFIX } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';

const FORWARDED = ['mailHost', 'homeDirectory', 'uidNumber', 'gidNumber', 'mailQuotaSize', 'accountStatus'];

describe('the OpenLDAP recipe', () => {
  it.each(['master', 'replica'] as const)(
    'gives the service account what a proxy needs, on the %s',
    async (server) => {
      await using directory = await bound(server);

      const { searchEntries } = await directory.client.search(PEOPLE, {
        filter: '(mailAlternateAddress=alice.alias@example.org)',
        attributes: FORWARDED,
      });

      expect(searchEntries).toEqual([
        {
          dn: `uid=alice,${PEOPLE}`,
          mailHost: 'node-a.example.org',
          homeDirectory: '/srv/mail/alice',
          uidNumber: '5000',
          gidNumber: '5000',
          mailQuotaSize: '10485760',
          accountStatus: 'active',
        },
      ]);
    },
  );

  it.each([PEOPLE, `ou=services,${SUFFIX}`, `ou=policies,${SUFFIX}`])(
    'shows the service account no password, nor what it has no use for, under %s',
    async (base) => {
      await using directory = await bound('master');

      const found = await directory.client
        .search(base, { filter: '(|(cn=*)(uid=*))', attributes: ['userPassword', 'pwdFailureTime', 'sn'] })
        .catch(() => ({ searchEntries: [] }));

      expect(
        found.searchEntries.flatMap(({ dn: _, ...attributes }) => Object.values(attributes).flat()),
      ).toEqual([]);
    },
  );

  it('lets the service account see where the changes stand', async () => {
    await using directory = await bound('master');

    const { searchEntries } = await directory.client.search(SUFFIX, {
      scope: 'base',
      attributes: ['contextCSN'],
    });

    expect(searchEntries).toMatchObject([{ contextCSN: expect.stringMatching(/^\d{14}\.\d{6}Z#/) }]);
  });

  it('lets the service account change nothing', async () => {
    await using directory = await bound('master');

    const change = directory.client.modifyDN(`uid=alice,${PEOPLE}`, 'uid=alicia');

    await expect(change).rejects.toThrow(/access/i);
  });

  it('shows nothing to strangers and to users', async () => {
    await using directory = await connected('master');
    const asStranger = directory.client.search(PEOPLE, { attributes: ['mail'] });
    await expect(asStranger).rejects.toThrow(NoSuchObjectError);
    await directory.client.bind(`uid=alice,${PEOPLE}`, accounts.alice.password);

    const asUser = directory.client.search(PEOPLE, { attributes: ['mail'] });

    await expect(asUser).rejects.toThrow(NoSuchObjectError);
  });

  // Another test locks mona out now and then.
  it.each(Object.values(accounts).filter(({ name }) => !['judy', 'kurt', 'mona'].includes(name)))(
    'verifies the password of $name by a bind',
    async ({ name, password }) => {
      await using directory = await connected('replica');

      await directory.client.bind(`uid=${name},${PEOPLE}`, password);

      await expect(directory.client.bind(`uid=${name},${PEOPLE}`, `${password}x`)).rejects.toThrow(
        InvalidCredentialsError,
      );
    },
  );

  it.each(['judy', 'kurt'])(
    'refuses the right password of %s, whose account the policy shuts',
    async (name) => {
      await using directory = await connected('master');

      const bind = directory.client.bind(`uid=${name},${PEOPLE}`, `${name}-secret`);

      await expect(bind).rejects.toThrow(InvalidCredentialsError);
    },
  );

  it('takes a change from the master to the replica at once', async () => {
    const { admin } = cluster();
    await using master = await connected('master');
    await master.client.bind(admin.dn, admin.password);
    await using replica = await bound('replica');
    const dn = `uid=newcomer,${PEOPLE}`;
    await master.client.add(dn, {
      objectClass: ['inetOrgPerson', 'qmailUser'],
      cn: 'newcomer',
      sn: 'newcomer',
      mail: 'newcomer@example.org',
      mailHost: 'node-a.example.org',
    });

    await expect.poll(() => homeOf(replica.client, dn)).toBe('node-a.example.org');

    await master.client.del(dn);
    await expect.poll(() => homeOf(replica.client, dn)).toBeUndefined();
  });
});

async function homeOf(client: Client, dn: string): Promise<unknown> {
  const { searchEntries } = await client.search(PEOPLE, {
    filter: '(mail=newcomer@example.org)',
    attributes: ['mailHost'],
  });
  return searchEntries
    .filter((entry) => entry.dn === dn)
    .map(({ mailHost }) => mailHost)
    .at(0);
}

/** A connection by StartTLS, verified. */
async function connected(server: 'master' | 'replica') {
  const client = new Client({ url: `ldap://127.0.0.1:${cluster().ldap[server].ldap}`, timeout: 5000 });
  await client.startTLS({ ca: cluster().ca, host: 'localhost' });
  return { client, [Symbol.asyncDispose]: () => client.unbind() };
}

/** A connection bound as the service account. */
async function bound(server: 'master' | 'replica') {
  const connection = await connected(server);
  await connection.client.bind(cluster().service.dn, cluster().service.password);
  return connection;
}
