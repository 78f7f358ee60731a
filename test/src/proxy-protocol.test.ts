import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { entryFor } from '../../src/log-table.ts';
import { Networks } from '../../src/networks.ts';
import { type BlockTerms, proxyBlock, tlsVector, type Vector } from '../support/proxy-block.ts';
import {
  type ListenerTerms,
  listenerTls,
  type RunningListener,
  runListener,
} from '../support/running-listener.ts';
import { listenOn, readAll } from '../support/sockets.ts';
import { TestCa } from '../support/test-ca.ts';
import { Wire } from '../support/wire.ts';

const ca = new TestCa('PROXY test CA');
const own = ca.issue({ commonName: 'localhost' });
const LINE = 'PROXY TCP4 192.0.2.7 192.0.2.1 4000 143\r\n';
const HERE = new Networks(['127.0.0.1']);

/** A listener whose clients a balancer on this machine introduces. */
async function behind(listener: ListenerTerms['listener'] = {}, times: ListenerTerms['times'] = {}) {
  return await runListener({ listener: { introducedBy: HERE, ...listener }, times });
}

async function opened({ port }: RunningListener): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** The first line that the proxy says to a connection with this header. */
async function introduced(running: RunningListener, terms: BlockTerms): Promise<Wire> {
  const wire = await Wire.open({ port: running.port });
  wire.sendRaw(proxyBlock(terms));
  await wire.line();
  return wire;
}

async function capabilities(wire: Wire): Promise<string> {
  wire.send('a CAPABILITY');
  return (await wire.line()).replace('* CAPABILITY ', '');
}

/** Says a wrong login, so that there is an event with what is known of the client. */
async function loginEvent(running: RunningListener, wire: Wire) {
  wire.send('z LOGIN u p');
  return await running.event('login');
}

/** What the log would say at info or above. */
function logged({ events }: RunningListener): string[] {
  return events
    .filter((event) => event.event !== 'listening' && entryFor(event).level !== 'debug')
    .map(({ event }) => event);
}

