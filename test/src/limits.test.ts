import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { FrontendTerms } from '../../protocols/protocol.ts';
import { sessionsByDescriptors } from '../../src/resources.ts';
import { openFrontend, type SessionContext, type SessionTerms } from '../../src/session-terms.ts';
import { Waiting } from '../../src/waiting.ts';
import { MemoryTransport } from '../support/memory-transport.ts';
import { listenerTls, runListener } from '../support/running-listener.ts';
import { ScriptedServer } from '../support/scripted-server.ts';
import { readAll } from '../support/sockets.ts';
import { TestCa } from '../support/test-ca.ts';
import { Wire } from '../support/wire.ts';

const BYE = '* BYE [UNAVAILABLE] Temporary failure; try again later.\r\n';

async function home(): Promise<ScriptedServer> {
  return await ScriptedServer.start(async (socket, line) => {
    socket.write('* OK [CAPABILITY IMAP4rev1] ready\r\n');
    await line();
    socket.write('+ PDFAbm9kZT4=\r\n');
    await line();
    socket.write('L OK [CAPABILITY IMAP4rev1] in\r\n');
    await line();
    socket.end();
  });
}

async function greeted(port: number, from = '127.0.0.1'): Promise<Wire> {
  const wire = await Wire.open({ port, from });
  await wire.line();
  return wire;
}

describe('too many connections that say nothing (A21)', () => {
  it('end the oldest of their address with a word, and nobody else’s', async () => {
    await using running = await runListener({ limits: { unauthenticatedPerAddress: 2 } });
    await using other = await greeted(running.port, '127.0.0.2');
    await using oldest = await greeted(running.port);
    await using second = await greeted(running.port);
    await using third = await greeted(running.port);

    expect(await oldest.line()).toBe(BYE.trimEnd());
    expect(await oldest.lineOrEnd()).toBeUndefined();
    expect(await running.event('connectionEnd')).toMatchObject({ how: 'evicted', client: '127.0.0.1' });
    for (const wire of [other, second, third]) {
      wire.send('a NOOP');
      expect(await wire.line()).toMatch(/^a OK/);
    }
  });

  it('hold no place while a failed login waits for its answer (A19)', async () => {
    await using running = await runListener({ limits: { unauthenticated: 1 }, times: { failureMs: 60_000 } });
    await using guesser = await greeted(running.port, '127.0.0.2');
    guesser.send('a LOGIN u p');
    await running.event('login');

    await using honest = await greeted(running.port, '127.0.0.3');

    expect(await guesser.line()).toBe(BYE.trimEnd());
    expect(await guesser.lineOrEnd()).toBeUndefined();
    honest.send('a NOOP');
    expect(await honest.line()).toMatch(/^a OK/);
    expect(running.events.filter(({ event }) => event === 'login')).toHaveLength(1);
  });

  it('end the oldest of all when all places are taken', async () => {
    await using running = await runListener({ limits: { unauthenticated: 2 } });
    await using oldest = await greeted(running.port, '127.0.0.2');
    await using _second = await greeted(running.port, '127.0.0.3');
    await using _third = await greeted(running.port, '127.0.0.4');

    expect(await oldest.line()).toBe(BYE.trimEnd());
  });

  it('end the oldest that never begins its TLS', async () => {
    const ca = new TestCa('Limits test CA');
    const tls = listenerTls(ca.issue({ commonName: 'localhost' }));
    await using running = await runListener({ listener: { tls }, limits: { unauthenticatedPerAddress: 1 } });
    const silent = connect({ port: running.port, host: '127.0.0.1' });
    silent.on('error', () => undefined);
    await once(silent, 'connect');
    const closed = once(silent, 'close');
    await using next = await Wire.open({ port: running.port, ca: ca.certificate });

    expect(await next.line()).toMatch(/^\* OK/);
    await closed;
    expect(await running.event('connectionEnd')).toMatchObject({ how: 'evicted' });
  });

  it('never end a session that is logged in', async () => {
    await using node = await home();
    await using running = await runListener({
      homePort: node.port,
      limits: { unauthenticatedPerAddress: 1 },
    });
    await using session = await greeted(running.port);
    session.send('a LOGIN u p');
    await session.line();
    await using _next = await greeted(running.port);
    await using _last = await greeted(running.port);
    session.send('b LOGOUT');

    expect(await session.lineOrEnd()).toBeUndefined();
    expect(await running.event('sessionEnd')).toMatchObject({ endedBy: 'node' });
  });

  it.each([
    [8, 120_000],
    [9, 30_000],
  ])('leave the next, when %i of 10 places are taken, %i ms for his login', (taken, leastMs) => {
    const waiting = new Waiting({
      perAddress: undefined,
      perNetwork: undefined,
      max: 10,
      isShared: () => false,
    });
    for (let at = 0; at < taken; at += 1) waiting.enter({ evict: () => false }, '192.0.2.1');
    const given: number[] = [];
    const protocol = {
      name: 'imap',
      frontend: (_channel: unknown, terms: FrontendTerms) => void given.push(terms.unauthenticatedMs),
    };
    const client = new MemoryTransport();

    openFrontend(
      { client, ends: client, guard: undefined } as unknown as Parameters<typeof openFrontend>[0],
      { protocol, mechanisms: [], frontend: { unauthenticatedMs: 120_000 } } as unknown as SessionTerms,
      { times: { directoryMs: 1 }, waiting } as unknown as SessionContext,
    );

    expect(given).toEqual([leastMs]);
  });
});

