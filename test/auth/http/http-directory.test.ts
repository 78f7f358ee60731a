import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Deadline } from '../../../auth/deadline.ts';
import type { DirectoryContext, LoginName } from '../../../auth/directory.ts';
import { LoginFailure } from '../../../auth/failure.ts';
import { type HttpOptions, openHttp } from '../../../auth/http/http-directory.ts';
import { Secret } from '../../../auth/secret.ts';
import { AuthScript, type ScriptAnswer } from '../../support/auth-script.ts';
import { ConfigFolder } from '../../support/config-folder.ts';
import { ProviderServer } from '../../support/identity-provider.ts';
import { listenOn } from '../../support/sockets.ts';
import { TestCa } from '../../support/test-ca.ts';

const OK: ScriptAnswer = { 'Auth-Status': 'OK', 'Auth-Server': '10.0.0.1', 'Auth-Port': '143' };
const CONTEXT: DirectoryContext = {
  service: 'imap',
  client: {
    ip: '192.0.2.42',
    attempt: 3,
    tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' },
  },
};
const patient = new AbortController().signal;

afterEach(() => vi.useRealTimers());

function nameOf(full: string): LoginName {
  const [localPart = '', domain] = full.split('@');
  return { full, localPart, domain };
}

function secret(text: string): Secret {
  return new Secret(Buffer.from(text, 'latin1'));
}

interface Asked {
  readonly login?: string;
  readonly password?: string;
  readonly context?: DirectoryContext;
  readonly signal?: AbortSignal;
  readonly options?: Partial<HttpOptions>;
}

function open(url: string, options: Partial<HttpOptions> = {}) {
  const states: unknown[] = [];
  const directory = openHttp(
    {
      target: { url: new URL(url), ca: undefined },
      headers: {},
      lookup: 'none',
      forward: {},
      operationMs: 4000,
      maxRequests: 4,
      ...options,
    },
    (server, up, detail) => states.push([server, up, ...(detail === undefined ? [] : [detail])]),
  );
  return { directory, states };
}

/** Finds and verifies. @returns the account, or the verdict, or the failure as `reason: message`. */
async function login(url: string, asked: Asked = {}) {
  const { directory, states } = open(url, asked.options);
  await using _ = directory;
  const found = await directory.find(
    nameOf(asked.login ?? 'ann@example.org'),
    asked.context ?? CONTEXT,
    patient,
  );
  try {
    const verdict = await found?.verify(secret(asked.password ?? 'pw'), asked.signal ?? patient);
    return { result: verdict === 'right' ? found?.account() : verdict, states };
  } catch (error) {
    if (!(error instanceof LoginFailure)) throw error;
    return { result: `${error.reason}: ${error.message.replaceAll(url, 'URL')}`, states };
  }
}

async function answered(answer: ScriptAnswer, asked: Asked = {}) {
  await using script = await AuthScript.answering(() => answer);
  return (await login(script.url, asked)).result;
}

