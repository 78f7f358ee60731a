import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
import { firstSubject, logIn, newClient, openSession, type ProtocolName } from '../support/mail-session.ts';
import {
  type ConfigFile,
  clusterConfig,
  clusterNode,
  type LogLine,
  ldapDirectory,
  RunningProxy,
} from '../support/running-proxy.ts';

const PROTOCOLS: readonly ProtocolName[] = ['imap', 'pop3'];
const REFERENCE = ' [ref:SESSION]';

/** What a client is told, by protocol; SESSION stands for the session id. */
const ANSWERS = {
  badCredentials: {
    imap: 'l NO [AUTHENTICATIONFAILED] Authentication failed.',
    pop3: '-ERR [AUTH] Authentication failed.',
  },
  expired: {
    imap: 'l NO [EXPIRED] The password has expired or must be changed.',
    pop3: '-ERR [AUTH] The password has expired or must be changed.',
  },
  disabled: {
    imap: 'l NO [CONTACTADMIN] This account may not be used; ask your administrator.',
    pop3: '-ERR [AUTH] This account may not be used; ask your administrator.',
  },
  contactAdmin: {
    imap: `l NO [CONTACTADMIN] This account is not set up correctly; ask your administrator.${REFERENCE}`,
    pop3: `-ERR [SYS/PERM] This account is not set up correctly; ask your administrator.${REFERENCE}`,
  },
  unavailable: {
    imap: `l NO [UNAVAILABLE] Temporary failure; try again later.${REFERENCE}`,
    pop3: `-ERR [SYS/TEMP] Temporary failure; try again later.${REFERENCE}`,
  },
} as const;

async function failedLogin(proxy: RunningProxy, protocol: ProtocolName, user: string, password: string) {
  const wire = await openSession(protocol, {
    port: proxy.port(protocol, 'implicit'),
    tls: 'implicit',
    ca: cluster().ca,
    from: newClient(),
  });
  const before = proxy.log.filter((line) => line.event === 'login').length;
  const answer = await logIn(protocol, wire, user, password);
  const logged: LogLine[] = (await proxy.events('login', {}, before + 1)).slice(before);
  return {
    wire,
    answer: answer.replace(/(?<=\[ref:)[\w-]{22}(?=\])/, 'SESSION'),
    answerAsSent: answer,
    logged,
  };
}