describe('a full proxy', () => {
  it('F34 tells some that it is full, and closes the rest at once: it keeps descriptors for who is there', async () => {
    await using running = await runListener({ connections: 0 });
    const clients = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const client = connect({ port: running.port, host: '127.0.0.1', allowHalfOpen: true });
        client.on('error', () => undefined);
        await once(client, 'connect');
        return client;
      }),
    );

    const words = await Promise.all(clients.map(async (client) => (await readAll(client)).toString()));
    for (const client of clients) client.destroy();

    expect(words.filter((said) => said === BYE)).toHaveLength(16);
    expect(words.filter((said) => said === '')).toHaveLength(24);
  });

  it('F34 serves no more than its descriptors allow', () => {
    const limits = 'Limit                     Soft Limit           Hard Limit           Units\n';

    expect(
      sessionsByDescriptors(
        `${limits}Max open files            1024                 524288               files\n`,
      ),
    ).toBe(409);
    expect(sessionsByDescriptors('')).toBeUndefined();
    expect(sessionsByDescriptors()).toBeGreaterThan(0);
  });
});

describe('the limit of sessions of a user', () => {
  it('is told as a limit, before any node is dialled, and ends with a session', async () => {
    await using node = await home();
    await using running = await runListener({ homePort: node.port, limits: { sessionsPerUser: 1 } });
    await using first = await greeted(running.port);
    first.send('a LOGIN u p');
    expect(await first.line()).toMatch(/^a OK/);
    await using second = await greeted(running.port);
    second.send('a LOGIN u p');

    expect(await second.line()).toMatch(/^a NO \[LIMIT\]/);
    expect(node.connections).toHaveLength(1);
    expect(running.events.filter((event) => event.event === 'login')).toMatchObject([
      { result: 'ok' },
      { result: 'tooManySessions', user: 'u', detail: 'the user has 1 sessions already' },
    ]);
    first.send('b LOGOUT');
    await running.event('sessionEnd');
    second.send('b LOGIN u p');
    expect(await second.line()).toMatch(/^b OK/);
  });

  it('counts no login that its node refused', async () => {
    await using running = await runListener({ limits: { sessionsPerUser: 1 } });
    await using wire = await greeted(running.port);

    for (const tag of ['a', 'b', 'c']) {
      wire.send(`${tag} LOGIN u p`);
      expect(await wire.line()).toMatch(/ NO \[UNAVAILABLE\]/);
    }
  });
});
