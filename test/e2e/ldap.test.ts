import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createAuthenticator } from '../../auth/authenticator.ts';
import type { LoginName } from '../../auth/directory.ts';
import { schemaOptions } from '../../auth/entries/presets.ts';
import { compileSchema } from '../../auth/entries/schema.ts';
import type { LdapTarget } from '../../auth/ldap/dial.ts';
import { type LdapOptions, openLdap } from '../../auth/ldap/ldap.ts';
import { DEFAULT_PUNCTUATION } from '../../auth/names.ts';
import { Secret } from '../../auth/secret.ts';
import { accounts, PEOPLE } from '../support/accounts.ts';
import { cluster, loggedLine, serverLog } from '../support/cluster.ts';
import { verifyIn } from '../support/verify-in.ts';

const signal = new AbortController().signal;
const secret = (text: string) => new Secret(Buffer.from(text));
const name = (full: string): LoginName => ({ full, localPart: full, domain: undefined });

/** A directory over real servers, and what it said of their states, after `up` at first. */
function open(servers: readonly LdapTarget[] = [target()], options: Partial<LdapOptions> = {}) {
  const { service } = cluster();
  const states: [port: number, up: boolean, detail: string | undefined][] = [];
  const directory = openLdap(
    {
      servers,
      order: 'failover',
      account: { dn: service.dn, password: secret(service.password) },
      verify: 'bind',
      readPasswords: false,
      allowCleartext: false,
      schema: compileSchema(schemaOptions('qmail', { base: PEOPLE })),
      connectMs: 2000,
      operationMs: 3000,
      maxBinds: 16,
      ...options,
    },
    (server, up, detail) => {
      const port = Number(new URL(server).port);
      if (!up || states.some(([other]) => other === port)) {
        states.push([port, up, detail]);
      }
    },
  );
  const login = (user: string, password: string) =>
    verifyIn(directory, name(user), secret(password), { service: 'imap', signal });
  return { directory, login, states, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

/** The master by ldaps, with something changed. */
function target(changes: Partial<LdapTarget> = {}): LdapTarget {
  const port = changes.port ?? cluster().ldap.master.ldaps;
  return {
    url: `ldaps://127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    tls: 'implicit',
    ca: Buffer.from(cluster().ca),
    serverName: undefined,
    ...changes,
  };
}

describe('the LDAP directory on OpenLDAP', () => {
  it('gives the account of a right password', async () => {
    await using ldap = open();

    expect(await ldap.login('alice', accounts.alice.password)).toMatchObject({
      kind: 'right',
      account: {
        name: 'alice',
        entry: `uid=alice,${PEOPLE}`,
        homes: ['node-a.example.org'],
        forwarded: new Map([
          ['home', '/srv/mail/alice'],
          ['uid', '5000'],
          ['gid', '5000'],
          ['quota', '10485760'],
        ]),
        bar: undefined,
      },
    });
  });

  it.each(['alice@example.org', 'alice.alias@example.org', 'ALICE'])(
    'finds the same account by %s',
    async (user) => {
      await using ldap = open();

      expect(await ldap.login(user, accounts.alice.password)).toMatchObject({
        kind: 'right',
        account: { name: 'alice' },
      });
    },
  );

  it.each([accounts.paul, accounts.olga])(
    'takes the password $password',
    async ({ name: user, password }) => {
      await using ldap = open();

      expect(await ldap.login(user, password)).toMatchObject({ kind: 'right' });
    },
  );

  it('tells a wrong password from an unknown user', async () => {
    await using ldap = open();

    expect(await ldap.login('carol', 'x')).toEqual({
      kind: 'refused',
      reason: 'wrongPassword',
      known: 'carol',
    });
    expect(await ldap.login('nobody', 'x')).toEqual({
      kind: 'refused',
      reason: 'unknownUser',
      known: undefined,
    });
  });

  it('compares stored hashes where told to, by an account that may read them', async () => {
    const { admin } = cluster();
    const account = { dn: admin.dn, password: secret(admin.password) };
    await using allowed = open([target()], { verify: 'hash', account });
    await using blind = open([target()], { verify: 'hash' });

    expect(await allowed.login('alice', accounts.alice.password)).toMatchObject({ kind: 'right' });
    expect(await allowed.login('alice', 'x')).toMatchObject({ reason: 'wrongPassword' });
    await expect(blind.login('alice', accounts.alice.password)).rejects.toMatchObject({
      reason: 'directoryFault',
    });
  });

  it('F9 says which two entries have one address, and not the address', async () => {
    await using ldap = open();

    await expect(ldap.login('twin@example.org', accounts.twin1.password)).rejects.toMatchObject({
      reason: 'directoryFault',
      message: expect.stringMatching(
        /^two entries have this name: uid=twin1,.* and uid=twin2,.* \(search .*\(mail=%u\).* below ou=people/,
      ),
    });
  });

  it('says that an account is disabled to the right password only', async () => {
    await using ldap = open();

    expect(await ldap.login('dave', accounts.dave.password)).toMatchObject({
      account: {
        bar: { reason: 'disabled', detail: `accountStatus: disabled of uid=dave,${PEOPLE} says so` },
      },
    });
    expect(await ldap.login('dave', 'x')).toMatchObject({ reason: 'wrongPassword' });
  });

  describe('with a password policy', () => {
    it.each([
      ['kurt', 'locked'],
      ['judy', 'expired'],
      ['lena', 'mustChange'],
    ] as const)('refuses the right password of %s: %s', async (user, reason) => {
      await using ldap = open();

      expect(await ldap.login(user, accounts[user].password)).toEqual({
        kind: 'refused',
        reason,
        known: user,
      });
    });

    it.each(['judy', 'lena'])('says of a wrong password of %s no more than that', async (user) => {
      await using ldap = open();

      expect(await ldap.login(user, 'x')).toMatchObject({ reason: 'wrongPassword' });
    });

    it('sees an account lock after wrong passwords, and open again', async () => {
      await using ldap = open();

      for (let at = 0; at < 3; at += 1) {
        expect(await ldap.login('mona', 'x')).toMatchObject({ reason: 'wrongPassword' });
      }

      expect(await ldap.login('mona', accounts.mona.password)).toMatchObject({ reason: 'locked' });
      await expect
        .poll(() => ldap.login('mona', accounts.mona.password), { timeout: 8000, interval: 300 })
        .toMatchObject({ kind: 'right' });
    });
  });

  describe('by TLS', () => {
    const startTls = (changes: Partial<LdapTarget> = {}) => {
      const port = cluster().ldap.master.ldap;
      return target({ url: `ldap://127.0.0.1:${port}`, port, tls: 'startTls', ...changes });
    };

    it.each([
      ['StartTLS', startTls],
      ['ldaps', target],
    ])('verifies the server: %s', async (_, to) => {
      await using ldap = open([to()]);
      await using named = open([to({ serverName: 'localhost' })]);

      expect(await ldap.login('alice', accounts.alice.password)).toMatchObject({ kind: 'right' });
      expect(await named.login('alice', accounts.alice.password)).toMatchObject({ kind: 'right' });
    });

    it.each([
      ['StartTLS', startTls],
      ['ldaps', target],
    ])('F12 refuses a server by another CA or with another name, and says so: %s', async (_, to) => {
      await using foreign = open([to({ ca: readFileSync(cluster().foreignCaFile) })]);
      await using misnamed = open([to({ serverName: 'other.example.org' })]);

      await expect(foreign.login('alice', accounts.alice.password)).rejects.toMatchObject({
        reason: 'directoryDown',
        message: expect.stringMatching(/^connect to ldaps?:.*(issuer certificate|self-signed|verify)/),
      });
      await expect(misnamed.login('alice', accounts.alice.password)).rejects.toMatchObject({
        reason: 'directoryDown',
        message: expect.stringContaining("does not match certificate's altnames"),
      });
      expect(foreign.states).toHaveLength(1);
      expect(misnamed.states).toHaveLength(1);
    });
  });

  it('F2 uses the replica while the master is away', async () => {
    const { downPort, ldap } = cluster();
    await using directory = open([target({ port: downPort }), target({ port: ldap.replica.ldaps })]);

    expect(await directory.login('alice', accounts.alice.password)).toMatchObject({ kind: 'right' });
    expect(await directory.login('bob', accounts.bob.password)).toMatchObject({ kind: 'right' });

    expect(directory.states).toEqual([[downPort, false, expect.stringContaining('ECONNREFUSED')]]);
    expect(await directory.directory.whyNotReady(signal)).toBeUndefined();
  });

  it('F1 fails while the only server is away, and works as soon as it is back', async () => {
    await using relay = await Relay.start(cluster().ldap.master.ldaps);
    await using ldap = open([target({ port: relay.port })]);
    await ldap.login('alice', accounts.alice.password);

    relay.state = 'refusing';
    relay.cut();
    await expect(ldap.login('alice', accounts.alice.password)).rejects.toMatchObject({
      reason: 'directoryDown',
    });
    expect(await ldap.directory.whyNotReady(signal)).toMatch(/^connect to /);
    relay.state = 'open';

    expect(await ldap.login('alice', accounts.alice.password)).toMatchObject({ kind: 'right' });
    expect(ldap.states.map(([, up]) => up)).toEqual([false, true]);
  });

  it.each(['ldaps', 'StartTLS'])('F5 does not notice that idle connections were cut: %s', async (how) => {
    const { ldap: ports } = cluster();
    await using relay = await Relay.start(how === 'ldaps' ? ports.master.ldaps : ports.master.ldap);
    const to = target({ port: relay.port, tls: how === 'ldaps' ? 'implicit' : 'startTls' });
    await using ldap = open([to]);
    await ldap.login('alice', accounts.alice.password);

    relay.cut();

    expect(await ldap.login('alice', accounts.alice.password)).toMatchObject({ kind: 'right' });
    expect(ldap.states).toEqual([]);
  });

  it('F3 leaves a server that froze for one that answers', async () => {
    await using relay = await Relay.start(cluster().ldap.master.ldaps);
    const servers = [target({ port: relay.port }), target({ port: cluster().ldap.replica.ldaps })];
    await using ldap = open(servers, { operationMs: 500, connectMs: 500 });
    await ldap.login('alice', accounts.alice.password);

    relay.state = 'frozen';

    const logins = ['alice', 'bob', 'carol'] as const;
    const verdicts = await Promise.all(logins.map((user) => ldap.login(user, accounts[user].password)));
    expect(verdicts.map(({ kind }) => kind)).toEqual(['right', 'right', 'right']);
    expect(ldap.states).toEqual([[relay.port, false, 'no answer within 500 ms']]);
  });

  // FAULTS A8: counted in slapd's own log.
  it('A8 sends no request for a password that a server could take for empty', async () => {
    await using ldap = open();
    const authenticator = createAuthenticator({
      realms: [{ domains: undefined, directory: ldap.directory }],
      names: {
        defaultDomain: undefined,
        lowerCase: true,
        punctuation: DEFAULT_PUNCTUATION,
        latin1Passwords: true,
      },
    });
    const login = (authcid: string, password: string) =>
      authenticator.authenticate(
        {
          kind: 'password',
          authzid: Buffer.alloc(0),
          authcid: Buffer.from(authcid),
          password: secret(password),
        },
        { service: 'imap' },
        signal,
      );

    for (const password of ['', '\0', '\u00ad']) {
      expect(await login('grace.alias@example.org', password)).toMatchObject({ reason: 'wrongPassword' });
    }
    await login('ivan.alias@example.org', 'x');

    await loggedLine('ldap-master', /SRCH .*ivan\.alias@example\.org/);
    expect(await serverLog('ldap-master')).not.toContain('grace.alias@example.org');
  });

  it('A35 asks for what it needs of an entry, and not for its password', async () => {
    await using ldap = open();
    await ldap.login('frank.alias@example.org', accounts.frank.password);

    const search = await loggedLine('ldap-master', /SRCH .*frank\.alias@example\.org/);

    const operation = /conn=\d+ op=\d+/.exec(search)?.[0] ?? '';
    expect(await loggedLine('ldap-master', new RegExp(`${operation} SRCH attr=`))).toMatch(
      /SRCH attr=uid mailHost accountStatus homeDirectory uidNumber gidNumber mailQuotaSize entryUUID pwdChangedTime pwdLastSet$/,
    );
  });

  // FAULTS A9, without the authenticator, which refuses these names before.
  it.each([
    '*',
    'a*',
    ')(uid=*',
    'admin)(|(uid=*',
    '\\2a',
    'a\0b',
    '(',
    '&',
    '\uff0a',
    'cn=x,dc=y',
    'x'.repeat(1024),
  ])('A9 finds nobody by the name %j', async (user) => {
    await using ldap = open();

    expect(await ldap.login(user, accounts.alice.password)).toMatchObject({ reason: 'unknownUser' });
  });
});

/** A relay in front of a server that other tests use too, so that only this test loses it. */
class Relay implements AsyncDisposable {
  state: 'open' | 'refusing' | 'frozen' = 'open';
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => this.#accept(socket));
  readonly #to: number;

  private constructor(to: number) {
    this.#to = to;
  }

  static async start(to: number): Promise<Relay> {
    const relay = new Relay(to);
    relay.#server.listen(0, '127.0.0.1');
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  cut(): void {
    for (const socket of this.#sockets) {
      socket.resetAndDestroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    if (this.state === 'refusing') {
      client.resetAndDestroy();
      return;
    }
    const server = connect(this.#to, '127.0.0.1');
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('data', (octets) => this.state !== 'frozen' && to.write(octets));
      from.on('end', () => this.state !== 'frozen' && to.end());
      from.on('error', () => to.destroy());
      from.on('close', () => this.#sockets.delete(from));
    }
  }
}
