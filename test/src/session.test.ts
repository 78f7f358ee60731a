import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { queryObjects } from 'node:v8';
import { describe, expect, it } from 'vitest';
import type { Authentication } from '../../auth/authentication.ts';
import type { Authenticator } from '../../auth/authenticator.ts';
import type { Account } from '../../auth/directory.ts';
import { LoginFailure } from '../../auth/failure.ts';
import { Secret } from '../../auth/secret.ts';
import { Channel } from '../../protocols/channel.ts';
import { ClientDialogue } from '../../protocols/client-dialogue.ts';
import { ImapFrontend } from '../../protocols/imap/frontend.ts';
import type { Event } from '../../src/events.ts';
import { type ProxyServer, startProxy } from '../../src/proxy.ts';
import type { NodeSettings, Settings } from '../../src/settings.ts';
import { ScriptedServer } from '../support/scripted-server.ts';
import { LISTENER, TIMES } from '../support/settings.ts';
import { readAll } from '../support/sockets.ts';
import { Wire } from '../support/wire.ts';

function account(homes: readonly string[], terms: Partial<Account> = {}): Account {
  return { name: 'u', entry: 'uid=u', homes, forwarded: new Map(), bar: undefined, ...terms };
}

/** Lets everyone in whose password is right; `answer` replaces that. */
function authenticator(
  homes: readonly string[],
  answer?: (signal: AbortSignal) => Promise<Authentication>,
): Authenticator {
  const admitted: Authentication = { kind: 'admitted', account: account(homes), unverified: false };
  return {
    authenticate: async (proof, _context, signal) =>
      answer?.(signal) ??
      (proof.kind === 'password' && proof.password.octets.toString() === 'p'
        ? admitted
        : { kind: 'refused', reason: 'wrongPassword', known: 'u' }),
    lookup: async () => account(homes),
    credentials: async () => ({ kind: 'none', login: 'u', reason: 'unknownUser' }),
    admit: async () => undefined,
    describeUser: () => '#00000000',
  };
}

/** A node that takes any CRAM answer, so that no key is needed. */
function node(name: string, port: number): NodeSettings {
  return {
    name,
    host: '127.0.0.1',
    kind: 'generic',
    ports: new Map([['imap', port]]),
    tls: { mode: 'none' },
    trust: { kind: 'cram-sha256', name: 'proxy1', key: new Secret(randomBytes(32)) },
    required: [],
  };
}

interface Running extends AsyncDisposable {
  readonly proxy: ProxyServer;
  readonly events: Event[];
  readonly port: number;
  event<Kind extends Event['event']>(kind: Kind): Promise<Extract<Event, { event: Kind }>>;
}