describe('a question', () => {
  it('has the header lines that nginx sends, in their order', async () => {
    await using script = await AuthScript.answering(() => OK);
    const headers = { 'X-Auth-Key': secret('key') };

    await login(script.url, { options: { headers } });

    expect(script.requests).toEqual([
      [
        'Host: 127.0.0.1',
        'Auth-Method: plain',
        'Auth-User: ann@example.org',
        'Auth-Pass: pw',
        'Auth-Protocol: imap',
        'Auth-Login-Attempt: 3',
        'Client-IP: 192.0.2.42',
        'Auth-SSL: on',
        'Auth-SSL-Protocol: TLSv1.3',
        'Auth-SSL-Cipher: TLS_AES_256_GCM_SHA384',
        'X-Auth-Key: key',
        'Connection: keep-alive',
      ],
    ]);
  });

  it('says nothing of TLS in clear text, nor of a client where there is none', async () => {
    await using script = await AuthScript.answering(() => OK);

    await login(script.url, { context: { service: 'pop3' } });

    expect(script.requests[0]?.join('\n')).not.toMatch(/SSL|Client|Attempt/);
  });

  it('A9 can not be given lines by a name or a password', async () => {
    await using script = await AuthScript.answering(() => OK);

    await login(script.url, { login: 'a\r\nAuth-User: b', password: 'x\r\n\r\n\0 %\x7f\xc3\xa4' });

    expect(script.requests[0]?.filter((line) => /^Auth-(User|Pass)/.test(line))).toEqual([
      'Auth-User: a%0D%0AAuth-User:%20b',
      'Auth-Pass: x%0D%0A%0D%0A%00%20%25%7F\xc3\xa4',
    ]);
  });

  it('comes by a connection of those before', async () => {
    const ports = new Set<number | undefined>();
    await using script = await AuthScript.answering(({ socket }) => {
      ports.add(socket.remotePort);
      return OK;
    });
    await using directory = open(script.url).directory;

    for (let i = 0; i < 10; i += 1) {
      const found = await directory.find(nameOf('ann'), CONTEXT, patient);
      await found?.verify(secret('pw'), patient);
    }

    expect(script.requests).toHaveLength(10);
    expect(ports.size).toBeLessThan(10);
  });

  it('waits for its turn where as many are under way as may be', async () => {
    const waiting: (() => void)[] = [];
    const two = Promise.withResolvers<void>();
    await using script = await AuthScript.start((_, response) => {
      waiting.push(() => response.writeHead(200, { ...OK }).end());
      if (waiting.length === 2) two.resolve();
    });
    await using directory = open(script.url, { maxRequests: 2 }).directory;
    const verify = async () => {
      const found = await directory.find(nameOf('ann'), CONTEXT, patient);
      return await found?.verify(secret('pw'), patient);
    };

    const verdicts = Promise.all([verify(), verify(), verify()]);
    await two.promise;
    const before = script.requests.length;
    await vi.waitFor(() => {
      for (const answer of waiting.splice(0)) answer();
      expect(script.requests).toHaveLength(3);
    });
    for (const answer of waiting.splice(0)) answer();

    expect(before).toBe(2);
    expect(await verdicts).toEqual(['right', 'right', 'right']);
  });

  it('is asked by nobody who only looks for a name', async () => {
    await using script = await AuthScript.answering(() => OK);
    await using directory = open(script.url).directory;

    expect(await directory.find(nameOf('nobody'), CONTEXT, patient)).toMatchObject({
      entry: 'nobody',
      name: undefined,
      passwordVersion: undefined,
    });
    expect(script.requests).toEqual([]);
  });
});

describe('a right password', () => {
  it('gives the home and its port, under the name of the login', async () => {
    expect(await answered(OK)).toEqual({
      name: 'ann@example.org',
      entry: 'ann@example.org',
      homes: ['10.0.0.1'],
      homePort: 143,
      forwarded: new Map(),
      bar: undefined,
    });
  });

  it('may give the node another name and password', async () => {
    const account = await answered({ ...OK, 'Auth-User': 'ann.other', 'Auth-Pass': 'node-pass' });

    expect(account).toMatchObject({ name: 'ann.other', entry: 'ann.other' });
    expect(Object(account).nodePassword.octets.toString()).toBe('node-pass');
    expect(JSON.stringify(account)).not.toContain('node-pass');
  });

  it('tells the node what headers and texts say', async () => {
    const forward = {
      home: { kind: 'template', template: '/srv/%d/%n' },
      uid: { kind: 'attribute', attribute: 'X-Uid' },
    } as const;

    expect(await answered({ ...OK, 'x-uid': '5000' }, { options: { forward } })).toMatchObject({
      forwarded: new Map([
        ['home', '/srv/example.org/ann'],
        ['uid', '5000'],
      ]),
    });
  });

  it('is shown to `explain` without any secret', async () => {
    const steps: string[] = [];
    const context = { ...CONTEXT, trace: (step: string, detail: string) => steps.push(`${step}: ${detail}`) };
    await using script = await AuthScript.answering(() => ({ ...OK, 'Auth-Pass': 'node-pass' }));

    await login(`${script.url}?key=canary`, { context });

    expect(steps).toEqual([
      `ask: ${script.url}, Auth-Method: plain: HTTP 200, Auth-Status: "OK"`,
      'account: ann@example.org, with an Auth-Pass for the node',
      'home: 10.0.0.1 port 143',
      'password: right',
    ]);
  });
});

describe('a refused login', () => {
  it.each([
    [{ 'Auth-Status': 'Invalid login or password', 'Auth-Wait': '3' }],
    [{ 'Auth-Status': 'Invalid login or password' }],
    [{ 'Auth-Status': 'ok', 'Auth-Server': '10.0.0.1', 'Auth-Port': '143' }],
    [{ ':status': '403', 'Auth-Status': 'no', 'Auth-Error-Code': '535 5.7.8' }],
  ])('is a wrong password: %j', async (answer) => {
    expect(await answered(answer)).toBe('wrongPassword');
  });

  it('is answered no earlier than the service wants', async () => {
    const wanted: number[] = [];
    const guard = {
      admit: () => undefined,
      admitAddress: () => undefined,
      knownWrong: () => false,
      answerLater: (ms: number) => wanted.push(ms),
    };

    await answered({ 'Auth-Status': 'no', 'Auth-Wait': '7' }, { context: { ...CONTEXT, guard } });
    await answered({ 'Auth-Status': 'no', 'Auth-Wait': '-7' }, { context: { ...CONTEXT, guard } });

    expect(wanted).toEqual([7000]);
  });
});

