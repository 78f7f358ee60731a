import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ImapFlow } from 'imapflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster, exec } from '../support/cluster.ts';
import { AUDIENCE, ISSUER, makeKey, sign } from '../support/identity-provider.ts';
import { firstSubject, openSession, type ProtocolName } from '../support/mail-session.ts';
import { clusterConfig, RunningProxy } from '../support/running-proxy.ts';
import { listenOn } from '../support/sockets.ts';
import type { Wire } from '../support/wire.ts';

const HOMES = [
  [accounts.alice, 'node-a'],
  [accounts.bob, 'node-b'],
  [accounts.carol, 'node-c'],
] as const;
/** In no token that is right. */
const CANARY = 'canary5d1f7a';

const folder = mkdtempSync(join(tmpdir(), 'homing-oauth-'));
const keysFile = join(folder, 'keys.json');
const secretFile = join(folder, 'secret');
const key = await makeKey('RS256', 'one');
const next = await makeKey('EdDSA', 'two');
writeFileSync(secretFile, 'client-secret\n', { mode: 0o600 });
writeFileSync(keysFile, JSON.stringify({ keys: [key.jwk] }));

/** Judges opaque tokens, as `for-alice`. */
const provider = createServer(async (request, response) => {
  const form = new URLSearchParams(Buffer.concat(await Array.fromAsync(request)).toString());
  const [, username] = /^for-(\w+)$/.exec(form.get('token') ?? '') ?? [];
  const basic = Buffer.from('homing:client-secret').toString('base64');
  response.statusCode = request.headers.authorization === `Basic ${basic}` ? 200 : 401;
  response.end(JSON.stringify({ active: username !== undefined, username }));
});

let providerPort = 0;

/** A proxy that takes tokens of both kinds; `changes` replaces settings of the top level. */
async function start(changes: Record<string, unknown> = {}): Promise<RunningProxy> {
  const config = clusterConfig(cluster(), changes);
  const mechanisms = ['OAUTHBEARER', 'XOAUTH2', 'PLAIN'];
  return await RunningProxy.start({
    ...config,
    listeners: config.listeners.map((listener) => ({ ...Object(listener), mechanisms })),
    oauth: {
      providers: [
        { kind: 'jwt', issuer: ISSUER, keysFile, audience: [AUDIENCE], scopes: ['mail'] },
        {
          kind: 'introspection',
          url: `http://127.0.0.1:${providerPort}/`,
          clientId: 'homing',
          clientSecretFile: secretFile,
        },
      ],
    },
  });
}

let proxy: RunningProxy;
beforeAll(async () => {
  providerPort = await listenOn(provider);
  proxy = await start();
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  provider.close();
  rmSync(folder, { recursive: true });
});

function tokenFor(email: string, claims: Record<string, unknown> = {}): Promise<string> {
  return sign(key, { email, scope: 'openid mail', ...claims });
}

const MECHANISMS = ['OAUTHBEARER', 'XOAUTH2'] as const;
type Mechanism = (typeof MECHANISMS)[number];

function message(mechanism: Mechanism, user: string, token: string): string {
  const opening = mechanism === 'XOAUTH2' ? `user=${user}` : `n,a=${user},`;
  return Buffer.from(`${opening}\x01auth=Bearer ${token}\x01\x01`).toString('base64');
}

/** Sends an initial response. @returns the first line of the answer, and the connection. */
async function begin(protocol: ProtocolName, mechanism: Mechanism, initial: string, by = proxy) {
  const { ca } = cluster();
  const wire = await openSession(protocol, { port: by.port(protocol, 'implicit'), tls: 'implicit', ca });
  wire.send(`${protocol === 'imap' ? 'a AUTHENTICATE' : 'AUTH'} ${mechanism} ${initial}`);
  return { wire, line: await wire.line() };
}

/** The answer to a refused token: the error is taken by an empty line, as Roundcube does. */
async function refusalOf(protocol: ProtocolName, mechanism: Mechanism, initial: string, by = proxy) {
  const { wire, line } = await begin(protocol, mechanism, initial, by);
  await using closing: Wire = wire;
  closing.send('');
  return { error: Buffer.from(line.slice(2), 'base64').toString(), answer: await closing.line() };
}

