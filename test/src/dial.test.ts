import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { LoginFailure } from '../../auth/failure.ts';
import { Channel } from '../../protocols/channel.ts';
import type { Transport } from '../../protocols/transport.ts';
import { dial } from '../../src/dial.ts';
import { Addresses } from '../../src/routing/addresses.ts';
import { Ways } from '../../src/routing/ways.ts';
import type { NodeTls } from '../../src/settings.ts';
import { listenOn } from '../support/sockets.ts';
import { TestCa } from '../support/test-ca.ts';

const ca = new TestCa('Dial test CA');
const { certificate: cert, key } = ca.issue({ commonName: 'node-a.example.org' });

const CLEAR: NodeTls = { mode: 'none' };
const NEVER = new AbortController().signal;

function tls(mode: 'implicit' | 'starttls', authority: TestCa = ca): NodeTls {
  return { mode, ca: Buffer.from(authority.certificate), serverName: undefined, pin: undefined };
}

/** A node that accepts, shows its connections, and is gone with the scope. */
interface Node extends AsyncDisposable {
  readonly port: number;
  /** The first connection, as soon as it is there. */
  readonly accepted: Promise<Socket>;
}

async function node(greeting: string, secure = false): Promise<Node> {
  const server = secure ? createTlsServer({ cert, key }) : createServer();
  const sockets: Socket[] = [];
  const { promise: accepted, resolve } = Promise.withResolvers<Socket>();
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => undefined);
    sockets.push(socket);
    resolve(socket);
  });
  server.on(secure ? 'secureConnection' : 'connection', (socket: Socket) => {
    socket.on('error', () => undefined);
    socket.write(greeting);
  });
  const port = await listenOn(server);
  const close = async (): Promise<void> => {
    for (const socket of sockets) {
      socket.destroy();
    }
    server.close();
    await once(server, 'close');
  };
  return { port, accepted, [Symbol.asyncDispose]: close };
}

/** A port where nothing listens. */
async function freePort(): Promise<number> {
  await using server = await node('');
  return server.port;
}

async function greetingOf(transport: Transport): Promise<string> {
  const channel = new Channel(transport);
  const line = await channel.readLine(100);
  channel.close();
  return line.toString();
}

/** Waits until our side has closed the connection, in whatever way. */
async function left(socket: Socket): Promise<void> {
  await new Promise((resolve) => socket.resume().once('end', resolve).once('close', resolve));
}

async function failureOf(dialling: Promise<Transport>): Promise<LoginFailure> {
  const error: unknown = await dialling.then(
    (transport) => transport.destroy(),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LoginFailure);
  return error as LoginFailure;
}

