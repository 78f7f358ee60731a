import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../auth/secret.ts';
import { type ProtocolName, type ProxyBefore, proxyBefore } from '../support/proxy-before.ts';
import { TestCa } from '../support/test-ca.ts';
import { Wire } from '../support/wire.ts';

const ca = new TestCa('CA of listeners');
const own = ca.issue({ commonName: 'localhost' });

/** How each protocol asks for TLS, what is injected behind it, and a command that shows that the session lives. */
const SPOKEN = {
  imap: {
    greeting: /^\* OK/,
    startTls: 'A STARTTLS',
    consent: /^A OK/,
    injected: 'qwert NOOP',
    trace: /qwert/,
    alive: 'C NOOP',
    lives: /^C OK/,
    ahead: /^$/,
  },
  pop3: {
    greeting: /^\+OK/,
    startTls: 'STLS',
    consent: /^\+OK Begin/,
    injected: 'CAPA',
    trace: /TOP|-ERR/,
    alive: 'USER user',
    lives: /^\+OK$/,
    ahead: /^$/,
  },
  sieve: {
    greeting: /^OK/,
    startTls: 'STARTTLS',
    consent: /^OK/,
    injected: 'NOOP "qwert"',
    trace: /qwert/,
    alive: 'NOOP "alive"',
    lives: /^OK \(TAG "alive"\)/,
    // RFC 5804 section 2.2: the capabilities come again, unasked, behind the handshake.
    ahead: /^"|^OK(?! \(TAG)/,
  },
} as const;
const PROTOCOLS = ['imap', 'pop3', 'sieve'] as const;

interface Attacked extends AsyncDisposable {
  readonly running: ProxyBefore;
  /** Greeted, in clear text. */
  readonly wire: Wire;
  /** How often the directory was asked. */
  readonly asked: () => number;
}

async function attacked(protocol: ProtocolName, tlsHandshakeMs = 10_000): Promise<Attacked> {
  let asked = 0;
  const running = await proxyBefore({
    protocol,
    node: { port: 1, tls: { mode: 'none' } },
    times: { tlsHandshakeMs },
    tls: {
      mode: 'starttls',
      certificate: Buffer.from(own.certificate),
      key: new Secret(Buffer.from(own.key)),
      minVersion: 'TLSv1.2',
      ciphers: undefined,
      clients: undefined,
    },
    authenticate: async () => {
      asked += 1;
      return { kind: 'refused', reason: 'wrongPassword' };
    },
  });
  const wire = await Wire.open({ port: running.port });
  await wire.linesUntil(SPOKEN[protocol].greeting);
  return {
    running,
    wire,
    asked: () => asked,
    async [Symbol.asyncDispose]() {
      await wire[Symbol.asyncDispose]();
      await running[Symbol.asyncDispose]();
    },
  };
}

/** The first line that is said inside TLS for something that the client sent. */
async function firstAnswer(wire: Wire, protocol: ProtocolName): Promise<string> {
  for (;;) {
    const line = await wire.line();
    if (!SPOKEN[protocol].ahead.test(line)) {
      return line;
    }
  }
}