describe.each(HOMES)('the home of $name', ({ mail, name }, home) => {
  const subject = `on ${home}`;

  it.each([
    ['imaps', 'imap', 'OAUTHBEARER', '--sasl-ir'],
    ['imaps', 'imap', 'OAUTHBEARER', ''],
    ['imaps', 'imap', 'XOAUTH2', '--sasl-ir'],
    ['imaps', 'imap', 'XOAUTH2', ''],
    ['pop3s', 'pop3', 'OAUTHBEARER', '--sasl-ir'],
    ['pop3s', 'pop3', 'XOAUTH2', ''],
  ] as const)('is read by curl %s with a token (%s, %s %s)', async (scheme, protocol, mechanism, options) => {
    const path = protocol === 'imap' ? '/INBOX;MAILINDEX=1' : '/1';
    const url = `${scheme}://localhost:${proxy.port(protocol, 'implicit')}${path}`;
    const { output, exitCode } = await exec('clients', [
      'sh',
      '-c',
      `curl -sS --cacert /homing/ca.pem ${options} --login-options AUTH=${mechanism} -u '${mail}:' --oauth2-bearer '${await tokenFor(mail)}' '${url}' 2>&1`,
    ]);

    expect(output).toContain(`Subject: ${subject}`);
    expect(exitCode).toBe(0);
  });

  it('is read by imapflow with a token', async () => {
    const client = new ImapFlow({
      host: 'localhost',
      port: proxy.port('imap', 'implicit'),
      secure: true,
      tls: { ca: cluster().ca },
      auth: { user: mail, accessToken: await tokenFor(mail) },
      logger: false,
    });
    await client.connect();
    await client.mailboxOpen('INBOX', { readOnly: true });

    expect(await client.fetchOne('1', { envelope: true })).toMatchObject({ envelope: { subject } });
    await client.logout();
  });

  it.each(['imap', 'pop3'] as const)(
    'is read with a token that the provider is asked about (%s)',
    async (protocol) => {
      const { wire, line } = await begin(protocol, 'XOAUTH2', message('XOAUTH2', mail, `for-${name}`));
      await using session = wire;

      expect(line).toMatch(/^(?:a OK|\+OK) /);
      expect(await firstSubject(protocol, session)).toBe(subject);
    },
  );
});

describe('a login by token', () => {
  it('is one line in the log, with its mechanism and without the token', async () => {
    const token = await tokenFor(accounts.ivan.mail);
    const { wire, line } = await begin('imap', 'OAUTHBEARER', message('OAUTHBEARER', 'ivan', token));
    await using _session = wire;

    expect(line).toMatch(/^a OK /);
    expect(await proxy.event('login', { user: 'ivan' })).toMatchObject({
      result: 'ok',
      mechanism: 'OAUTHBEARER',
      tls: 'TLSv1.3',
      directoryMs: expect.any(Number),
    });
    expect(proxy.output).not.toContain(token.slice(0, 40));
  });

  it('may have 48 KiB of claims', async () => {
    const token = await tokenFor(accounts.alice.mail, { groups: 'g'.repeat(34_000) });
    const initial = message('XOAUTH2', accounts.alice.mail, token);
    const { wire, line } = await begin('imap', 'XOAUTH2', initial);
    await using _session = wire;

    expect(initial.length).toBeGreaterThan(60_000);
    expect(line).toMatch(/^a OK /);
  });

  it('goes on where the provider has a new key', async () => {
    writeFileSync(keysFile, JSON.stringify({ keys: [key.jwk, next.jwk] }));
    const token = await sign(next, { email: accounts.bob.mail, scope: 'mail' });
    // The file is looked at again a second later.
    await expect
      .poll(
        async () => {
          const { wire, line } = await begin('pop3', 'XOAUTH2', message('XOAUTH2', accounts.bob.mail, token));
          await wire[Symbol.asyncDispose]();
          return line;
        },
        { timeout: 10_000, interval: 500 },
      )
      .toMatch(/^\+OK /);
  });

  it('may name the account by its alias', async () => {
    const initial = message('XOAUTH2', 'alice.alias@example.org', await tokenFor(accounts.alice.mail));
    const { wire, line } = await begin('imap', 'XOAUTH2', initial);
    await using _session = wire;

    expect(line).toMatch(/^a OK /);
  });

  it.each(MECHANISMS)('lets nobody act for another user (%s)', async (mechanism) => {
    const initial = message(mechanism, accounts.bob.mail, await tokenFor(accounts.alice.mail));
    const { wire, line } = await begin('imap', mechanism, initial);
    await using _session = wire;

    expect(line).toBe('a NO [AUTHORIZATIONFAILED] Not authorized to act as this user.');
  });

  it('of a disabled account is answered as a right password is', async () => {
    const initial = message('XOAUTH2', accounts.dave.mail, await tokenFor(accounts.dave.mail));
    const { wire, line } = await begin('imap', 'XOAUTH2', initial);
    await using _session = wire;

    expect(line).toMatch(/^a NO \[CONTACTADMIN\] /);
  });

  it('of nobody is refused', async () => {
    const initial = message('XOAUTH2', '', await tokenFor('nobody@example.org'));
    const { wire, line } = await begin('imap', 'XOAUTH2', initial);
    await using _session = wire;

    expect(line).toMatch(/^a NO \[AUTHENTICATIONFAILED\] /);
  });
});