describe('a login that the directory decides', () => {
  let proxy: RunningProxy;
  beforeAll(async () => {
    proxy = await RunningProxy.start(clusterConfig(cluster()));
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
  });

  describe.each(PROTOCOLS)('by %s', (protocol) => {
    it.each([
      ['F7 a wrong password', accounts.alice, 'wrong', 'wrongPassword', 'badCredentials', 'alice'],
      ['F7 a disabled account', accounts.dave, undefined, 'disabled', 'disabled', 'dave'],
      [
        'a disabled account with a wrong password',
        accounts.dave,
        'wrong',
        'wrongPassword',
        'badCredentials',
        'dave',
      ],
      ['an account without access', accounts.grace, undefined, 'disabled', 'disabled', 'grace'],
      ['F10 an account without a home', accounts.erin, undefined, 'noHome', 'contactAdmin', 'erin'],
      [
        'F11 a home that is not in the node table',
        accounts.frank,
        undefined,
        'homeNotAllowed',
        'contactAdmin',
        'frank',
      ],
      ['F16 a node that is down', accounts.heidi, undefined, 'nodeUnreachable', 'unavailable', 'heidi'],
      ['F7 an expired password', accounts.judy, undefined, 'expired', 'expired', 'judy'],
      ['F7 a locked account', accounts.kurt, undefined, 'locked', 'badCredentials', 'kurt'],
      ['a password that must be changed', accounts.lena, undefined, 'mustChange', 'expired', 'lena'],
    ] as const)(
      '%s is answered as it should, logged once, and leaves the connection usable',
      async (...row) => {
        const [, account, given, reason, answer, user] = row;

        const failed = await failedLogin(proxy, protocol, account.mail, given ?? account.password);
        await using wire = failed.wire;

        expect(failed.answer).toBe(ANSWERS[answer][protocol]);
        expect(failed.logged).toHaveLength(1);
        expect(failed.logged[0]).toMatchObject({ result: reason, user, protocol });
        expect(failed.answerAsSent).toContain(
          failed.answer.includes('[ref:') ? `[ref:${String(failed.logged[0]?.session)}]` : '',
        );
        await logIn(protocol, wire, accounts.alice.mail, accounts.alice.password);
        expect(await firstSubject(protocol, wire)).toBe('on node-a');
      },
    );

    it('F8 an unknown user looks like a wrong password, and is logged by a hash: it may be a password', async () => {
      const failed = await failedLogin(proxy, protocol, 'nobody@example.org', 'x');
      await using _wire = failed.wire;

      expect(failed.answer).toBe(ANSWERS.badCredentials[protocol]);
      expect(failed.logged).toHaveLength(1);
      expect(failed.logged[0]).toMatchObject({
        result: 'unknownUser',
        user: expect.stringMatching(/^#[0-9a-f]{8}$/),
      });
      expect(proxy.output).not.toContain('nobody@example.org');
    });

    it('F9 a name with two entries is our fault, not the user’s', async () => {
      const failed = await failedLogin(proxy, protocol, accounts.twin1.mail, accounts.twin1.password);
      await using _wire = failed.wire;

      expect(failed.answer).toBe(ANSWERS.unavailable[protocol]);
      expect(failed.logged[0]).toMatchObject({ result: 'directoryFault', level: 'error' });
    });

    it.each(['', '\u00ad'])(
      'an empty password (%j) is wrong, and no directory is asked (A8)',
      async (password) => {
        const failed = await failedLogin(proxy, protocol, accounts.alice.mail, password);
        await using _wire = failed.wire;

        expect(failed.answer).toBe(ANSWERS.badCredentials[protocol]);
      },
    );

    it.each(['*', 'a*', 'alice)(uid=*', 'admin)(|(uid=*', '\\2a', 'alice*proxy1', 'alice%m'])(
      'the name %s finds nobody (A9, A10)',
      async (name) => {
        const quoted = protocol === 'imap' ? name.replaceAll('\\', '\\\\') : name;
        const failed = await failedLogin(proxy, protocol, quoted, accounts.alice.password);
        await using _wire = failed.wire;

        expect(failed.answer).toBe(ANSWERS.badCredentials[protocol]);
        expect(failed.logged).toHaveLength(1);
      },
    );
  });
});

describe.each([
  [
    'F1 a directory that is down',
    (): ConfigFile =>
      clusterConfig(cluster(), {
        directories: [
          ldapDirectory(cluster(), { urls: [`ldap://127.0.0.1:${cluster().downPort}`], startTls: false }),
        ],
      }),
    'directoryDown',
    undefined,
  ],
  [
    'F12 a directory with a certificate of another CA',
    () =>
      clusterConfig(cluster(), {
        directories: [ldapDirectory(cluster(), { caFile: cluster().foreignCaFile })],
      }),
    'directoryDown',
    undefined,
  ],
  [
    "F21 a proxy's key that the node does not know",
    () => clusterConfig(cluster(), { keyFile: cluster().proxies.proxy2.keyFile }),
    'nodeRefusedProxy',
    /node-a/,
  ],
  [
    'F24 a node with a certificate of another CA',
    () =>
      clusterConfig(cluster(), {
        nodes: [
          clusterNode(cluster(), 'node-a', {
            tls: { mode: 'implicit', caFile: cluster().foreignCaFile, serverName: 'localhost' },
          }),
        ],
      }),
    'nodeTlsFailed',
    /certificate/,
  ],
  [
    'F24 a node with a certificate for another name',
    () =>
      clusterConfig(cluster(), {
        nodes: [
          clusterNode(cluster(), 'node-a', {
            tls: { mode: 'implicit', caFile: cluster().caFile, serverName: 'other.example.org' },
          }),
        ],
      }),
    'nodeTlsFailed',
    /other\.example\.org/,
  ],
  [
    'F24 a node with a certificate that is not the pinned one',
    () =>
      clusterConfig(cluster(), {
        nodes: [clusterNode(cluster(), 'node-a', { tls: { mode: 'implicit', pin: 'ab'.repeat(32) } })],
      }),
    'nodeTlsFailed',
    /pinned/,
  ],
] as const)('%s', (_what, config, reason, detail) => {
  it('is never told to the client as a wrong password, and logged once for someone to act on', async () => {
    await using proxy = await RunningProxy.start(config());
    for (const protocol of PROTOCOLS) {
      const failed = await failedLogin(proxy, protocol, accounts.alice.mail, accounts.alice.password);
      await using wire = failed.wire;

      expect(failed.answer).toBe(ANSWERS.unavailable[protocol]);
      expect(failed.logged).toHaveLength(1);
      expect(failed.logged[0]).toMatchObject({ result: reason, level: 'error' });
      expect(String(failed.logged[0]?.detail)).toMatch(detail ?? /./);
      wire.send(protocol === 'imap' ? 'n NOOP' : 'NOOP');
      expect(await wire.line()).toMatch(/OK/);
    }
  });
});

describe('F21 Courier with a key that it does not know', () => {
  it('is never told to the client as a wrong password', async () => {
    await using proxy = await RunningProxy.start(
      clusterConfig(cluster(), { keyFile: cluster().proxies.proxy2.keyFile }),
    );

    const failed = await failedLogin(proxy, 'imap', accounts.carol.mail, accounts.carol.password);
    await using _wire = failed.wire;

    expect(failed.answer).toBe(ANSWERS.unavailable.imap);
    expect(failed.logged[0]).toMatchObject({ result: 'nodeRefusedProxy', level: 'error' });
  });
});

describe('the first of two directory servers', () => {
  it('F2 may be down', async () => {
    const { downPort, ldap } = cluster();
    const urls = [`ldap://127.0.0.1:${downPort}`, `ldap://127.0.0.1:${ldap.replica.ldap}`];
    await using proxy = await RunningProxy.start(
      clusterConfig(cluster(), { directories: [ldapDirectory(cluster(), { urls })] }),
    );
    await using wire = await openSession('imap', { port: proxy.port('imap', 'none'), tls: 'none', ca: '' });

    expect(await logIn('imap', wire, accounts.bob.mail, accounts.bob.password)).toMatch(/^l OK/);
    expect(await proxy.event('directoryState', { up: false })).toMatchObject({ server: urls[0] });
  });
});

describe('a login in clear text where that is not allowed', () => {
  it('is refused before the password is asked for, with an event of its own', async () => {
    const listeners = PROTOCOLS.map((protocol) => ({
      protocol,
      address: '127.0.0.1',
      port: 0,
      tls: 'starttls',
    }));
    await using proxy = await RunningProxy.start(clusterConfig(cluster(), { listeners }));
    for (const protocol of PROTOCOLS) {
      await using wire = await openSession(protocol, {
        port: proxy.port(protocol, 'starttls'),
        tls: 'none',
        ca: '',
      });
      wire.send(protocol === 'imap' ? 'l LOGIN {5}' : 'USER alice');

      expect(await wire.line()).toBe(
        protocol === 'imap'
          ? 'l NO [PRIVACYREQUIRED] Logins in clear text are not allowed; use TLS.'
          : '-ERR [AUTH] Logins in clear text are not allowed; use TLS.',
      );
      expect(await proxy.event('login', { protocol })).toMatchObject({ result: 'tlsRequired' });
    }
  });
});