describe('a service that says WAIT', () => {
  it('is asked again after its time', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await using script = await AuthScript.answering(() =>
      script.requests.length < 3 ? { 'Auth-Status': 'WAIT', 'Auth-Wait': '2' } : OK,
    );

    const { result } = await ticking(login(script.url));

    expect(result).toMatchObject({ homes: ['10.0.0.1'] });
    expect(script.requests).toHaveLength(3);
  });

  it('makes nobody wait longer than a login may, and is no wrong password', async () => {
    using deadline = new Deadline(50);

    expect(await answered({ 'Auth-Status': 'WAIT' }, { signal: deadline.signal })).toBe(
      'held: URL: it still said WAIT when the time was over',
    );
  });
});

it('A33 is not led elsewhere by a redirect, with the password', async () => {
  await using other = await AuthScript.answering(() => OK);
  await using script = await AuthScript.answering(() => ({ ':status': '307', location: other.url }));

  expect((await login(script.url)).result).toBe(
    'directoryFault: URL: it answered HTTP 307: redirects are not followed',
  );
  expect(other.requests).toEqual([]);
});

describe('what is no answer', () => {
  it.each([
    [{}, 'it answered HTTP 200 without Auth-Status'],
    [{ 'Auth-Server': '10.0.0.1', 'Auth-Port': '143' }, 'it answered HTTP 200 without Auth-Status'],
    [{ ...OK, ':status': '500' }, 'it answered HTTP 500'],
    [{ ...OK, ':status': '404' }, 'it answered HTTP 404 with Auth-Status: OK'],
    [{ ...OK, ':status': '302', location: '/other' }, 'it answered HTTP 302: redirects are not followed'],
    [{ ':status': '404' }, 'it answered HTTP 404 without Auth-Status'],
    [
      { ':status': '401' },
      'it answered HTTP 401 without Auth-Status: does it want a header of its own? (headerFiles)',
    ],
    [{ ...OK, 'Auth-Server': '' }, 'it lets ann@example.org in without Auth-Server'],
    [{ ...OK, 'Auth-Port': '0' }, 'it lets ann@example.org in without a right Auth-Port'],
    [{ ...OK, 'Auth-Port': '99999' }, 'it lets ann@example.org in without a right Auth-Port'],
    [{ ...OK, 'Auth-User': '\xff' }, 'its Auth-User is not UTF-8'],
  ])('is the fault of the service, and no wrong password: %j', async (answer, why) => {
    expect(await answered(answer)).toBe(`directoryFault: URL: ${why}`);
  });

  it('is one of two values', async () => {
    await using script = await AuthScript.start((_, response) =>
      response
        .writeHead(
          200,
          Object.entries(OK)
            .concat([['auth-server', '10.0.0.2']])
            .flat(),
        )
        .end(),
    );

    expect((await login(script.url)).result).toBe(
      'directoryFault: URL: its answer has Auth-Server more than once',
    );
  });

  it.each([
    [
      'endless header lines',
      `HTTP/1.1 200 OK\r\n${'X-Filler: x\r\n'.repeat(5000)}`,
      'HeadersOverflow|Header overflow',
    ],
    ['a line that is none', 'HTTP/1.1 200 OK\r\n\x01\x02\r\n\r\n', 'Parse Error'],
    ['another protocol', '* OK IMAP ready\r\n', 'Parse Error'],
  ])('is not read to its end where it has %s', async (_, octets, why) => {
    const server = createServer((socket) => socket.on('error', () => undefined).end(octets));
    const port = await listenOn(server);

    const { result } = await login(`http://127.0.0.1:${port}/auth`);
    server.close();

    expect(result).toMatch(new RegExp(`^directoryFault: .*(${why})`));
  });

  it('may have a body without end, which nobody reads', async () => {
    const closed = Promise.withResolvers<void>();
    await using script = await AuthScript.start((_, response) => {
      response.on('close', () => closed.resolve()).writeHead(200, { ...OK });
      const more = (): void => void (response.destroyed || response.write('x'.repeat(16_384), more));
      more();
    });

    expect((await login(script.url)).result).toMatchObject({ homes: ['10.0.0.1'] });
    await closed.promise;
  });
});

