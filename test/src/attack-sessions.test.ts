import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { LoginFailure } from '../../auth/failure.ts';
import { HostileNode } from '../support/hostile-node.ts';
import { type ProxyBefore, type ProxyTerms, proxyBefore } from '../support/proxy-before.ts';
import { ScriptedServer } from '../support/scripted-server.ts';
import { TestCa } from '../support/test-ca.ts';
import { Wire } from '../support/wire.ts';

const USERS = 400;
const ca = new TestCa('CA of nodes that clients leave');
const certificate = ca.issue({ commonName: 'node' });
const GREETING = '* OK [CAPABILITY IMAP4rev1 ID STARTTLS] ready\r\n';
const CHALLENGE = '+ PDFAbm9kZT4=\r\n';
const IN = 'L OK [CAPABILITY IMAP4rev1 IDLE] in\r\n';

/** A node that tells each session whose it is, and repeats what that says. */
async function echoNode(): Promise<HostileNode> {
  return await HostileNode.start(
    {
      greeting: GREETING,
      reply: (line, heard) => {
        if (heard.length === 1) {
          return CHALLENGE;
        }
        const user = Buffer.from(heard[1] ?? '', 'base64')
          .toString()
          .replace(/;.*/s, '');
        return heard.length === 2 ? `${IN}* OK ${user}\r\n` : `* ${user} said ${line}\r\n`;
      },
    },
    { mode: 'none', certificate },
  );
}

const proxyAt = (port: number, terms: Partial<ProxyTerms> = {}): Promise<ProxyBefore> =>
  proxyBefore({ protocol: 'imap', node: { port, tls: { mode: 'none' } }, ...terms });

describe('many sessions at once', () => {
  it('never get octets of each other (A28)', async () => {
    await using node = await echoNode();
    await using running = await proxyAt(node.port, { connections: USERS });
    const session = async (user: string): Promise<string> => {
      await using wire = await Wire.open({ port: running.port });
      await wire.line();
      wire.send(`a LOGIN ${user} p\r\nb I am ${user}`);
      return (await wire.linesUntil(/ said /)).join('|');
    };

    const users = Array.from({ length: USERS }, (_, at) => `user${at}`);
    const heard = await Promise.all(users.map(session));

    expect(heard).toEqual(
      users.map(
        (user) => `a OK [CAPABILITY IMAP4rev1 IDLE] Logged in|* OK ${user}|* ${user} said b I am ${user}`,
      ),
    );
  }, 30_000);

  it('give each its own answer where some are refused (A28, A29)', async () => {
    await using node = await echoNode();
    await using running = await proxyAt(node.port, { connections: USERS });
    const session = async (user: string): Promise<string> => {
      await using wire = await Wire.open({ port: running.port });
      await wire.line();
      wire.send(`a LOGIN ${user} bad\r\nb LOGIN ${user} p\r\nc once`);
      return (await wire.linesUntil(/ said /)).map((line) => line.slice(0, 24)).join('|');
    };

    const users = Array.from({ length: 50 }, (_, at) => `user${at}`);

    expect(await Promise.all(users.map(session))).toEqual(
      users.map(
        (user) => `a NO [AUTHENTICATIONFAIL|b OK [CAPABILITY IMAP4re|* OK ${user}|* ${user} said c once`,
      ),
    );
  });
});

describe('octets that a client sends while the proxy talks to its node', () => {
  it('wait until the login is over, and reach the node once and in order (A29, A30, F49)', async () => {
    const proving = Promise.withResolvers<void>();
    const sent = Promise.withResolvers<void>();
    const heard: string[] = [];
    await using node = await ScriptedServer.start(async (socket, line) => {
      socket.write(GREETING);
      heard.push(await line());
      proving.resolve();
      await sent.promise;
      socket.write(CHALLENGE);
      heard.push(await line());
      expect(heard.join('\n')).not.toContain('early');
      socket.write(IN);
      for (;;) {
        socket.write(`* ${await line()}\r\n`);
      }
    });
    await using running = await proxyAt(node.port);
    await using wire = await Wire.open({ port: running.port });
    await wire.line();
    wire.send('a LOGIN u p');
    await proving.promise;
    wire.send('x early\r\ny early {3+}\r\nabc');
    sent.resolve();

    expect(await wire.linesUntil(/abc/)).toEqual([
      'a OK [CAPABILITY IMAP4rev1 IDLE] Logged in',
      '* x early',
      '* y early {3+}',
      '* abc',
    ]);
    expect(heard).toHaveLength(2);
  });
});

describe('what a client says of itself by ID', () => {
  it('never reaches the node: neither address, nor session, nor what is forwarded (A12, A13)', async () => {
    await using node = await HostileNode.start(
      {
        greeting: GREETING,
        reply: (line) => {
          if (line.startsWith('I ID')) {
            return 'I OK\r\n';
          }
          return line.startsWith('L AUTH') ? CHALLENGE : IN;
        },
      },
      { mode: 'none', certificate },
    );
    await using running = await proxyAt(node.port, {
      node: { port: node.port, tls: { mode: 'none' }, kind: 'dovecot' },
    });
    await using wire = await Wire.open({ port: running.port });
    await wire.line();
    wire.send(
      'i ID ("x-originating-ip" "192.0.2.66" "X-Session-ID" "spoofed" "x-proxy-ttl" "200" "x-forward-home" "/spoofed" ' +
        '"x-connected-ip" "192.0.2.67" "name" "spoofed")\r\na LOGIN u p',
    );
    await wire.linesUntil(/^a OK/);

    const { session } = await running.event('login');
    const announced = node.heard.find((line) => line.startsWith('I ID')) ?? '';

    expect(announced).toContain(`"x-session-id" "${session}" "x-originating-ip" "127.0.0.1"`);
    expect(announced).toContain('"x-proxy-ttl" "4"');
    expect(announced).not.toMatch(/spoofed|192\.0\.2|forward-home/);
  });
});