describe('dial', () => {
  it.each<{ mode: NodeTls['mode']; secure: boolean; settings: NodeTls; version: string | undefined }>([
    { mode: 'none', secure: false, settings: CLEAR, version: undefined },
    { mode: 'starttls', secure: false, settings: tls('starttls'), version: undefined },
    { mode: 'implicit', secure: true, settings: tls('implicit'), version: 'TLSv1.3' },
  ])('connects to a node where TLS is $mode', async ({ secure, settings, version }) => {
    await using home = await node('* OK ready\r\n', secure);

    const transport = await dial({ host: '127.0.0.1', port: home.port, tls: settings }, NEVER);

    expect(transport.tls?.version).toBe(version);
    expect(transport.remote).toEqual({ ip: '127.0.0.1', port: home.port });
    expect(await greetingOf(transport)).toBe('* OK ready');
  });

  it('secures a connection later where the node asks for STARTTLS', async () => {
    await using home = await node('* OK ready\r\n', true);
    const transport = await dial({ host: '127.0.0.1', port: home.port, tls: tls('starttls') }, NEVER);

    const secured = await transport.upgradeTls(NEVER);

    expect(secured.tls?.version).toBe('TLSv1.3');
    expect(await greetingOf(secured)).toBe('* OK ready');
  });

  it('secures no connection to a node without TLS', async () => {
    await using home = await node('* OK ready\r\n');
    const transport = await dial({ host: '127.0.0.1', port: home.port, tls: CLEAR }, NEVER);

    await expect(transport.upgradeTls(NEVER)).rejects.toThrow('TLS is not configured here');
    transport.destroy();
  });

  it('X13 reaches a node that listens on one of the addresses of localhost only', async () => {
    await using home = await node('* OK ready\r\n');

    const transport = await dial({ host: 'localhost', port: home.port, tls: CLEAR }, NEVER);

    expect(transport.remote.ip).toBe('127.0.0.1');
    expect(await greetingOf(transport)).toBe('* OK ready');
  });

  it('X13 tries each address of a name', async () => {
    await using home = await node('* OK ready\r\n');
    const ways = nameHas('127.0.0.2', '127.0.0.1');

    const transport = await dial({ host: 'node-a.example.org', port: home.port, tls: CLEAR }, NEVER, ways);

    expect(transport.remote.ip).toBe('127.0.0.1');
    expect(await greetingOf(transport)).toBe('* OK ready');
  });

  it('says of each address of a name why it could not be reached', async () => {
    const port = await freePort();
    const ways = nameHas('127.0.0.2', '127.0.0.3');

    const failure = await failureOf(dial({ host: 'node-a.example.org', port, tls: CLEAR }, NEVER, ways));

    expect(failure.reason).toBe('nodeUnreachable');
    expect(failure.message).toBe(
      `connect to node-a.example.org:${port}: connect ECONNREFUSED 127.0.0.2:${port}; connect ECONNREFUSED 127.0.0.3:${port}`,
    );
  });

  it('leaves from the source that has a port, where another one has none', async () => {
    await using home = await node('* OK ready\r\n');
    // The first is no address of this machine (RFC 5737).
    const ways = new Ways(['192.0.2.1', '127.0.0.9']);

    for (let count = 0; count < 2; count += 1) {
      const transport = await dial({ host: '127.0.0.1', port: home.port, tls: CLEAR }, NEVER, ways);
      expect(transport.local.ip).toBe('127.0.0.9');
      transport.destroy();
    }
  });

  it('says of a name that is not found that the node is unreachable', async () => {
    const lookup = async () => Promise.reject(new Error('getaddrinfo ENOTFOUND node-a.example.org'));
    const ways = new Ways([], new Addresses({ lookup }));

    const failure = await failureOf(dial({ host: 'node-a.example.org', port: 143, tls: CLEAR }, NEVER, ways));

    expect(failure).toMatchObject({
      reason: 'nodeUnreachable',
      message: 'connect to node-a.example.org:143: getaddrinfo ENOTFOUND node-a.example.org',
    });
  });

  it('says which port refused it', async () => {
    const port = await freePort();

    const failure = await failureOf(dial({ host: '127.0.0.1', port, tls: CLEAR }, NEVER));

    expect(failure.reason).toBe('nodeUnreachable');
    expect(failure.message).toBe(`connect to 127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`);
    expect(failure.cause).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('gives up while it connects, and leaves nothing open', async () => {
    await using home = await node('');
    const timeIsUp = new AbortController();
    const dialling = failureOf(dial({ host: '127.0.0.1', port: home.port, tls: CLEAR }, timeIsUp.signal));
    // The attempt begins in this tick, and its result can only come in a later turn of the loop.
    await new Promise<void>((resolve) => process.nextTick(resolve));

    timeIsUp.abort(new Error('not done within 2000 ms'));

    expect(await dialling).toMatchObject({
      reason: 'nodeUnreachable',
      message: `connect to 127.0.0.1:${home.port}: not done within 2000 ms`,
    });
    await left(await home.accepted);
  });

  it('does not begin when it was given up before', async () => {
    const port = await freePort();
    const gone = AbortSignal.abort(new Error('the client is gone'));

    const failure = await failureOf(dial({ host: '127.0.0.1', port, tls: CLEAR }, gone));

    expect(failure).toMatchObject({
      reason: 'nodeUnreachable',
      message: `connect to 127.0.0.1:${port}: the client is gone`,
    });
  });

  it('gives up in the handshake of a node that says nothing, and closes the connection', async () => {
    await using silent = await node('');
    const timeIsUp = new AbortController();
    const target = { host: '127.0.0.1', port: silent.port, tls: tls('implicit') };
    const dialling = failureOf(dial(target, timeIsUp.signal));
    const socket = await silent.accepted;
    await once(socket, 'data');

    timeIsUp.abort(new Error('not done within 2000 ms'));

    expect(await dialling).toMatchObject({
      reason: 'nodeUnreachable',
      message: `TLS to 127.0.0.1:${silent.port}: not done within 2000 ms`,
    });
    await left(socket);
  });

  it.each([
    ['in clear text', false, CLEAR],
    ['in TLS', true, tls('implicit')],
  ] as const)(
    'has nothing more to do with the signal once it is connected %s',
    async (_, secure, settings) => {
      await using home = await node('* OK ready\r\n', secure);
      const timeIsUp = new AbortController();
      const target = { host: '127.0.0.1', port: home.port, tls: settings };
      const transport = await dial(target, timeIsUp.signal);

      timeIsUp.abort(new Error('not done within 2000 ms'));

      expect(await greetingOf(transport)).toBe('* OK ready');
    },
  );

  it('says why a node was not believed, and closes the connection', async () => {
    await using home = await node('', true);
    const stranger = new TestCa('Another CA');
    const target = { host: '127.0.0.1', port: home.port, tls: tls('implicit', stranger) };

    const failure = await failureOf(dial(target, NEVER));

    expect(failure.reason).toBe('nodeTlsFailed');
    expect(failure.message).toMatch(
      new RegExp(`^TLS to 127\\.0\\.0\\.1:${home.port}: its certificate is by no authority in caFile`),
    );
    await left(await home.accepted);
  });

  it('believes the host that it was told, not the address that it found', async () => {
    await using home = await node('', true);
    const ways = nameHas('127.0.0.1');
    const target = { host: 'node-b.example.org', port: home.port, tls: tls('implicit') };

    const failure = await failureOf(dial(target, NEVER, ways));

    expect(failure.reason).toBe('nodeTlsFailed');
    expect(failure.message).toContain('its certificate is for another name');
  });

  it('says that a node speaks no TLS', async () => {
    await using home = await node('* OK ready\r\n');
    const target = { host: '127.0.0.1', port: home.port, tls: tls('implicit') };

    const failure = await failureOf(dial(target, NEVER));

    expect(failure).toMatchObject({
      reason: 'nodeTlsFailed',
      message: `TLS to 127.0.0.1:${home.port}: the peer does not speak TLS on this port`,
    });
  });
});

/** Lets every name have these addresses: the test must not depend on what a resolver says. */
function nameHas(...addresses: readonly string[]): Ways {
  const found = addresses.map((address) => ({ address, family: 4 }));
  return new Ways([], new Addresses({ lookup: async () => found }));
}