describe('a token that is refused', () => {
  it.each([
    ['has expired', { exp: 1_000_000_000 }, 'invalid_token', 'tokenExpired', /^it expired \d+ s ago$/],
    [
      'is for another service',
      { aud: 'other' },
      'invalid_token',
      'tokenUnfit',
      /^it is for another audience: "other"$/,
    ],
    ['lacks a scope', { scope: 'openid' }, 'insufficient_scope', 'tokenUnfit', /^it lacks the scope mail$/],
  ] as const)('as it %s is told of, and logged with its reason', async (...row) => {
    const [what, claims, status, result, detail] = row;
    const user = `${CANARY}-${what.replaceAll(' ', '-')}@example.org`;
    const token = await tokenFor(user, claims);
    for (const protocol of ['imap', 'pop3'] as const) {
      const { error, answer } = await refusalOf(protocol, 'OAUTHBEARER', message('OAUTHBEARER', user, token));

      expect(JSON.parse(error)).toEqual({ status, scope: 'mail' });
      expect(answer).toMatch(/^(?:a NO \[AUTHENTICATIONFAILED\]|-ERR \[AUTH\]) /);
    }
    const details = (await proxy.events('login', { result })).map((line) => String(line.detail));
    expect(details.some((text) => detail.test(text))).toBe(true);
    expect(proxy.output).not.toContain(CANARY);
    expect(proxy.output).not.toContain(token.slice(-40));
  });

  it('as the provider does not know it is told of', async () => {
    const { error, answer } = await refusalOf('imap', 'XOAUTH2', message('XOAUTH2', 'a@b.org', 'unknown'));

    expect(JSON.parse(error)).toMatchObject({ status: '400' });
    expect(answer).toMatch(/^a NO \[AUTHENTICATIONFAILED\] /);
  });

  it('is no guess where it has expired, as on a forgotten phone; others are, at nobody’s password (A19)', async () => {
    await using strict = await start({ throttle: { perAddress: 3, perUser: 1 } });
    const expired = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((jti) => tokenFor(accounts.alice.mail, { exp: 1_000_000_000, jti: `${jti}` })),
    );
    const answers: string[] = [];
    for (const token of [...expired, 'x1', 'x1', 'x2', 'x3']) {
      const initial = message('XOAUTH2', accounts.alice.mail, token);
      answers.push((await refusalOf('imap', 'XOAUTH2', initial, strict)).answer.slice(0, 12));
    }
    // Not even looked at: there is no word of the mechanism before the answer.
    const good = await tokenFor(accounts.alice.mail);
    const beyond = await begin('imap', 'XOAUTH2', message('XOAUTH2', accounts.alice.mail, good), strict);
    await using _closing = beyond.wire;

    expect(answers).toEqual(Array(10).fill('a NO [AUTHEN'));
    expect(beyond.line).toMatch(/^a NO \[UNAVAILABLE\] /);
  });
});

describe('a client that leaves while its provider is asked', () => {
  it('is logged as gone, and not as a provider that is down', async () => {
    const asked = Promise.withResolvers<void>();
    const silent = createServer(() => asked.resolve());
    const port = await listenOn(silent);
    const url = `http://127.0.0.1:${port}/`;
    const slow = { kind: 'introspection', url, clientId: 'homing', clientSecretFile: secretFile };
    const config = clusterConfig(cluster());
    await using waiting = await RunningProxy.start({
      ...config,
      listeners: config.listeners.map((listener) => ({ ...Object(listener), mechanisms: ['XOAUTH2'] })),
      oauth: { providers: [slow] },
    });
    const { ca } = cluster();
    const wire = await openSession('imap', { port: waiting.port('imap', 'implicit'), tls: 'implicit', ca });
    wire.send(`a AUTHENTICATE XOAUTH2 ${message('XOAUTH2', 'alice', 'opaque')}`);
    await asked.promise;
    await wire[Symbol.asyncDispose]();

    expect(await waiting.event('login')).toMatchObject({ result: 'abandoned' });
    silent.closeAllConnections();
    silent.close();
  });
});