describe('PROXY protocol on a listener', () => {
  it('B1 A13 makes the client that of the header, and keeps the balancer and its id apart', async () => {
    await using running = await behind();
    await using wire = await introduced(running, { vectors: [[0x05, 'balancer-id-1']] });

    const login = await loginEvent(running, wire);

    expect(login.session).not.toContain('balancer-id-1');
    expect(login).toMatchObject({
      client: '192.0.2.7',
      clientPort: 4000,
      balancer: '127.0.0.1',
      balancerId: 'balancer-id-1',
    });
  });

  it('B2 says nothing before the header is there, which may come octet by octet', async () => {
    await using running = await behind();
    const socket = await opened(running);
    let early = 0;
    socket.on('data', () => {
      early += 1;
    });
    for (const character of LINE.slice(0, -1)) {
      socket.write(character);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const before = early;
    socket.write('\n');
    const [greeting] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();

    expect(before).toBe(0);
    expect(greeting.toString()).toMatch(/^\* OK /);
  });

  it('serves a command that came in one segment with the header', async () => {
    await using running = await behind();
    await using wire = await Wire.open({ port: running.port });
    wire.sendRaw(Buffer.from(`${LINE}a NOOP\r\n`));

    expect(await wire.line()).toMatch(/^\* OK /);
    expect(await wire.line()).toMatch(/^a OK/);
  });

  it('serves a client that has sent all it had to say, header and FIN together', async () => {
    await using running = await behind();
    const socket = await opened(running);
    const all = readAll(socket);
    socket.end(`${LINE}a NOOP\r\n`);

    expect((await all).toString()).toMatch(/^\* OK .*\r\na OK/);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'B9 takes the header in front of the ClientHello of %s, in one segment or in two',
    async (version) => {
      await using running = await behind({ tls: listenerTls(own) });
      for (const apart of [false, true]) {
        const socket = await opened(running);
        if (!apart) socket.cork();
        socket.write(proxyBlock());
        if (apart) await turns(10);
        const versions = { minVersion: version, maxVersion: version };
        const client = connectTls({ socket, ca: ca.certificate, servername: 'localhost', ...versions });
        await new Promise((resolve) => setImmediate(resolve));
        socket.uncork();
        const [greeting] = (await once(client, 'data')) as [Buffer];
        client.destroy();

        expect(greeting.toString()).toMatch(/^\* OK /);
      }
      await running.event('connectionEnd');
      expect(running.events.find(({ event }) => event === 'connectionEnd')).toMatchObject({
        client: '192.0.2.7',
        balancer: '127.0.0.1',
      });
    },
  );

  it('feeds a ClientHello that it read together with the header to TLS', async () => {
    await using running = await behind({ tls: listenerTls(own) });
    const hello = await clientHello();
    const socket = await opened(running);
    socket.write(Buffer.concat([Buffer.from(LINE), hello]));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();

    // A handshake record with a ServerHello.
    expect([answer[0], answer[5]]).toEqual([0x16, 0x02]);
  });

  it.each<{ what: string; sent: string | Buffer }>([
    { what: 'IMAP instead of a header', sent: 'a CAPABILITY\r\n' },
    { what: 'a wrong header', sent: 'PROXY TCP4 192.0.2.7 192.0.2.1 4000 65536\r\n' },
    { what: 'a wrong checksum', sent: proxyBlock({ checksumXor: 1 }) },
    { what: 'a header for another protocol', sent: proxyBlock({ vectors: [[0x01, 'http/1.1']] }) },
  ])('A7 closes at $what, and says nothing', async ({ sent }) => {
    await using running = await behind();
    const socket = await opened(running);
    const all = readAll(socket);
    socket.write(sent);

    const said = await all.catch(() => Buffer.alloc(0));

    expect(said.toString()).toBe('');
    expect(await running.event('connectionEnd')).toMatchObject({ how: 'badProxyHeader' });
  });

  it('takes a header that names our protocol by ALPN', async () => {
    await using running = await behind();
    await using wire = await introduced(running, { vectors: [[0x01, 'imap']] });

    expect(await capabilities(wire)).toContain('AUTH=PLAIN');
  });

  it('B2 A21 F44 closes when the header is not there in its time', async () => {
    await using running = await behind({}, { proxyHeaderMs: 50 });
    const socket = await opened(running);
    const all = readAll(socket);
    socket.write('PROXY TCP4 ');

    expect((await all.catch(() => Buffer.alloc(0))).toString()).toBe('');
    expect(await running.event('connectionEnd')).toMatchObject({
      how: 'badProxyHeader',
      detail: expect.stringContaining('not done within 50 ms'),
    });
  });

  it('B1 closes at once for whom it does not trust, and tells of it', async () => {
    await using running = await behind({ introducedBy: new Networks(['192.0.2.0/24', '2001:db8::/32']) });
    const ends = Array.from({ length: 5 }, async () => {
      const socket = await opened(running);
      socket.write(LINE);
      return (await readAll(socket).catch(() => Buffer.alloc(0))).toString();
    });

    expect(await Promise.all(ends)).toEqual(['', '', '', '', '']);
    expect(running.events.filter(({ event }) => event !== 'listening')).toEqual(
      Array(5).fill(
        expect.objectContaining({
          event: 'connectionRefused',
          why: 'untrustedBalancer',
          client: '127.0.0.1',
        }),
      ),
    );
  });

  it('says nothing to a full listener before the header either', async () => {
    await using running = await runListener({ listener: { introducedBy: HERE }, connections: 0 });
    const socket = await opened(running);

    expect((await readAll(socket)).toString()).toBe('');
  });

  it.each<{ what: string; rounds: number; end: (socket: Socket) => void }>([
    { what: 'connect and close', rounds: 20, end: (socket) => socket.end() },
    { what: 'connect and reset', rounds: 2, end: (socket) => socket.resetAndDestroy() },
    { what: 'say LOCAL and close', rounds: 2, end: (socket) => socket.end(proxyBlock({ command: 0x20 })) },
    {
      what: 'say LOCAL, read the greeting and reset',
      rounds: 2,
      end: (socket) => {
        socket.write(proxyBlock({ command: 0x20 }));
        socket.once('data', () => socket.resetAndDestroy());
      },
    },
  ])(
    'B10 takes a hundred health checks and more that $what as what they are',
    { timeout: 30_000 },
    async ({ rounds, end }) => {
      await using running = await behind();
      for (let at = 0; at < rounds; at += 1) {
        await Promise.all(Array.from({ length: 50 }, async () => await checked(running, end)));
      }
      await using client = await introduced(running, {});
      client.send('a LOGOUT');
      await client.closed();

      expect(logged(running)).toEqual([]);
      expect(causes(running)).toEqual(new Set(['healthCheck', 'logout']));
    },
  );

  it.each<{ what: string; end: (socket: Socket) => void }>([
    { what: 'connect and close', end: (socket) => socket.end() },
    { what: 'say LOCAL and close', end: (socket) => socket.end(proxyBlock({ command: 0x20 })) },
  ])('B9 B10 takes health checks in front of TLS that $what as what they are', async ({ end }) => {
    await using running = await behind({ tls: listenerTls(own) });
    await checked(running, end);
    await running.event('connectionEnd');

    expect(logged(running)).toEqual([]);
    expect(causes(running)).toEqual(new Set(['healthCheck']));
  });
});

/** Waits while our other end, which is in this process, reads what came. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function checked(running: RunningListener, end: (socket: Socket) => void): Promise<void> {
  const socket = await opened(running);
  const closed = once(socket, 'close');
  end(socket);
  socket.resume();
  await closed;
}

function causes({ events }: RunningListener): Set<string> {
  return new Set(events.flatMap((event) => (event.event === 'connectionEnd' ? [event.how] : [])));
}

describe('B8 PROXY protocol with TLS that ended at the balancer', () => {
  const secured = (more: readonly Vector[] = [], client = 1, verify = 0): Vector =>
    tlsVector(client, verify, [[0x21, 'TLSv1.3'], [0x23, 'TLS_AES_256_GCM_SHA384'], ...more]);

  it('counts as secured: logins are taken, STARTTLS is not offered', async () => {
    await using running = await behind({
      tls: listenerTls(own, { mode: 'starttls' }),
      allowPlaintext: false,
    });
    await using clear = await introduced(running, {});
    await using wire = await introduced(running, { vectors: [secured(), [0x02, 'mail.example.org']] });

    expect(await capabilities(clear)).toContain('STARTTLS LOGINDISABLED');
    expect(await capabilities(wire)).toMatch(/ AUTH=PLAIN$/);
    expect(await loginEvent(running, wire)).toMatchObject({
      tls: 'TLSv1.3',
      serverName: 'mail.example.org',
    });
  });

  it('counts as secured in POP3 too', async () => {
    const tls = listenerTls(own, { mode: 'starttls' });
    await using running = await behind({ protocol: 'pop3', tls, allowPlaintext: false });
    await using wire = await introduced(running, { vectors: [secured()] });
    wire.send('CAPA');
    const lines = await wire.linesUntil(/^\.$/);

    expect(lines).toContain('SASL PLAIN');
    expect(lines).toContain('USER');
    expect(lines).not.toContain('STLS');
  });

  it('is not believed of a client that spoke clear text with the balancer', async () => {
    await using running = await behind({
      tls: listenerTls(own, { mode: 'starttls' }),
      allowPlaintext: false,
    });
    await using wire = await introduced(running, { vectors: [secured([], 0)] });

    expect(await capabilities(wire)).toContain('LOGINDISABLED');
  });
});

describe('a listener without the PROXY protocol', () => {
  it.each([
    ['version 1', [LINE]],
    ['version 1 in two parts', [LINE.slice(0, 3), LINE.slice(3)]],
    ['version 2', [proxyBlock()]],
  ])(
    'B1 takes a header of %s for what it is, no address, and says what it lacks',
    async (_version, parts) => {
      await using running = await runListener();
      const socket = await opened(running);
      const all = readAll(socket);
      for (const part of parts) {
        socket.write(part);
        await nextTurn();
      }
      await all;

      const end = await running.event('connectionEnd');
      expect(end).toMatchObject({
        how: 'strayProxyHeader',
        client: '127.0.0.1',
        detail: 'this is a PROXY header, and the listener has no proxyProtocol: { from: [127.0.0.1] }',
      });
      expect(entryFor(end).level).toBe('warn');
    },
  );

  it('B1 tells of a balancer as what may be wrong where no TLS comes', async () => {
    await using running = await runListener({ listener: { tls: listenerTls(own) } });
    const socket = await opened(running);
    socket.write(LINE);

    expect(await running.event('connectionEnd')).toMatchObject({
      how: 'tlsFailed',
      detail:
        'the peer does not speak TLS on this port; ' +
        'a balancer that sends a PROXY header needs proxyProtocol: { from: [127.0.0.1] } on the listener',
    });
  });

  it('B1 tells a second header from a first one', async () => {
    await using running = await behind();
    const socket = await opened(running);
    socket.write(LINE + LINE);

    expect(await running.event('connectionEnd')).toMatchObject({
      how: 'strayProxyHeader',
      detail: 'this is a second PROXY header, behind the one of 127.0.0.1',
    });
  });

  it('makes no line at info of who only looks whether TLS is there', async () => {
    await using running = await runListener({ listener: { tls: listenerTls(own) } });
    (await opened(running)).end();

    expect(await running.event('connectionEnd')).toMatchObject({ how: 'disconnected' });
    expect(logged(running)).toEqual([]);
  });
});

/** The first flight of a TLS client. */
async function clientHello(): Promise<Buffer> {
  const server = createServer();
  const port = await listenOn(server);
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connectTls({ port, host: '127.0.0.1', ca: ca.certificate, servername: 'localhost' });
  client.on('error', () => undefined);
  const [socket] = await accepted;
  const [hello] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}
