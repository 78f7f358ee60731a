import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { LoginName } from '../../../auth/directory.ts';
import { schemaOptions } from '../../../auth/entries/presets.ts';
import { compileSchema } from '../../../auth/entries/schema.ts';
import { EntryFault, LoginFailure } from '../../../auth/failure.ts';
import type { LdapTarget } from '../../../auth/ldap/dial.ts';
import { type LdapOptions, openLdap } from '../../../auth/ldap/ldap.ts';
import { Secret } from '../../../auth/secret.ts';
import { verifyIn } from '../../support/verify-in.ts';
import {
  answerAll,
  bindResponse,
  extendedResponse,
  ScriptedLdap,
  searchDone,
  searchEntry,
} from './scripted-ldap.ts';

const signal = new AbortController().signal;
const secret = (text: string) => new Secret(Buffer.from(text));
const name = (full: string): LoginName => ({ full, localPart: full, domain: undefined });

type State = readonly [server: number, up: boolean];

/** A directory over scripted servers, and the changes of state that it reported, after `up` at first. */
function open(
  servers: readonly ScriptedLdap[],
  options: Partial<LdapOptions> = {},
  tls: LdapTarget['tls'] = 'none',
) {
  const targets = servers.map(({ port }) => ({
    url: `ldap://127.0.0.1:${port}`,
    host: '127.0.0.1',
    port,
    tls,
    ca: undefined,
    serverName: undefined,
  }));
  const states: State[] = [];
  const directory = openLdap(
    {
      servers: targets,
      order: 'failover',
      account: { dn: 'cn=homing,dc=x', password: secret('homing-secret') },
      verify: 'bind',
      readPasswords: false,
      allowCleartext: false,
      schema: compileSchema(schemaOptions(undefined, { base: 'dc=x' })),
      connectMs: 1000,
      operationMs: 200,
      maxBinds: 4,
      ...options,
    },
    (server, up) => {
      const at = targets.findIndex(({ url }) => url === server);
      if (!up || states.some(([other]) => other === at)) {
        states.push([at, up]);
      }
    },
  );
  const login = (user: string, password = `${user}-secret`, limit = signal) =>
    verifyIn(directory, name(user), secret(password), { service: 'imap', signal: limit });
  return { directory, login, states, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

/** DNs of the users who were bound, without the service account. */
function usersBound(server: ScriptedLdap): string[] {
  return server.seen('bind').flatMap(({ dn }) => (dn === 'cn=homing,dc=x' ? [] : [dn]));
}

describe('the LDAP directory', () => {
  it('A35 A34 asks for each login one search, for needed attributes only, and one bind', async () => {
    await using server = await ScriptedLdap.start();
    await using ldap = open([server]);

    expect(await ldap.login('alice')).toMatchObject({
      kind: 'right',
      account: { name: 'alice', entry: 'uid=alice,dc=x', homes: ['node-a'] },
    });

    expect(server.seen('search')).toEqual([
      expect.objectContaining({
        filter: '(uid=alice)',
        attributes: ['uid', 'mailhost', 'entryuuid', 'pwdchangedtime', 'pwdlastset'],
      }),
    ]);
    expect(server.seen('bind').map(({ dn }) => dn)).toEqual(['cn=homing,dc=x', 'uid=alice,dc=x']);
  });

  it('knows of nobody that he is gone where its base is gone too', async () => {
    let hasBase = true;
    await using server = await ScriptedLdap.start((request) =>
      request.kind === 'search'
        ? searchDone(request.id, request.base === 'dc=x' && hasBase ? 0 : 32)
        : answerAll(request),
    );
    await using ldap = open([server]);
    const reread = () =>
      ldap.directory.reread?.({ entry: 'uid=ann,dc=x', id: 'id-1' }, { service: 'imap' }, signal);

    expect(await reread()).toBeUndefined();
    hasBase = false;
    await expect(reread()).rejects.toMatchObject({ reason: 'directoryFault' });
  });

  it('A35 has an entry that is too large be its own fault: the searches of others go on', async () => {
    const mail = Array.from({ length: 11_000 }, (_, at) => `big${at}@example.org`);
    await using server = await ScriptedLdap.start((request) =>
      request.kind === 'search' && request.filter === '(uid=big)'
        ? Buffer.concat([
            searchEntry(request.id, 'uid=big,dc=x', { uid: ['big'], mail }),
            searchDone(request.id, 0),
          ])
        : answerAll(request),
    );
    await using ldap = open([server]);

    const logins = ['alice', 'big', 'bob', 'big', 'carol'].map((user) =>
      ldap.login(user).catch((error: unknown) => error),
    );

    const fault = { reason: 'directoryFault', message: expect.stringMatching(/^the entry is too large: /) };
    const right = { kind: 'right' };
    expect(await Promise.all(logins)).toMatchObject([right, fault, right, fault, right]);
    expect(ldap.states).toEqual([]);
  });

  it('A35 asks for stored passwords only where it may, and only where they are needed', async () => {
    await using server = await ScriptedLdap.start((request) =>
      request.kind === 'search' && request.filter === '(uid=alice)'
        ? Buffer.concat([
            searchEntry(request.id, 'uid=alice,dc=x', {
              uid: ['Alice'],
              userPassword: ['{SSHA}AAAA', '{SCRAM-SHA-256}x'],
            }),
            searchDone(request.id, 0),
          ])
        : answerAll(request),
    );
    await using withheld = open([server]);
    await using ldap = open([server], { readPasswords: true });

    await ldap.login('alice');
    await ldap.directory.lookup(name('alice'), { service: 'imap' }, signal);
    const stored = await ldap.directory.stored?.(name('alice'), { service: 'imap' }, signal);

    expect(withheld.directory.stored).toBeUndefined();
    expect(stored).toMatchObject({
      account: { name: 'Alice' },
      values: ['{SSHA}AAAA', '{SCRAM-SHA-256}x'],
      allowCleartext: false,
    });
    expect(server.seen('search').map(({ attributes }) => attributes.includes('userpassword'))).toEqual([
      false,
      false,
      true,
    ]);
  });

  it('tells a wrong password from an unknown user', async () => {
    await using server = await ScriptedLdap.start();
    await using ldap = open([server]);

    expect(await ldap.login('alice', 'x')).toEqual({
      kind: 'refused',
      reason: 'wrongPassword',
      known: 'alice',
    });
    expect(await ldap.login('nobody', 'x')).toEqual({
      kind: 'refused',
      reason: 'unknownUser',
      known: undefined,
    });
  });

  it('connects once for logins that come together', async () => {
    await using server = await ScriptedLdap.start();
    await using ldap = open([server]);

    await Promise.all(['a', 'b', 'c', 'd', 'e'].map((user) => ldap.login(user)));

    expect(server.seen('bind').filter(({ dn }) => dn === 'cn=homing,dc=x')).toHaveLength(1);
  });

  it('A8 sends no bind for an empty password, nor for an entry without a DN', async () => {
    await using server = await ScriptedLdap.start();
    await using ldap = open([server]);

    expect(await ldap.login('alice', '')).toMatchObject({ reason: 'wrongPassword' });
    server.script = (request) =>
      request.kind === 'search'
        ? Buffer.concat([searchEntry(request.id, '', { uid: ['alice'] }), searchDone(request.id, 0)])
        : answerAll(request);
    expect(await ldap.login('alice')).toMatchObject({ reason: 'wrongPassword' });

    expect(usersBound(server)).toEqual([]);
  });

  it('A38 has no bind beside another on one connection, and no more connections than allowed', async () => {
    const busy = new Map<Socket, number>();
    let most = 0;
    await using server = await ScriptedLdap.start(async (request, socket) => {
      if (request.kind === 'bind') {
        busy.set(socket, (busy.get(socket) ?? 0) + 1);
        most = Math.max(most, ...busy.values());
        await new Promise((resolve) => setImmediate(resolve));
        busy.set(socket, (busy.get(socket) ?? 0) - 1);
      }
      return answerAll(request);
    });
    await using ldap = open([server], { maxBinds: 3, operationMs: 2000 });

    const verdicts = await Promise.all(Array.from({ length: 20 }, (_, at) => ldap.login(`user${at}`)));

    expect(verdicts.every(({ kind }) => kind === 'right')).toBe(true);
    expect(most).toBe(1);
    expect(busy.size).toBeLessThanOrEqual(1 + 3);
  });

  it('reads answers that come octet by octet', async () => {
    await using server = await ScriptedLdap.start(async (request, socket) => {
      for (const octet of answerAll(request) ?? []) {
        socket.write(Buffer.of(octet));
        await new Promise((resolve) => setImmediate(resolve));
      }
      return undefined;
    });
    await using ldap = open([server], { operationMs: 2000 });

    expect(await ldap.login('alice')).toMatchObject({ kind: 'right' });
  });

  // FAULTS A38
  it('A38 F4 lets one slow search delay nobody else, and keeps its connection', async () => {
    await using server = await ScriptedLdap.start((request) =>
      request.kind === 'search' && request.filter === '(uid=slow)' ? undefined : answerAll(request),
    );
    await using ldap = open([server]);
    await ldap.login('alice');

    const slow = ldap.login('slow').catch((error: unknown) => error);
    const others: string[] = [];
    for (let at = 0; at < 50 || server.seen('abandon').length === 0; at += 1) {
      others.push((await ldap.login(`user${at}`)).kind);
    }

    expect(new Set(others)).toEqual(new Set(['right']));
    expect(await slow).toMatchObject({ reason: 'directoryDown' });
    expect(server.seen('bind').filter(({ dn }) => dn === 'cn=homing,dc=x')).toHaveLength(1);
    expect(ldap.states).toEqual([]);
  });

  it('F3 takes a server that says nothing for down, and asks the next one', async () => {
    await using silent = await ScriptedLdap.start((request) =>
      request.kind === 'bind' ? answerAll(request) : undefined,
    );
    await using other = await ScriptedLdap.start();
    await using ldap = open([silent, other]);

    expect(await ldap.login('alice')).toMatchObject({ kind: 'right' });
    const searches = silent.seen('search').length;
    expect(await ldap.login('alice')).toMatchObject({ kind: 'right' });

    expect(ldap.states).toEqual([[0, false]]);
    expect(silent.seen('search')).toHaveLength(searches);
  });

  it.each(['search', 'bind'] as const)('F5 does a %s once more when its connection is cut', async (kind) => {
    let cuts = 0;
    await using server = await ScriptedLdap.start((request, socket) => {
      const isCut =
        request.kind === kind && !(request.kind === 'bind' && request.dn.startsWith('cn=')) && cuts === 0;
      if (isCut) {
        cuts += 1;
        socket.resetAndDestroy();
        return undefined;
      }
      return answerAll(request);
    });
    await using ldap = open([server]);

    expect(await ldap.login('alice')).toMatchObject({ kind: 'right' });
    expect(cuts).toBe(1);
    expect(ldap.states).toEqual([]);
  });

  it('F5 gives up when the connection is cut a second time', async () => {
    await using server = await ScriptedLdap.start((request, socket) => {
      if (request.kind === 'search') {
        socket.resetAndDestroy();
      }
      return request.kind === 'search' ? undefined : answerAll(request);
    });
    await using ldap = open([server]);

    await expect(ldap.login('alice')).rejects.toMatchObject({ reason: 'directoryDown' });
    expect(server.seen('search')).toHaveLength(2);
  });

  it('connects anew when the server has closed idle connections', async () => {
    await using server = await ScriptedLdap.start();
    await using ldap = open([server]);
    await ldap.login('alice');

    for (const socket of server.sockets) {
      socket.end();
    }

    expect(await ldap.login('alice')).toMatchObject({ kind: 'right' });
    expect(ldap.states).toEqual([]);
  });

  it('F6 asks another server when one is busy, and never calls that a wrong password', async () => {
    await using busy = await ScriptedLdap.start((request) =>
      request.kind === 'bind' && request.dn.startsWith('uid=')
        ? bindResponse(request.id, 51, {})
        : answerAll(request),
    );
    await using other = await ScriptedLdap.start();
    await using both = open([busy, other]);
    await using alone = open([busy]);

    expect(await both.login('alice')).toMatchObject({ kind: 'right' });
    for (let at = 0; at < 5; at += 1) {
      await expect(alone.login('alice')).rejects.toMatchObject({ reason: 'directoryDown' });
    }
    expect(busy.sockets.size).toBe(4);
  });

  it.each<[string, (id: number) => Buffer]>([
    ['the end of a search', (id) => searchDone(id, 0)],
    ['an extended response', (id) => extendedResponse(id, 0)],
    ['an entry', (id) => searchEntry(id, 'uid=alice,dc=x', { uid: ['alice'] })],
  ])('takes %s for no successful bind, and drops the connection', async (_, answer) => {
    await using server = await ScriptedLdap.start((request) =>
      request.kind === 'bind' && request.dn.startsWith('uid=') ? answer(request.id) : answerAll(request),
    );
    await using ldap = open([server]);

    await expect(ldap.login('alice')).rejects.toMatchObject({
      reason: 'directoryDown',
      message: expect.stringContaining('is no answer to a bind'),
    });
    await expect.poll(() => server.sockets.size).toBe(1);
  });

  it('takes a successful bind for no search', async () => {
    await using server = await ScriptedLdap.start((request) =>
      request.kind === 'search' ? bindResponse(request.id, 0, {}) : answerAll(request),
    );
    await using ldap = open([server]);

    await expect(ldap.login('alice')).rejects.toMatchObject({ reason: 'directoryDown' });
  });

  it('A9 F9 calls several entries a fault of the directory', async () => {
    await using server = await ScriptedLdap.start((request) =>
      request.kind === 'search'
        ? Buffer.concat([
            searchEntry(request.id, 'uid=a', { uid: ['a'] }),
            searchEntry(request.id, 'uid=b', { uid: ['b'] }),
            searchDone(request.id, 4),
          ])
        : answerAll(request),
    );
    await using ldap = open([server]);

    await expect(ldap.login('alice')).rejects.toMatchObject({
      reason: 'directoryFault',
      message: expect.stringMatching(
        /^two entries have this name: uid=a and uid=b \(search \(uid=%u\) below dc=x at ldap:/,
      ),
    });
    // Of this entry, and not of the directory: mechanisms that never see the password tell no client of it.
    await expect(ldap.login('alice')).rejects.toBeInstanceOf(EntryFault);
    expect(usersBound(server)).toEqual([]);
  });

  // People type passwords into the name, and every failure is logged.
  it.each([1, 3, 4, 10, 11, 32, 34, 50, 51, 52, 53, 80])(
    'shows the name of a login that result %i ends to nobody but who explains',
    async (code) => {
      const canary = 'canary-password';
      await using server = await ScriptedLdap.start((request) =>
        request.kind === 'search'
          ? searchDone(request.id, code, `about (uid=${canary})`)
          : answerAll(request),
      );
      await using ldap = open([server]);
      const steps: string[] = [];
      const context = { service: 'imap', trace: (_: string, detail: string) => void steps.push(detail) };

      const failure = await ldap.login(canary).catch((error: unknown) => error);
      await ldap.directory.lookup(name(canary), context, signal).catch(() => undefined);

      expect(failure).toBeInstanceOf(LoginFailure);
      expect(String(failure)).not.toContain(canary);
      // A server that is busy has not searched.
      expect(steps.join()).toContain([51, 52].includes(code) ? '' : `search (uid=${canary}) below dc=x at `);
    },
  );

  it('F1 F2 tells once that a server is down and once that it is back, and returns to it', async () => {
    await using first = await ScriptedLdap.start();
    await using second = await ScriptedLdap.start();
    await using ldap = open([first, second]);
    const { port } = first;
    await ldap.login('alice');

    await first.stop();
    await ldap.login('alice');
    await ldap.login('alice');
    expect(ldap.states).toEqual([[0, false]]);
    expect(usersBound(second)).toHaveLength(2);

    await first.listen(port);
    await expect
      .poll(() => ldap.states, { timeout: 4000 })
      .toEqual([
        [0, false],
        [0, true],
      ]);
    await ldap.login('alice');
    expect(usersBound(first)).toHaveLength(2);
  });

  it('fails while the only server is away, and works as soon as it is back', async () => {
    await using server = await ScriptedLdap.start();
    await using ldap = open([server]);
    const { port } = server;

    await server.stop();
    await expect(ldap.login('alice')).rejects.toMatchObject({
      reason: 'directoryDown',
      message: expect.stringContaining(`connect to ldap://127.0.0.1:${port}: connect ECONNREFUSED`),
    });
    expect(await ldap.directory.whyNotReady(signal)).toContain('ECONNREFUSED');
    await server.listen(port);

    expect(await ldap.login('alice')).toMatchObject({ kind: 'right' });
    expect(await ldap.directory.whyNotReady(signal)).toBeUndefined();
    expect(ldap.states).toEqual([
      [0, false],
      [0, true],
    ]);
  });

  it.each([
    [32, '32 noSuchObject: there is no entry dc=x, or bindDn may not see it'],
    [53, '53 unwillingToPerform: anonymous search disallowed'],
  ])('is not ready where its base answers result %i', async (code, why) => {
    await using server = await ScriptedLdap.start((request) =>
      request.kind === 'search'
        ? searchDone(request.id, code, code === 53 ? 'anonymous search disallowed' : '')
        : answerAll(request),
    );
    await using ldap = open([server]);

    expect(await ldap.directory.whyNotReady(signal)).toBe(`ldap://127.0.0.1:${server.port}: ${why}`);
  });

  it('is not ready where its own account is refused', async () => {
    await using server = await ScriptedLdap.start();
    await using ldap = open([server], { account: { dn: 'cn=homing,dc=x', password: secret('x') } });

    expect(await ldap.directory.whyNotReady(signal)).toContain(': 49 invalidCredentials: bindDn or');
  });

  it('asks equal servers in turn where told to', async () => {
    await using first = await ScriptedLdap.start();
    await using second = await ScriptedLdap.start();
    await using ldap = open([first, second], { order: 'roundRobin', verify: 'node' });

    for (let at = 0; at < 6; at += 1) {
      await ldap.login('alice');
    }

    expect([first.seen('search').length, second.seen('search').length]).toEqual([3, 3]);
  });

  it.each([
    ['no BER', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['an element longer than its message', Buffer.from('30080201016503870500', 'hex')],
    ['the head of a message of 100 MB', Buffer.from('308406400000', 'hex')],
  ])('F13 drops a connection on which comes %s', async (_, rubbish) => {
    await using server = await ScriptedLdap.start((request) =>
      request.kind === 'search' ? rubbish : answerAll(request),
    );
    await using ldap = open([server]);

    await expect(ldap.login('alice')).rejects.toMatchObject({ reason: 'directoryDown' });
    await expect.poll(() => server.sockets.size).toBe(0);
  });

  it('says that its own account was refused, and sends no password of a user', async () => {
    await using server = await ScriptedLdap.start();
    await using ldap = open([server], { account: { dn: 'cn=homing,dc=x', password: secret('x') } });

    await expect(ldap.login('alice')).rejects.toMatchObject({
      reason: 'directoryDown',
      message: `ldap://127.0.0.1:${server.port}: 49 invalidCredentials: bindDn or the content of passwordFile is wrong (bindDn cn=homing,dc=x)`,
    });
    expect(usersBound(server)).toEqual([]);
  });

  describe('with StartTLS', () => {
    it('A33 sends nothing in clear text when the server refuses', async () => {
      await using server = await ScriptedLdap.start((request) => extendedResponse(request.id, 52));
      await using ldap = open([server], {}, 'startTls');

      await expect(ldap.login('alice')).rejects.toMatchObject({ reason: 'directoryDown' });
      expect(server.seen('bind')).toEqual([]);
    });

    it('A33 refuses octets that came behind the answer, before TLS', async () => {
      await using server = await ScriptedLdap.start((request) =>
        Buffer.concat([extendedResponse(request.id, 0), bindResponse(request.id + 1, 0, {})]),
      );
      await using ldap = open([server], {}, 'startTls');

      await expect(ldap.login('alice')).rejects.toMatchObject({
        message: expect.stringContaining('octets behind its answer'),
      });
    });
  });

  it('ends when its time is over, whatever the server does', async () => {
    await using server = await ScriptedLdap.start((request) =>
      request.kind === 'bind' ? answerAll(request) : undefined,
    );
    await using ldap = open([server], { operationMs: 60_000 });
    const budget = new AbortController();

    const login = ldap.login('alice', 'alice-secret', budget.signal);
    await expect.poll(() => server.seen('search')).toHaveLength(1);
    budget.abort();

    await expect(login).rejects.toMatchObject({ reason: 'directoryDown' });
    expect(ldap.states).toEqual([]);
  });

  it('looks up without binding, and verifies nothing where the node does', async () => {
    await using server = await ScriptedLdap.start();
    await using ldap = open([server], { verify: 'node' });

    expect(await ldap.directory.lookup(name('alice'), { service: 'imap' }, signal)).toMatchObject({
      name: 'alice',
    });
    expect(await ldap.login('alice', 'anything')).toMatchObject({ kind: 'right', unverified: true });

    expect(usersBound(server)).toEqual([]);
  });

  it('A35 asks for the stored password only to compare it', async () => {
    await using server = await ScriptedLdap.start((request) =>
      request.kind === 'search'
        ? Buffer.concat([
            searchEntry(request.id, 'uid=a', {
              uid: ['a'],
              userPassword: ['{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ='],
            }),
            searchDone(request.id, 0),
          ])
        : answerAll(request),
    );
    await using ldap = open([server], { verify: 'hash' });

    expect(await ldap.login('a', 'secret')).toMatchObject({ kind: 'right' });
    expect(await ldap.login('a', 'x')).toMatchObject({ reason: 'wrongPassword' });
    await ldap.directory.lookup(name('a'), { service: 'imap' }, signal);

    expect(server.seen('search').map(({ attributes }) => attributes.includes('userpassword'))).toEqual([
      true,
      true,
      false,
    ]);
    expect(usersBound(server)).toEqual([]);
  });

  it('keeps no connection that came too late for its login', async () => {
    await using server = await ScriptedLdap.start();
    await using ldap = open([server]);
    await ldap.directory.whyNotReady(signal);

    const budget = new AbortController();
    const login = ldap.login('alice', 'alice-secret', budget.signal);
    await expect.poll(() => server.sockets.size, { interval: 1 }).toBe(2);
    budget.abort();
    await login.catch(() => undefined);

    await ldap.directory[Symbol.asyncDispose]();
    await expect.poll(() => server.sockets.size).toBe(0);
  });

  it.each(['search', 'bind'])('closes its connections in the end, and a %s under way fails', async (kind) => {
    await using server = await ScriptedLdap.start((request) =>
      request.kind === kind && !(request.kind === 'bind' && request.dn.startsWith('cn='))
        ? undefined
        : answerAll(request),
    );
    const ldap = open([server], { operationMs: 60_000 });
    const login = ldap.login('alice');
    await expect.poll(() => (kind === 'bind' ? usersBound(server) : server.seen('search'))).toHaveLength(1);

    await ldap.directory[Symbol.asyncDispose]();

    await expect(login).rejects.toMatchObject({ reason: 'directoryDown' });
    await expect.poll(() => server.sockets.size).toBe(0);
  });
});
