import { once } from 'node:events';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../auth/secret.ts';
import { serverUpgrade } from '../../src/tls.ts';
import { makeContexts } from '../../src/tls-contexts.ts';
import { SocketTransport } from '../../src/transport.ts';
import { readAll, socketPair } from '../support/sockets.ts';
import { TestCa } from '../support/test-ca.ts';

describe('SocketTransport.close', () => {
  it('delivers the last words to a peer that still sends', async () => {
    const { ours, theirs } = await socketPair();
    const heard = readAll(theirs);

    ours.write(Buffer.from('* BYE\r\n'));
    ours.close();
    theirs.end(Buffer.alloc(64 * 1024));

    expect((await heard).toString()).toBe('* BYE\r\n');
  });

  it('A22 reads no flood to its end', async () => {
    const { ours, ourSocket, theirs } = await socketPair();
    const closed = once(ourSocket, 'close');

    // It would linger for an hour.
    ours.close(3_600_000);
    const pour = (): void => {
      while (theirs.writable && theirs.write(Buffer.alloc(64 * 1024))) {
        // Until the kernel takes no more.
      }
    };
    theirs.on('drain', pour);
    pour();
    await closed;

    expect(ourSocket.bytesRead).toBeGreaterThan(128 * 1024);
    expect(ourSocket.bytesRead).toBeLessThan(1024 * 1024);
  });
});

const NEVER = new AbortController().signal;
const INTRODUCTION = {
  remote: { ip: '192.0.2.1', port: 1 },
  local: { ip: '192.0.2.2', port: 993 },
  tls: undefined,
};
const EVENTS = ['data', 'drain', 'end', 'error', 'close'] as const;

describe('a transport that was introduced, then secured', () => {
  it('leaves nothing of itself on the socket, which outlives it for the whole session', async () => {
    const ca = new TestCa('Transport CA');
    const own = ca.issue({ commonName: 'localhost', hostNames: ['localhost'] });
    const contexts = makeContexts({
      mode: 'implicit',
      certificate: Buffer.from(own.certificate),
      key: new Secret(Buffer.from(own.key)),
      minVersion: 'TLSv1.2',
      ciphers: undefined,
      clients: undefined,
    });
    const { ourSocket, theirs } = await socketPair();
    ourSocket.removeAllListeners();
    const first = new SocketTransport(
      ourSocket,
      serverUpgrade(() => contexts, 'imap', 5000),
    );
    const ofFirst = EVENTS.flatMap((event) => ourSocket.listeners(event));

    const second = first.introduce(INTRODUCTION, Buffer.alloc(0));
    const ofSecond = EVENTS.flatMap((event) => ourSocket.listeners(event));
    const upgraded = second.upgradeTls(NEVER);
    const client = connectTls({ socket: theirs, ca: ca.certificate, servername: 'localhost' });
    const [third] = await Promise.all([upgraded, once(client, 'secureConnect')]);
    const left = EVENTS.flatMap((event) => ourSocket.listeners(event));

    expect(ofSecond.filter((listener) => ofFirst.includes(listener))).toEqual([]);
    const ofBoth = [...ofFirst, ...ofSecond].filter(({ name }) => name !== 'ignore');
    expect(left.filter((listener) => ofBoth.includes(listener))).toEqual([]);
    expect(left.filter(({ name }) => name === 'ignore')).toHaveLength(1);
    third.destroy();
    theirs.destroy();
  });
});
