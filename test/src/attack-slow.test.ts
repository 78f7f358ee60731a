import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../auth/secret.ts';
import type { ListenerTls } from '../../src/settings.ts';
import { type ProtocolName, type ProxyBefore, proxyBefore } from '../support/proxy-before.ts';
import { TestCa } from '../support/test-ca.ts';

const own = new TestCa('CA of slow clients').issue({ commonName: 'localhost' });
const IMPLICIT: ListenerTls = {
  mode: 'implicit',
  certificate: Buffer.from(own.certificate),
  key: new Secret(Buffer.from(own.key)),
  minVersion: 'TLSv1.2',
  ciphers: undefined,
  clients: undefined,
};
const EVERY_MS = 5;

/** A client that sends one octet after the other, without end, until it is let go. @returns what it was told. */
async function dribble({ port }: ProxyBefore, octets: Iterable<number>): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  // Who is let go amid his octets may see a reset.
  socket.on('error', () => undefined);
  const told: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => told.push(chunk));
  const sending = octets[Symbol.iterator]();
  const timer = setInterval(() => {
    const { value, done } = sending.next();
    if (done === true || socket.destroyed) {
      clearInterval(timer);
    } else {
      socket.write(Buffer.of(value));
    }
  }, EVERY_MS);
  await new Promise((resolve) => socket.once('close', resolve));
  clearInterval(timer);
  return Buffer.concat(told).toString('latin1');
}

/** Some octets, and then one over and over. */
function* endless(start: string, then: string): Generator<number> {
  yield* Buffer.from(start, 'latin1');
  for (;;) {
    yield* Buffer.from(then, 'latin1');
  }
}

async function slowAt(protocol: ProtocolName, tls?: ListenerTls): Promise<ProxyBefore> {
  return await proxyBefore({
    protocol,
    node: { port: 1, tls: { mode: 'none' } },
    times: { unauthenticatedMs: 300, tlsHandshakeMs: 300 },
    ...(tls === undefined ? {} : { tls }),
  });
}

describe('A21 a client that is slow', () => {
  it.each([
    ['imap', 'says nothing', '', ''],
    ['imap', 'dribbles a command', 'a ', 'x'],
    ['imap', 'dribbles commands that are right', '', 'a NOOP\r\n'],
    ['imap', 'dribbles a literal', 'a LOGIN {4000+}\r\n', 'x'],
    ['imap', 'dribbles a SASL response', 'a AUTHENTICATE PLAIN\r\n', 'A'],
    ['imap', 'dribbles an ID', 'a ID (', '"x" "y" '],
    ['pop3', 'says nothing', '', ''],
    ['pop3', 'dribbles a command', 'USER ', 'x'],
    ['pop3', 'dribbles commands that are right', '', 'NOOP\r\n'],
    ['pop3', 'dribbles a SASL response', 'AUTH PLAIN\r\n', 'A'],
    ['sieve', 'says nothing', '', ''],
    ['sieve', 'dribbles commands that are right', '', 'NOOP\r\n'],
  ] as const)(
    'by %s and %s is let go when its time is up, however busy it was',
    async (protocol, _how, start, then) => {
      await using running = await slowAt(protocol);

      const told = await dribble(running, then === '' ? [] : endless(start, then));

      expect(told).toMatch(/(?:\* BYE|-ERR|BYE) .*inactivity\.?"?\r\n$/);
      expect(await running.event('connectionEnd')).toMatchObject({ how: 'timeout' });
    },
  );

  it.each([
    ['says nothing', '', ''],
    ['dribbles its hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', '\x00'],
  ])('in the TLS handshake and %s is let go when its time is up', async (_how, start, then) => {
    await using running = await slowAt('imap', IMPLICIT);

    const told = await dribble(running, then === '' ? [] : endless(start, then));

    expect(told).toBe('');
    expect(await running.event('connectionEnd')).toMatchObject({ how: 'tlsFailed' });
  });
});