// The procedure of the NO STARTTLS project's command-injection-tester: sanity, injection, and whether it still lives.
describe.each(PROTOCOLS)('A1 I19 %s commands injected behind STARTTLS', (protocol) => {
  const { startTls, consent, injected, trace, alive, lives } = SPOKEN[protocol];

  it('are no reason to fail where there are none', async () => {
    await using attack = await attacked(protocol);
    attack.wire.send(startTls);
    expect(await attack.wire.line()).toMatch(consent);
    await attack.wire.startTls(ca.certificate);
    attack.wire.send(alive);

    expect(await firstAnswer(attack.wire, protocol)).toMatch(lives);
  });

  it('in the same segment are never answered, and the session lives on', async () => {
    await using attack = await attacked(protocol);
    attack.wire.send(`${startTls}\r\n${injected}`);
    expect(await attack.wire.line()).toMatch(consent);
    await attack.wire.startTls(ca.certificate);
    attack.wire.send(alive);

    const answer = await firstAnswer(attack.wire, protocol);

    expect(answer).toMatch(lives);
    expect(answer).not.toMatch(trace);
  });

  it('in a segment of their own are taken for the handshake, which fails (a)', async () => {
    await using attack = await attacked(protocol);
    attack.wire.send(startTls);
    expect(await attack.wire.line()).toMatch(consent);
    attack.wire.send(injected);

    expect(await attack.wire.closed()).not.toMatch(trace);
    expect(await attack.running.event('connectionEnd')).toMatchObject({ how: 'tlsFailed' });
    expect(attack.asked()).toBe(0);
  });

  it('octet by octet are taken for the handshake, which fails (f)', async () => {
    await using attack = await attacked(protocol);
    for (const octet of Buffer.from(`${startTls}\r\n${injected}\r\n`)) {
      attack.wire.sendRaw(Buffer.of(octet));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await attack.wire.line()).toMatch(consent);

    expect(await attack.wire.closed()).not.toMatch(trace);
    expect(attack.asked()).toBe(0);
  });

  it('are forgotten behind a line that ends in LF alone (g)', async () => {
    await using attack = await attacked(protocol);
    attack.wire.sendRaw(Buffer.from(`${startTls}\n${injected}\n`));
    expect(await attack.wire.line()).toMatch(consent);
    await attack.wire.startTls(ca.certificate);
    attack.wire.send(alive);

    expect(await firstAnswer(attack.wire, protocol)).toMatch(lives);
  });

  it('asking for TLS a second time are refused inside it (h)', async () => {
    await using attack = await attacked(protocol);
    attack.wire.send(`${startTls}\r\n${startTls}`);
    expect(await attack.wire.line()).toMatch(consent);
    await attack.wire.startTls(ca.certificate);
    attack.wire.send(`${startTls}\r\n${alive}`);

    expect(await firstAnswer(attack.wire, protocol)).toMatch(/BAD|-ERR|NO/);
    expect(await attack.wire.line()).toMatch(lives);
  });

  it('may be a client hello, which is dropped: that client waits for the end of its time (i)', async () => {
    await using attack = await attacked(protocol, 100);
    attack.wire.sendRaw(Buffer.concat([Buffer.from(`${startTls}\r\n`), await clientHello()]));
    expect(await attack.wire.line()).toMatch(consent);

    expect(await attack.wire.closed()).toBe('');
    expect(await attack.running.event('connectionEnd')).toMatchObject({ how: 'tlsFailed' });
  });
});

describe('A1 I19 IMAP injected behind STARTTLS', () => {
  it.each([
    ['half a command (b)', 'INJ NO', 'OP\r\n', /^OP BAD /],
    ['the head of a literal (c)', 'INJ LOGIN {5+}\r\n', 'x y z\r\n', /^x BAD /],
    ['an open AUTHENTICATE (d)', 'INJ AUTHENTICATE PLAIN\r\n', 'AHUAcA==\r\n', /^\* BAD |^AHUAcA== BAD /],
  ])('is forgotten: %s', async (_what, clear, inside, answer) => {
    await using attack = await attacked('imap');
    attack.wire.sendRaw(Buffer.from(`A STARTTLS\r\n${clear}`));
    expect(await attack.wire.line()).toMatch(/^A OK/);
    await attack.wire.startTls(ca.certificate);
    attack.wire.sendRaw(Buffer.from(`${inside}C NOOP\r\n`));

    expect(await attack.wire.line()).toMatch(answer);
    expect(await attack.wire.line()).toBe('C OK NOOP completed.');
    expect(attack.asked()).toBe(0);
  });

  it('is forgotten: what ID said in clear text (e)', async () => {
    await using attack = await attacked('imap');
    attack.wire.send('I ID ("x-proxy-ttl" "1")\r\nA STARTTLS');
    await attack.wire.linesUntil(/^A OK/);
    await attack.wire.startTls(ca.certificate);
    attack.wire.send('L LOGIN u p');

    expect(await attack.wire.line()).toMatch(/^L NO \[AUTHENTICATIONFAILED\]/);
    expect(attack.asked()).toBe(1);
  });

  it('is no TLS inside an open AUTHENTICATE, where logins are taken in clear text (j)', async () => {
    await using running = await proxyBefore({ protocol: 'imap', node: { port: 1, tls: { mode: 'none' } } });
    await using wire = await Wire.open({ port: running.port });
    await wire.line();
    wire.send('a AUTHENTICATE PLAIN\r\nb STARTTLS\r\nc NOOP');

    expect(await wire.linesUntil(/^c /)).toEqual(['+ ', 'a BAD Invalid base64.', 'c OK NOOP completed.']);
  });
});

/** What a TLS client says first. */
async function clientHello(): Promise<Buffer> {
  const said = Promise.withResolvers<Buffer>();
  const wire = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      said.resolve(chunk);
      done();
    },
  });
  const client = connectTls({ socket: wire, servername: 'localhost' });
  client.on('error', () => undefined);
  const hello = await said.promise;
  client.destroy();
  await once(client, 'close');
  return hello;
}
