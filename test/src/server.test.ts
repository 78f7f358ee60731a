import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Authenticator } from '../../auth/authenticator.ts';
import type { Account } from '../../auth/directory.ts';
import { Secret } from '../../auth/secret.ts';
import type { Event } from '../../src/events.ts';
import { type ProxyServer, startProxy } from '../../src/proxy.ts';
import type { ListenerSettings, ListenerTls, Settings } from '../../src/settings.ts';
import { ScriptedServer } from '../support/scripted-server.ts';
import { LISTENER, TIMES } from '../support/settings.ts';
import { readAll } from '../support/sockets.ts';
import { TestCa } from '../support/test-ca.ts';
import { Wire } from '../support/wire.ts';

const ca = new TestCa('Server test CA');
const own = ca.issue({ commonName: 'localhost' });

const ACCOUNT: Account = { name: 'u', entry: 'uid=u', homes: ['home'], forwarded: new Map(), bar: undefined };
const ANYONE: Authenticator = {
  authenticate: async () => ({ kind: 'admitted', account: ACCOUNT, unverified: false }),
  lookup: async () => ACCOUNT,
  credentials: async () => ({ kind: 'none', login: 'u', reason: 'unknownUser' }),
  admit: async () => undefined,
  describeUser: () => '#00000000',
};

function tls(mode: 'implicit' | 'starttls'): ListenerTls {
  return {
    mode,
    certificate: Buffer.from(own.certificate),
    key: new Secret(Buffer.from(own.key)),
    minVersion: 'TLSv1.2',
    ciphers: undefined,
    clients: undefined,
  };
}

interface Running extends AsyncDisposable {
  readonly proxy: ProxyServer;
  readonly port: number;
  /** Waits for the first event of a kind. */
  event(kind: Event['event']): Promise<Event>;
}

interface Terms {
  readonly listener?: Partial<ListenerSettings>;
  readonly connections?: number;
  readonly unauthenticatedMs?: number;
  readonly homePort?: number;
}

/** Starts a proxy for one connection at a time. */
async function run({ listener, connections = 1, unauthenticatedMs, homePort = 1 }: Terms): Promise<Running> {
  const seen: Event[] = [];
  let told: () => void = () => undefined;
  const proxy = await startProxy(settings({ listener, connections, unauthenticatedMs, homePort }), {
    authenticator: ANYONE,
    observe: (one) => {
      seen.push(one);
      told();
    },
  });
  const event = async (kind: Event['event']): Promise<Event> => {
    for (;;) {
      const found = seen.find((one) => one.event === kind);
      if (found !== undefined) {
        return found;
      }
      await new Promise<void>((resolve) => {
        told = resolve;
      });
    }
  };
  return {
    proxy,
    port: proxy.listening[0]?.port ?? 0,
    event,
    [Symbol.asyncDispose]: () => proxy.stop(0),
  };
}

function settings(terms: {
  readonly listener: Partial<ListenerSettings> | undefined;
  readonly connections: number;
  readonly unauthenticatedMs: number | undefined;
  readonly homePort: number;
}): Settings {
  return {
    listeners: [
      {
        ...LISTENER,
        ...terms.listener,
      },
    ],
    nodes: [
      {
        name: 'home',
        host: '127.0.0.1',
        kind: 'generic',
        ports: new Map([['imap', terms.homePort]]),
        tls: { mode: 'none' },
        trust: { kind: 'cram-sha256', name: 'proxy1', key: new Secret(randomBytes(32)) },
        required: [],
      },
    ],
    times: {
      ...TIMES,
      ...(terms.unauthenticatedMs === undefined ? {} : { unauthenticatedMs: terms.unauthenticatedMs }),
    },
    limits: { connections: terms.connections, failures: 10 },
    names: { defaultDomain: undefined, lowerCase: true, punctuation: '', latin1Passwords: false },
  };
}

/** A node that lets everyone in, and hangs up at LOGOUT. */
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