async function run(
  nodes: readonly NodeSettings[],
  judge: Authenticator,
  changes: { times?: Partial<Settings['times']>; connections?: number } = {},
): Promise<Running> {
  const events: Event[] = [];
  const settings: Settings = {
    listeners: [
      {
        ...LISTENER,
      },
    ],
    nodes,
    times: { ...TIMES, ...changes.times },
    limits: { connections: changes.connections ?? 100, failures: 10 },
    names: { defaultDomain: undefined, lowerCase: true, punctuation: '', latin1Passwords: false },
  };
  const proxy = await startProxy(settings, { authenticator: judge, observe: (one) => events.push(one) });
  const event = async <Kind extends Event['event']>(kind: Kind) => {
    for (;;) {
      const found = events.find((one) => one.event === kind);
      if (found !== undefined) {
        return found as Extract<Event, { event: Kind }>;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const port = proxy.listening[0]?.port ?? 0;
  return { proxy, events, port, event, [Symbol.asyncDispose]: () => proxy.stop(0) };
}

/** Greets, takes the proof, and then serves: repeats each line. */
async function echoNode(): Promise<ScriptedServer> {
  return await ScriptedServer.start(async (socket, line) => {
    socket.write('* OK [CAPABILITY IMAP4rev1] ready\r\n');
    await line();
    socket.write('+ PDFAbm9kZT4=\r\n');
    await line();
    socket.write('L OK [CAPABILITY IMAP4rev1 IDLE] in\r\n* 3 EXISTS\r\n');
    for (;;) {
      socket.write(`* ${await line()}\r\n`);
    }
  });
}

async function greeted(port: number): Promise<Wire> {
  const wire = await Wire.open({ port });
  await wire.line();
  return wire;
}

const UNAVAILABLE = /^a NO \[UNAVAILABLE\] Temporary failure; try again later\. \[ref:[\w-]{22}\]$/;

describe('a session', () => {
  it('is relayed behind the tagged OK: first what the node had said, then both ways', async () => {
    await using home = await echoNode();
    await using running = await run([node('home', home.port)], authenticator(['home']));
    await using wire = await greeted(running.port);
    wire.send('a LOGIN u p\r\nb NOOP');

    expect(await wire.line()).toBe('a OK [CAPABILITY IMAP4rev1 IDLE] Logged in');
    expect(await wire.line()).toBe('* 3 EXISTS');
    expect(await wire.line()).toBe('* b NOOP');
  });

  it('dials no node before the password was right', async () => {
    await using home = await echoNode();
    await using running = await run([node('home', home.port)], authenticator(['home']));
    await using wire = await greeted(running.port);
    wire.send('a LOGIN u wrong');

    expect(await wire.line()).toMatch(/^a NO \[AUTHENTICATIONFAILED\]/);
    expect(home.connections).toHaveLength(0);
  });

  it('takes the next member of the home when the first is down, and says which one it was', async () => {
    await using home = await echoNode();
    await using gone = await echoNode();
    const { port } = gone;
    await gone[Symbol.asyncDispose]();
    await using running = await run(
      [node('first', port), node('second', home.port)],
      authenticator(['first', 'second']),
    );
    await using wire = await greeted(running.port);
    wire.send('a LOGIN u p');

    expect(await wire.line()).toMatch(/^a OK /);
    expect(await running.event('login')).toMatchObject({ result: 'ok', node: 'second' });
    expect(await running.event('memberFailed')).toMatchObject({ node: 'first', reason: 'nodeUnreachable' });
  });

  it('passes a home by that may not be dialled, where another one may', async () => {
    await using home = await echoNode();
    await using running = await run([node('good', home.port)], authenticator(['typo', 'good']));
    await using wire = await greeted(running.port);
    wire.send('a LOGIN u p');

    expect(await wire.line()).toMatch(/^a OK /);
  });

  it('delivers what a client pipelined behind its login before its FIN', async () => {
    await using home = await echoNode();
    await using running = await run([node('home', home.port)], authenticator(['home']));
    const client = connect({ port: running.port, host: '127.0.0.1', allowHalfOpen: true });
    client.end('a LOGIN u p\r\nb NOOP\r\n');

    expect((await readAll(client)).toString()).toMatch(/a OK .*\r\n\* 3 EXISTS\r\n\* b NOOP\r\n$/s);
    client.destroy();
  });

  it('keeps nothing of the login while it is relayed: no parser, no frontend', async () => {
    await using home = await echoNode();
    await using running = await run([node('home', home.port)], authenticator(['home']));
    const wires = await Promise.all(Array.from({ length: 20 }, () => greeted(running.port)));
    for (const wire of wires) {
      wire.send('a LOGIN u p');
      await wire.linesUntil(/EXISTS/);
    }
    // Counting the objects collects garbage first.
    const kept = [Channel, ClientDialogue, ImapFrontend].map((kind) =>
      queryObjects(kind, { format: 'count' }),
    );
    for (const wire of wires) {
      await wire[Symbol.asyncDispose]();
    }

    expect(kept.every((count) => count < 20)).toBe(true);
  });

  it('tells nobody earlier what became of a guess: who leaves is not answered', async () => {
    await using running = await run([], authenticator([]), { times: { failureMs: 10 } });
    const client = connect({ port: running.port, host: '127.0.0.1', allowHalfOpen: true });
    await once(client, 'readable');
    client.read();
    client.write('a LOGIN u wrong\r\n');
    await running.event('login');
    client.end();

    expect((await readAll(client)).toString()).toBe('');
    expect(await running.event('login')).toMatchObject({ result: 'wrongPassword' });
    client.destroy();
  });

  it('F18 does not wait longer than its budget for a silent node', async () => {
    await using silent = await ScriptedServer.start(async () => undefined);
    await using running = await run([node('home', silent.port)], authenticator(['home']), {
      times: { nodeMs: 1 },
    });
    await using wire = await greeted(running.port);
    wire.send('a LOGIN u p\r\nb NOOP');

    expect(await wire.line()).toMatch(UNAVAILABLE);
    expect(await wire.line()).toMatch(/^b OK/);
    expect(await running.event('login')).toMatchObject({ result: 'nodeUnreachable', node: 'home' });
  });

  it('does not wait longer than its budget for the directory', async () => {
    const never = (signal: AbortSignal): Promise<Authentication> =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () =>
          reject(new LoginFailure('directoryDown', 'no answer', { cause: signal.reason })),
        );
      });
    await using running = await run([], authenticator([], never), { times: { directoryMs: 1 } });
    await using wire = await greeted(running.port);
    wire.send('a LOGIN u p');

    expect(await wire.line()).toMatch(UNAVAILABLE);
  });

  it('A24 gives up at the directory when the client is gone', async () => {
    const asked = Promise.withResolvers<AbortSignal>();
    const waiting = (given: AbortSignal): Promise<Authentication> => {
      asked.resolve(given);
      return new Promise((_resolve, reject) => {
        given.addEventListener('abort', () => reject(new LoginFailure('directoryDown', 'abandoned')));
      });
    };
    await using running = await run([], authenticator([], waiting));
    const wire = await greeted(running.port);
    wire.send('a LOGIN u p');
    const signal = await asked.promise;
    await wire[Symbol.asyncDispose]();

    await running.event('connectionEnd');
    expect(signal.aborted).toBe(true);
  });

  it('A24 leaves a node that is thinking when the client is gone', async () => {
    const reached = Promise.withResolvers<Socket>();
    await using slow = await ScriptedServer.start(async (socket, line) => {
      socket.write('* OK [CAPABILITY IMAP4rev1] ready\r\n');
      await line();
      reached.resolve(socket);
    });
    await using running = await run([node('home', slow.port)], authenticator(['home']));
    const wire = await greeted(running.port);
    wire.send('a LOGIN u p');
    const left = once(await reached.promise, 'close');
    await wire[Symbol.asyncDispose]();

    await left;
    expect(await running.event('login')).toMatchObject({ result: 'abandoned' });
    expect(await running.event('connectionEnd')).toMatchObject({ how: 'disconnected' });
  });

  it('A26 is refused when its home is this proxy itself', async () => {
    // The node's port is learnt only when the listener is up.
    const ports = new Map<string, number>([['imap', 0]]);
    await using self = await run([{ ...node('home', 0), ports }], authenticator(['home']));
    ports.set('imap', self.port);
    await using wire = await greeted(self.port);
    wire.send('a LOGIN u p');

    expect(await wire.line()).toMatch(/^a NO \[CONTACTADMIN\]/);
    expect(await self.event('login')).toMatchObject({ result: 'loop' });
  });

  it('A26 is refused when it came through too many proxies', async () => {
    await using home = await echoNode();
    await using running = await run([node('home', home.port)], authenticator(['home']));
    await using wire = await greeted(running.port);
    wire.send('i ID ("x-proxy-ttl" "1")\r\na LOGIN u p');
    await wire.linesUntil(/^i OK/);

    expect(await wire.line()).toMatch(/^a NO \[CONTACTADMIN\]/);
    expect(home.connections).toHaveLength(0);
  });

  it.each([
    ['our own proof', ['home'], /^homeNotAllowed, .* needs trust: replay$/],
    ['word that the account has no home', [], /^noHome, .* uid=u names no home node$/],
    [
      'word that its home is unknown',
      ['elsewhere'],
      /^homeNotAllowed, .* home on elsewhere: not in the node table/,
    ],
  ])('never gets %s for a password that nobody has verified', async (_what, homes, detail) => {
    await using home = await echoNode();
    const unverified = async (): Promise<Authentication> => ({
      kind: 'admitted',
      account: account(homes),
      unverified: true,
    });
    await using running = await run([node('home', home.port)], authenticator(homes, unverified));
    await using wire = await greeted(running.port);
    wire.send('a LOGIN u anything');

    // As a wrong password is told, and counted as one.
    expect(await wire.line()).toBe('a NO [AUTHENTICATIONFAILED] Authentication failed.');
    expect(await running.event('login')).toMatchObject({
      result: 'wrongPassword',
      detail: expect.stringMatching(detail),
    });
    expect(home.connections).toHaveLength(0);
  });

  it('ends alone when something is thrown that nobody expected, and the client may try again', async () => {
    const broken = async (): Promise<Authentication> => {
      throw new TypeError('a bug');
    };
    await using running = await run([], authenticator([], broken));
    await using wire = await greeted(running.port);
    wire.send('a LOGIN u p\r\nb NOOP');

    expect(await wire.line()).toMatch(UNAVAILABLE);
    expect(await wire.line()).toMatch(/^b OK/);
    expect(await running.event('bug')).toMatchObject({ detail: 'TypeError: a bug' });
    expect(await running.event('login')).toMatchObject({ result: 'bug' });
  });
});