describe('a service that does not answer', () => {
  it('is down, once, and up again when it answers', async () => {
    let status = '200';
    await using script = await AuthScript.answering(() => ({ ...OK, ':status': status }));
    const { directory, states } = open(script.url);
    await using _ = directory;
    const verify = async () => {
      const found = await directory.find(nameOf('ann'), CONTEXT, patient);
      return await found?.verify(secret('pw'), patient).catch(({ reason }: LoginFailure) => reason);
    };

    const results = [await verify()];
    for (status of ['502', '503', '200']) results.push(await verify());

    expect(results).toEqual(['right', 'directoryDown', 'directoryDown', 'right']);
    expect(states).toEqual([
      [script.url, true],
      [script.url, false, 'it answered HTTP 502'],
      [script.url, true],
    ]);
  });

  it('is down when nobody listens', async () => {
    const { url } = await closedScript();

    const { result, states } = await login(url);

    expect(result).toMatch(/^directoryDown: URL: connect ECONNREFUSED/);
    expect(states).toEqual([[url, false, expect.stringContaining('ECONNREFUSED')]]);
    await using directory = open(url).directory;
    expect(await directory.whyNotReady(patient)).toMatch(/ECONNREFUSED/);
  });

  it('is down when it is slow with everybody', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await using script = await AuthScript.start(() => undefined);

    const { result, states } = await ticking(login(script.url));

    expect(result).toBe('directoryDown: URL: no answer within 4000 ms');
    expect(states).toEqual([[script.url, false, 'no answer within 4000 ms']]);
  });

  it('is not down since a client left', async () => {
    const leaving = new AbortController();
    await using script = await AuthScript.start(() => leaving.abort());

    const { result, states } = await login(script.url, { signal: leaving.signal });

    expect([result, states]).toEqual(['directoryDown: URL: given up', []]);
  });
});

it('is asked by a Unix socket, where it has one', async () => {
  using folder = new ConfigFolder();
  const socketPath = join(folder.path, 'auth.sock');
  const hosts: unknown[] = [];
  const server = createHttpServer((request, response) => {
    hosts.push(request.headers.host);
    response.writeHead(200, { ...OK }).end();
  }).listen(socketPath);
  await once(server, 'listening');
  const target = { url: new URL('http://localhost/auth'), ca: undefined, socketPath };

  const { result, states } = await login('http://localhost/auth', { options: { target } });
  await using directory = open('http://localhost/auth', { target }).directory;
  const ready = await directory.whyNotReady(patient);
  server.close();

  expect(result).toMatchObject({ homes: ['10.0.0.1'] });
  expect([hosts, states, ready]).toEqual([['localhost'], [[`unix:${socketPath}:/auth`, true]], undefined]);
});

describe('A33 https', () => {
  const ca = new TestCa('Service CA');
  const identity = ca.issue({ commonName: 'auth.example.org' });

  it.each([
    [ca, { homes: ['10.0.0.1'] }],
    [new TestCa('Other CA'), /^directoryDown: .*certificate/],
  ])('is verified', async (trusted, expected) => {
    await using server = await ProviderServer.start(identity, (_, response) =>
      response.writeHead(200, { ...OK }).end(),
    );
    const url = server.url('/auth');
    const target = { url, ca: Buffer.from(trusted.certificate) };

    const { result } = await login(url.href, { options: { target } });

    if (expected instanceof RegExp) expect(result).toMatch(expected);
    else expect(result).toMatchObject(expected);
  });
});

describe('a login without a password', () => {
  it('is asked about by Auth-Method external, where the service knows that', async () => {
    await using script = await AuthScript.answering(({ headers }) =>
      headers['auth-user'] === 'ann' ? OK : { 'Auth-Status': 'no' },
    );
    await using directory = open(script.url, { lookup: 'external' }).directory;

    expect(await directory.lookup(nameOf('ann'), CONTEXT, patient)).toMatchObject({ homes: ['10.0.0.1'] });
    expect(await directory.lookup(nameOf('bob'), CONTEXT, patient)).toBeUndefined();
    expect(script.requests[0]).toContain('Auth-Method: external');
    expect(script.requests[0]).toContain('Auth-Pass: ');
  });

  it('is not asked about elsewhere, and says what to do', async () => {
    await using script = await AuthScript.answering(() => OK);
    await using directory = open(script.url).directory;

    await expect(directory.lookup(nameOf('ann'), CONTEXT, patient)).rejects.toMatchObject({
      reason: 'directoryFault',
      message: expect.stringContaining('lookup: external'),
    });
    expect(script.requests).toEqual([]);
  });
});

/** Lets time pass until something is done. */
async function ticking<T>(work: Promise<T>): Promise<T> {
  let done = false;
  const settled = work.finally(() => (done = true));
  while (!done) {
    await vi.advanceTimersByTimeAsync(500);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return await settled;
}

async function closedScript(): Promise<{ url: string }> {
  await using script = await AuthScript.answering(() => OK);
  return { url: script.url };
}