async function opened(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

async function greeted(port: number): Promise<Wire> {
  const wire = await Wire.open({ port });
  await wire.line();
  return wire;
}

describe('a full listener', () => {
  it.each<{ protocol: string; mode: ListenerTls['mode']; words: string }>([
    { protocol: 'imap', mode: 'none', words: '* BYE [UNAVAILABLE] Temporary failure; try again later.\r\n' },
    {
      protocol: 'imap',
      mode: 'starttls',
      words: '* BYE [UNAVAILABLE] Temporary failure; try again later.\r\n',
    },
    { protocol: 'pop3', mode: 'none', words: '-ERR [SYS/TEMP] Temporary failure; try again later.\r\n' },
    // In front of the handshake these words would be a broken TLS record.
    { protocol: 'imap', mode: 'implicit', words: '' },
    { protocol: 'pop3', mode: 'implicit', words: '' },
  ])(
    'says %j to a client of $protocol where TLS is $mode, and hangs up',
    async ({ protocol, mode, words }) => {
      const listener = { protocol, tls: mode === 'none' ? { mode } : tls(mode) };
      await using running = await run({ listener, connections: 0 });
      const client = await opened(running.port);

      const said = await readAll(client);

      expect(said.toString()).toBe(words);
      expect(await running.event('connectionRefused')).toEqual({
        event: 'connectionRefused',
        protocol,
        client: '127.0.0.1',
        why: 'tooManyConnections',
      });
    },
  );

  it('serves who was there before', async () => {
    await using running = await run({});
    await using first = await greeted(running.port);
    await using second = await Wire.open({ port: running.port });
    await second.closed();
    first.send('a NOOP');

    expect(await first.line()).toMatch(/^a OK/);
  });
});

describe('a connection', () => {
  it.each<{ end: string; terms?: Terms; leave: (port: number) => Promise<void> }>([
    {
      end: 'LOGOUT',
      leave: async (port) => {
        const wire = await greeted(port);
        wire.send('a LOGOUT');
        await wire.closed();
        await wire[Symbol.asyncDispose]();
      },
    },
    {
      end: 'a reset',
      leave: async (port) => {
        const socket = await opened(port);
        await once(socket, 'readable');
        socket.resetAndDestroy();
      },
    },
    {
      end: 'FIN before a word was said',
      leave: async (port) => {
        (await opened(port)).end();
      },
    },
    {
      end: 'running out of time',
      terms: { unauthenticatedMs: 1 },
      leave: async (port) => {
        const wire = await Wire.open({ port });
        await wire.closed();
        await wire[Symbol.asyncDispose]();
      },
    },
    {
      end: 'a line that is too long',
      leave: async (port) => {
        const wire = await greeted(port);
        wire.sendRaw(Buffer.alloc(100_000, 'a'));
        await wire.closed();
        await wire[Symbol.asyncDispose]();
      },
    },
    {
      end: 'FIN in the TLS handshake',
      terms: { listener: { tls: tls('implicit') } },
      leave: async (port) => {
        (await opened(port)).end();
      },
    },
    {
      end: 'clear text where TLS should be',
      terms: { listener: { tls: tls('implicit') } },
      leave: async (port) => {
        (await opened(port)).write('a LOGIN u p\r\n');
      },
    },
    {
      end: 'a failed handshake behind STARTTLS',
      terms: { listener: { tls: tls('starttls') } },
      leave: async (port) => {
        const wire = await greeted(port);
        wire.send('a STARTTLS');
        await wire.line();
        wire.send('b LOGIN u p');
        await wire.closed();
        await wire[Symbol.asyncDispose]();
      },
    },
  ])('leaves its slot to the next after $end', async ({ terms = {}, leave }) => {
    await using running = await run(terms);
    const secure = terms.listener?.tls?.mode === 'implicit' ? { ca: ca.certificate } : {};

    await leave(running.port);
    await running.event('connectionEnd');
    await using next = await Wire.open({ port: running.port, ...secure });

    expect(await next.line()).toMatch(/^\* OK/);
  });

  it.each([
    ['the node', (wire: Wire) => wire.send('b LOGOUT')],
    ['the client', (wire: Wire) => void wire[Symbol.asyncDispose]()],
  ])('keeps its slot while it is relayed, and leaves it when %s ended that', async (_, end) => {
    await using node = await home();
    await using running = await run({ homePort: node.port });
    await using wire = await greeted(running.port);
    wire.send('a LOGIN u p');
    await wire.line();
    await using refused = await Wire.open({ port: running.port });
    const whileRelayed = await refused.line();

    end(wire);
    await running.event('sessionEnd');
    await using next = await Wire.open({ port: running.port });

    expect(whileRelayed).toMatch(/^\* BYE/);
    expect(await next.line()).toMatch(/^\* OK/);
  });
});

describe('a listener', () => {
  it('says that the machine has no such address', async () => {
    await expect(run({ listener: { address: '192.0.2.1' } })).rejects.toThrow(
      '192.0.2.1:0: this machine has no such address',
    );
  });

  it('is not opened for a protocol that nobody serves', async () => {
    await expect(run({ listener: { protocol: 'smtp' } })).rejects.toThrow(
      'no protocol "smtp"; there are imap, pop3, sieve',
    );
  });
});