describe('a proxy', () => {
  it('I2 tells clients that it is full to come back, and lets others in again', async () => {
    await using running = await run([], authenticator([]), { connections: 1 });
    const first = await greeted(running.port);
    await using second = await Wire.open({ port: running.port });

    expect(await second.line()).toBe('* BYE [UNAVAILABLE] Temporary failure; try again later.');
    expect(await second.lineOrEnd()).toBeUndefined();
    first.send('a LOGOUT');
    await first.closed();
    await first[Symbol.asyncDispose]();
    await running.event('connectionEnd');
    await using third = await greeted(running.port);
    third.send('b NOOP');
    expect(await third.line()).toMatch(/^b OK/);
  });

  it('says good-bye to who is not logged in when it stops, and ends sessions when their time is up', async () => {
    await using home = await echoNode();
    await using running = await run([node('home', home.port)], authenticator(['home']));
    await using idle = await greeted(running.port);
    await using session = await greeted(running.port);
    session.send('a LOGIN u p');
    await session.linesUntil(/EXISTS/);
    await running.event('login');

    const stopped = running.proxy.stop(0);

    expect(await idle.line()).toBe('* BYE [UNAVAILABLE] Temporary failure; try again later.');
    expect(await session.lineOrEnd()).toBeUndefined();
    await stopped;
    expect(await running.event('sessionEnd')).toMatchObject({ endedBy: 'proxy', how: 'stopping' });
    expect(running.events.at(-1)).toEqual({ event: 'stopped' });
  });

  it('does not wait for a directory that says nothing when its time is up', async () => {
    const asked = Promise.withResolvers<void>();
    const never = (signal: AbortSignal): Promise<Authentication> => {
      asked.resolve();
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new LoginFailure('directoryDown', 'given up')));
      });
    };
    await using running = await run([], authenticator([], never));
    await using wire = await greeted(running.port);
    wire.send('a LOGIN u p');
    await asked.promise;

    await running.proxy.stop(0);

    expect(await running.event('login')).toMatchObject({ result: 'draining' });
    expect(await wire.line()).toMatch(/^\* BYE \[UNAVAILABLE\]/);
  });

  it('waits for sessions to end by themselves when it stops', async () => {
    await using home = await echoNode();
    await using running = await run([node('home', home.port)], authenticator(['home']));
    await using session = await greeted(running.port);
    session.send('a LOGIN u p');
    await session.linesUntil(/EXISTS/);

    const stopped = running.proxy.stop(60_000);
    session.send('b still here');
    const answer = await session.line();
    await session[Symbol.asyncDispose]();
    await stopped;

    expect(answer).toBe('* b still here');
    expect(await running.event('sessionEnd')).toMatchObject({ endedBy: 'client' });
  });

  it('says clearly that a port is taken', async () => {
    await using running = await run([], authenticator([]));
    const settings = { address: '127.0.0.1', port: running.port };

    await expect(
      startProxy(
        {
          listeners: [
            {
              protocol: 'imap',
              ...settings,
              tls: { mode: 'none' },
              allowPlaintext: true,
              greeting: '',
              mechanisms: [],
            },
          ],
          nodes: [],
          times: TIMES,
          limits: { connections: 1, failures: 1 },
          names: { defaultDomain: undefined, lowerCase: true, punctuation: '', latin1Passwords: false },
        },
        { authenticator: authenticator([]), observe: () => undefined },
      ),
    ).rejects.toThrow(`127.0.0.1:${running.port} is taken: another program listens there`);
  });
});