/** How a client leaves. */
const LEAVES = {
  FIN: (socket: Socket): unknown => socket.end(),
  RST: (socket: Socket): unknown => socket.resetAndDestroy(),
} as const;

describe.each(['FIN', 'RST'] as const)('A24 a client that leaves by %s', (how) => {
  it.each([
    ['before the greeting', 'connect', '', undefined],
    ['behind the greeting (T27)', 'data', '', undefined],
    ['in a command', 'data', 'a LOG', undefined],
    ['behind LOGOUT (T27)', 'data', 'a LOGOUT\r\n', 'data'],
    ['in a literal', 'data', 'a LOGIN {10+}\r\nabc', undefined],
    ['where a literal is asked for', 'data', 'a LOGIN {10}\r\n', 'data'],
    ['in an exchange', 'data', 'a AUTHENTICATE PLAIN\r\n', 'data'],
    ['behind a refused login', 'data', 'a LOGIN u bad\r\n', 'data'],
  ] as const)('%s leaves nothing open, and is no error', async (_when, first, words, last) => {
    await using running = await proxyAt(1, { connections: 1 });
    const socket = connect(running.port, '127.0.0.1');
    await once(socket, first);
    if (words !== '') {
      socket.write(words);
    }
    if (last !== undefined) {
      await once(socket, last);
    }
    LEAVES[how](socket);

    const end = await running.event('connectionEnd');

    expect(end.how).toMatch(/^(?:disconnected|logout)$/);
    await expectServedAgain(running);
  });

  it('while the directory works ends that work', async () => {
    const asked = Promise.withResolvers<AbortSignal>();
    await using running = await proxyAt(1, {
      connections: 1,
      authenticate: (_proof, _context, given) => {
        asked.resolve(given);
        return new Promise((_resolve, reject) => {
          given.addEventListener('abort', () => reject(new LoginFailure('directoryDown', 'given up')));
        });
      },
    });
    const socket = await loggingIn(running);
    const signal = await asked.promise;
    LEAVES[how](socket);

    await running.event('connectionEnd');

    expect(signal.aborted).toBe(true);
    expect(await running.event('login')).toMatchObject({ result: 'abandoned' });
    await expectServedAgain(running);
  });

  it.each([
    ['the greeting', 'none', /^$/],
    ['the TLS handshake', 'implicit', /^$/],
    ['STARTTLS', 'starttls', /^S STARTTLS$/],
    ['the TLS handshake behind STARTTLS', 'starttls', /^consented$/],
    ['the challenge', 'none', /^L AUTHENTICATE/],
    ['the outcome of the proof', 'none', /^[A-Za-z0-9+/]{20,}=*$/],
  ] as const)(
    'while the proxy waits for %s of the node closes that connection',
    async (_what, mode, silentAt) => {
      const reached = Promise.withResolvers<Socket>();
      await using node = await silentNode(silentAt, reached.resolve);
      const tls = { mode, ca: Buffer.from(ca.certificate), serverName: 'localhost', pin: undefined } as const;
      await using running = await proxyAt(node.port, {
        connections: 1,
        node: { port: node.port, tls: mode === 'none' ? { mode } : { ...tls, mode } },
      });
      const socket = await loggingIn(running);
      const atNode = await reached.promise;
      const closed = once(atNode, 'close');
      LEAVES[how](socket);

      await closed;
      await running.event('connectionEnd');

      expect(await running.event('login')).toMatchObject({ result: 'abandoned' });
      await expectServedAgain(running);
    },
  );

  it('in the moment of the node’s OK closes that connection', async () => {
    const client = Promise.withResolvers<Socket>();
    const atNode = Promise.withResolvers<Socket>();
    await using node = await ScriptedServer.start(async (accepted, line) => {
      accepted.write(GREETING);
      await line();
      accepted.write(CHALLENGE);
      await line();
      LEAVES[how](await client.promise);
      accepted.write(IN);
      atNode.resolve(accepted);
    });
    await using running = await proxyAt(node.port, { connections: 1 });
    client.resolve(await loggingIn(running));
    const socket = await atNode.promise;
    if (!socket.closed) {
      socket.end();
      await once(socket, 'close');
    }

    const { result } = await running.event('login');
    await running.event(result === 'ok' ? 'sessionEnd' : 'connectionEnd');

    expect(['ok', 'abandoned']).toContain(result);
    await expectServedAgain(running);
  });
});

/** A client that has sent a right password, and hears nothing yet. */
async function loggingIn({ port }: ProxyBefore): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'data');
  socket.write('a LOGIN u p\r\n');
  return socket;
}

/** With room for one connection, another client is served only if nothing is left of the first. */
async function expectServedAgain(running: ProxyBefore): Promise<void> {
  await using wire = await Wire.open({ port: running.port });

  expect(await wire.line()).toMatch(/^\* OK/);
  expect(running.events.filter(({ event }) => event === 'bug')).toEqual([]);
}

/** A node that falls silent, and says where. */
async function silentNode(silentAt: RegExp, silent: (socket: Socket) => void): Promise<ScriptedServer> {
  return await ScriptedServer.start(async (socket, line) => {
    for (const [said, words] of [
      ['', GREETING],
      [undefined, 'S OK go\r\n'],
      ['consented', ''],
    ] as const) {
      const asked = said ?? (await line());
      if (silentAt.test(asked)) {
        silent(socket);
        return;
      }
      if (asked.startsWith('L AUTH')) {
        socket.write(CHALLENGE);
        if (silentAt.test(await line())) {
          silent(socket);
        }
        return;
      }
      socket.write(words);
    }
  });
}
