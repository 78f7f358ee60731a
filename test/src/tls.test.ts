import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, createSecureContext, TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../auth/secret.ts';
import type { ListenerTls, NodeTls } from '../../src/settings.ts';
import { clientUpgrade, noUpgrade, serverUpgrade } from '../../src/tls.ts';
import { makeContexts, type TlsContexts } from '../../src/tls-contexts.ts';
import { describeTlsProblem } from '../../src/tls-problem.ts';
import { SocketTransport } from '../../src/transport.ts';
import { listenOn } from '../support/sockets.ts';
import { type KeyPair, TestCa } from '../support/test-ca.ts';

const ca = new TestCa('TLS test CA');
const foreignCa = new TestCa('Another CA');
const own = ca.issue({ commonName: 'mail.example.org', hostNames: ['mail.example.org'] });
const expired = ca.issue({ commonName: 'old.example.org', expired: true });
const foreign = foreignCa.issue({ commonName: 'foreign.example.org', expired: true });

/** TLS 1.1 is not even tried without this. */
const ANY_CIPHER = 'DEFAULT@SECLEVEL=0';
const HANDSHAKE_MS = 60_000;
const NEVER = new AbortController().signal;

/** Two ends of a TCP connection, both closed with the scope. */
interface Ends extends Disposable {
  readonly accepted: Socket;
  readonly connected: Socket;
}

async function ends(): Promise<Ends> {
  const server = createServer({ allowHalfOpen: true });
  const port = await listenOn(server);
  const connected = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const [accepted] = (await once(server, 'connection')) as [Socket];
  server.close();
  for (const socket of [accepted, connected]) {
    // How a connection breaks is asked of the end that the test is about.
    socket.on('error', () => undefined);
  }
  const close = (): void => {
    accepted.destroy();
    connected.destroy();
  };
  return { accepted, connected, [Symbol.dispose]: close };
}

type SecureListener = Exclude<ListenerTls, { mode: 'none' }>;
type SecureNode = Exclude<NodeTls, { mode: 'none' }>;

function listener(changes: Partial<SecureListener> = {}): SecureListener {
  return {
    mode: 'implicit',
    certificate: Buffer.from(own.certificate),
    key: new Secret(Buffer.from(own.key)),
    minVersion: 'TLSv1.2',
    ciphers: undefined,
    clients: undefined,
    ...changes,
  };
}

function contexts(changes: Partial<SecureListener> = {}): () => TlsContexts {
  const made = makeContexts(listener(changes));
  return () => made;
}

function client(socket: Socket, options: ConnectionOptions = {}): TLSSocket {
  const theirs = connectTls({ socket, ca: ca.certificate, servername: 'mail.example.org', ...options });
  theirs.on('error', () => undefined);
  return theirs;
}

/** Waits until the peer has closed the connection, in whatever way. */
async function left(socket: Socket): Promise<void> {
  await new Promise((resolve) => socket.resume().once('end', resolve).once('close', resolve));
}

/** Starts TLS on both ends of a connection. */
async function secured({ accepted, connected }: Ends, options: ConnectionOptions = {}) {
  const theirs = client(connected, options);
  const [ours] = await Promise.all([
    serverUpgrade(contexts(), 'imap', HANDSHAKE_MS)(accepted, NEVER),
    once(theirs, 'secureConnect'),
  ]);
  return { ours, theirs };
}

describe('serverUpgrade', () => {
  it.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s, and passes on what is said in it', async (version) => {
    using tcp = await ends();
    const { ours, theirs } = await secured(tcp, { minVersion: version, maxVersion: version });
    ours.write('* OK ready\r\n');
    const [greeting] = (await once(theirs, 'data')) as [Buffer];

    expect(greeting.toString()).toBe('* OK ready\r\n');
    expect(new SocketTransport(ours, noUpgrade).tls).toMatchObject({
      version,
      serverName: 'mail.example.org',
    });
  });

  it('takes a client that names no protocol by ALPN', async () => {
    using tcp = await ends();
    const { ours } = await secured(tcp);

    expect(ours.alpnProtocol).toBe(false);
  });

  it('takes a client that names ours among others', async () => {
    using tcp = await ends();
    const { theirs } = await secured(tcp, { ALPNProtocols: ['http/1.1', 'imap'] });

    expect(theirs.alpnProtocol).toBe('imap');
  });

  it.each<{ what: string; offer: ConnectionOptions; tls?: Partial<SecureListener>; why: string }>([
    {
      what: 'that was led here for another protocol',
      offer: { ALPNProtocols: ['http/1.1', 'pop3'] },
      why: 'the peer asked for another protocol by ALPN',
    },
    {
      what: 'of TLS 1.1, whatever the ciphers allow',
      offer: { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: ANY_CIPHER },
      tls: { ciphers: ANY_CIPHER },
      why: 'the peer speaks no TLS version that is allowed',
    },
    {
      what: 'of TLS 1.2 where 1.3 is asked for',
      offer: { maxVersion: 'TLSv1.2' },
      tls: { minVersion: 'TLSv1.3' },
      why: 'the peer speaks no TLS version that is allowed',
    },
    {
      what: 'that knows suites of CBC mode only',
      offer: { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES128-SHA256' },
      why: 'the peer has no cipher suite in common',
    },
    {
      what: 'without forward secrecy',
      offer: { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' },
      why: 'the peer has no cipher suite in common',
    },
  ])('refuses a client $what', async ({ offer, tls, why }) => {
    using tcp = await ends();
    const closed = left(client(tcp.connected, offer));

    const handshake = serverUpgrade(contexts(tls), 'imap', HANDSHAKE_MS)(tcp.accepted, NEVER);

    await expect(handshake).rejects.toThrow(why);
    await closed;
  });

  it.each([
    ['GET / HTTP/1.1\r\n\r\n', 'the peer spoke HTTP in clear text'],
    ['a CAPABILITY\r\nb LOGIN u p\r\n', 'the peer does not speak TLS on this port'],
  ])('says of a client that sends %j what it spoke', async (words, why) => {
    using tcp = await ends();
    tcp.connected.write(words);

    const handshake = serverUpgrade(contexts(), 'imap', HANDSHAKE_MS)(tcp.accepted, NEVER);

    await expect(handshake).rejects.toThrow(why);
  });

  it('takes the suites that the settings allow, in our order', async () => {
    using tcp = await ends();
    const ciphers = 'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256';
    client(tcp.connected, {
      maxVersion: 'TLSv1.2',
      ciphers: 'ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384',
    });

    const ours = await serverUpgrade(contexts({ ciphers }), 'imap', HANDSHAKE_MS)(tcp.accepted, NEVER);

    expect(ours.getCipher().name).toBe('ECDHE-RSA-AES256-GCM-SHA384');
  });

  it('A25 does not negotiate again, which would cost us more than the client', async () => {
    using tcp = await ends();
    const { theirs } = await secured(tcp, { maxVersion: 'TLSv1.2' });

    const refused = await new Promise<Error | null>((resolve) => {
      theirs.once('error', resolve);
      theirs.renegotiate({}, resolve);
    });

    expect(refused).toMatchObject({ code: 'ERR_SSL_NO_RENEGOTIATION' });
  });

  it('ends a handshake in which nothing is said when its time is up', async () => {
    using tcp = await ends();
    const closed = left(tcp.connected);

    const handshake = serverUpgrade(contexts(), 'imap', 1)(tcp.accepted, NEVER);

    await expect(handshake).rejects.toThrow('not done within 1 ms');
    await closed;
  });

  it('ends a handshake at the signal, with its reason', async () => {
    using tcp = await ends();
    const closed = left(tcp.connected);
    const stopping = new AbortController();
    const handshake = serverUpgrade(contexts(), 'imap', HANDSHAKE_MS)(tcp.accepted, stopping.signal);

    const reason = new Error('the proxy is stopping');
    stopping.abort(reason);

    await expect(handshake).rejects.toBe(reason);
    await closed;
  });

  it('does not begin one when the signal was there before', async () => {
    using tcp = await ends();
    const closed = left(tcp.connected);
    const reason = new Error('the proxy is stopping');

    const handshake = serverUpgrade(
      contexts(),
      'imap',
      HANDSHAKE_MS,
    )(tcp.accepted, AbortSignal.abort(reason));

    await expect(handshake).rejects.toBe(reason);
    await closed;
  });

  it('has nothing more to do with the signal and the time after the handshake', async () => {
    using tcp = await ends();
    const theirs = client(tcp.connected);
    const stopping = new AbortController();
    const ours = await serverUpgrade(contexts(), 'imap', HANDSHAKE_MS)(tcp.accepted, stopping.signal);
    stopping.abort(new Error('the proxy is stopping'));
    ours.write('* OK ready\r\n');
    const [greeting] = (await once(theirs, 'data')) as [Buffer];

    expect(greeting.toString()).toBe('* OK ready\r\n');
    expect(ours.destroyed).toBe(false);
  });

  it.each([
    { what: 'without a word', words: '', why: 'the peer closed the connection without a word' },
    {
      what: 'in the handshake',
      words: '\x16\x03\x01\x02\x00\x01',
      why: 'the peer closed the connection in the TLS handshake',
    },
  ])('says that a client left $what', async ({ words, why }) => {
    using tcp = await ends();
    const handshake = serverUpgrade(contexts(), 'imap', HANDSHAKE_MS)(tcp.accepted, NEVER);
    tcp.connected.end(Buffer.from(words, 'latin1'));

    await expect(handshake).rejects.toThrow(why);
  });

  it('ends a handshake whose connection is destroyed under it', async () => {
    using tcp = await ends();
    const handshake = serverUpgrade(contexts(), 'imap', HANDSHAKE_MS)(tcp.accepted, NEVER);
    tcp.accepted.destroy();

    await expect(handshake).rejects.toThrow('the peer closed the connection');
  });

  it('closes a connection at a record that was tampered with, and reads nothing of it', async () => {
    using tcp = await ends();
    const { ours } = await secured(tcp);
    const transport = new SocketTransport(ours, noUpgrade);
    const { promise: closed, resolve } = Promise.withResolvers<Error | undefined>();
    let read = 0;
    transport.attach({
      octets: ({ length }) => {
        read += length;
      },
      drained: () => undefined,
      ended: () => undefined,
      closed: resolve,
    });

    // The TCP connection is below the client's TLS: nothing encrypts this record of 32 octets.
    tcp.connected.write(Buffer.concat([Buffer.from('1703030020', 'hex'), Buffer.alloc(32, 0x5a)]));

    expect(await closed).toMatchObject({ code: 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC' });
    expect(read).toBe(0);
  });
});

describe('noUpgrade', () => {
  it('refuses to secure a connection where TLS is not configured', async () => {
    using tcp = await ends();

    await expect(noUpgrade(tcp.accepted)).rejects.toThrow('TLS is not configured here');
  });
});

function nodeTls(changes: Partial<SecureNode> = {}): SecureNode {
  return {
    mode: 'implicit',
    ca: Buffer.from(ca.certificate),
    serverName: undefined,
    pin: undefined,
    ...changes,
  };
}

/** Makes the accepted end a node with this certificate. */
function playNode({ accepted }: Ends, { certificate, key }: KeyPair, maxVersion?: 'TLSv1.2'): TLSSocket {
  const secureContext = createSecureContext({
    cert: certificate,
    key,
    ...(maxVersion === undefined ? {} : { maxVersion }),
  });
  const node = new TLSSocket(accepted, { isServer: true, secureContext });
  node.on('error', () => undefined);
  return node;
}

function fingerprintOf({ certificate }: KeyPair): string {
  return new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase();
}

describe('clientUpgrade', () => {
  it.each<{ what: string; host: string; certificate?: KeyPair; tls?: Partial<SecureNode> }>([
    { what: 'with a certificate for its host by the right authority', host: 'mail.example.org' },
    { what: 'with a certificate for its address', host: '127.0.0.1' },
    {
      what: 'with a certificate for the name in the settings',
      host: '192.0.2.1',
      tls: { serverName: 'mail.example.org' },
    },
    {
      what: 'with the pinned certificate, whoever signed it, for whatever name and time',
      host: 'mail.example.org',
      certificate: foreign,
      tls: { pin: fingerprintOf(foreign) },
    },
  ])('believes a node $what', async ({ host, certificate = own, tls }) => {
    using tcp = await ends();
    const node = playNode(tcp, certificate);

    const ours = await clientUpgrade(nodeTls(tls), host)(tcp.connected, NEVER);
    node.write('* OK ready\r\n');
    const [greeting] = (await once(ours, 'data')) as [Buffer];

    expect(greeting.toString()).toBe('* OK ready\r\n');
  });

  it('speaks TLS 1.2 where the node has no other', async () => {
    using tcp = await ends();
    playNode(tcp, own, 'TLSv1.2');

    const ours = await clientUpgrade(nodeTls(), 'mail.example.org')(tcp.connected, NEVER);

    expect(ours.getProtocol()).toBe('TLSv1.2');
  });

  it.each([
    ['its host name', 'mail.example.org', 'mail.example.org'],
    // RFC 6066 section 3: literal addresses are not permitted there.
    ['nothing instead of an address', '127.0.0.1', false],
  ])('tells the node %s by SNI', async (_, host, told) => {
    using tcp = await ends();
    const node = playNode(tcp, own);
    const shaken = once(node, 'secure');

    await clientUpgrade(nodeTls(), host)(tcp.connected, NEVER);
    await shaken;

    expect((node as { servername?: unknown }).servername ?? false).toBe(told);
  });

  it.each<{ what: string; host?: string; certificate?: KeyPair; tls?: Partial<SecureNode>; why: string }>([
    {
      what: 'by another authority',
      tls: { ca: Buffer.from(foreignCa.certificate) },
      why: 'its certificate is by no authority in caFile',
    },
    {
      what: 'by an authority of ours where the settings name none',
      tls: { ca: undefined },
      why: 'its certificate is by no authority in caFile or, without one, by none that Node brings along',
    },
    {
      what: 'for another name',
      host: 'imap.example.org',
      why: "its certificate is for another name: Hostname/IP does not match certificate's altnames",
    },
    { what: 'for another address', host: '127.0.0.2', why: 'its certificate is for another name' },
    {
      what: 'for the host where the settings say another name',
      tls: { serverName: 'imap.example.org' },
      why: 'its certificate is for another name',
    },
    { what: 'that has expired', host: 'localhost', certificate: expired, why: 'its certificate has expired' },
    {
      what: 'that is not the pinned one, though the right authority signed it',
      tls: { pin: '0'.repeat(64) },
      why: `its certificate is not the pinned one: the sha256 is ${fingerprintOf(own)}`,
    },
  ])('believes no node with a certificate $what', async (terms) => {
    const { host = 'mail.example.org', certificate = own, tls, why } = terms;
    using tcp = await ends();
    const node = playNode(tcp, certificate);
    const closed = left(node);

    const handshake = clientUpgrade(nodeTls(tls), host)(tcp.connected, NEVER);

    await expect(handshake).rejects.toThrow(why);
    await closed;
    expect(tcp.connected.destroyed).toBe(true);
  });

  it.each([
    ['FIN', (socket: Socket) => void socket.end()],
    ['a reset', (socket: Socket) => void socket.resetAndDestroy()],
  ])('says that a node closes the connection in the handshake by %s', async (_, leave) => {
    using tcp = await ends();
    tcp.accepted.once('data', () => leave(tcp.accepted));

    const handshake = clientUpgrade(nodeTls(), 'mail.example.org')(tcp.connected, NEVER);

    await expect(handshake).rejects.toThrow('the peer closed the connection in the TLS handshake');
  });

  it('says that a node does not speak TLS there', async () => {
    using tcp = await ends();
    tcp.accepted.write('* OK IMAP4rev1 ready\r\n');

    const handshake = clientUpgrade(nodeTls(), 'mail.example.org')(tcp.connected, NEVER);

    await expect(handshake).rejects.toThrow('the peer does not speak TLS on this port');
  });

  it('ends a handshake at the signal, with its reason', async () => {
    using tcp = await ends();
    const closed = left(tcp.accepted);
    const timeIsUp = new AbortController();
    const hello = once(tcp.accepted, 'data');
    const handshake = clientUpgrade(nodeTls(), 'mail.example.org')(tcp.connected, timeIsUp.signal);
    await hello;

    const reason = new Error('not done within 5000 ms');
    timeIsUp.abort(reason);

    await expect(handshake).rejects.toBe(reason);
    await closed;
  });
});

function problem(code: string, message = 'error:0A00:SSL routines'): Error {
  return Object.assign(new Error(message), { code });
}

describe('describeTlsProblem', () => {
  it.each([
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'the peer does not speak TLS on this port'],
    ['ERR_SSL_HTTP_REQUEST', 'the peer spoke HTTP in clear text'],
    ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'the peer speaks no TLS version that is allowed'],
    ['ERR_SSL_NO_SHARED_CIPHER', 'the peer has no cipher suite in common'],
    ['ERR_SSL_NO_APPLICATION_PROTOCOL', 'the peer asked for another protocol by ALPN'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'the peer does not know the authority of our certificate'],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN', 'the peer does not accept our certificate'],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'the peer refuses the TLS versions that are allowed here'],
    [
      'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
      'the peer refuses what is offered: it has no cipher suite or kind of certificate in common',
    ],
    ['CERT_HAS_EXPIRED', 'its certificate has expired'],
    ['CERT_NOT_YET_VALID', 'its certificate is not valid yet'],
    ['ECONNRESET', 'the peer closed the connection in the TLS handshake'],
  ])('says for %s: %s', (code, words) => {
    expect(describeTlsProblem(problem(code))).toBe(words);
  });

  it.each([
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
  ])('names caFile for %s', (code) => {
    expect(describeTlsProblem(problem(code))).toBe(
      'its certificate is by no authority in caFile or, without one, by none that Node brings along',
    );
  });

  it("keeps Node's words on which names a certificate has", () => {
    const words = describeTlsProblem(problem('ERR_TLS_CERT_ALTNAME_INVALID', 'DNS:mail.example.org'));

    expect(words).toBe('its certificate is for another name: DNS:mail.example.org');
  });

  it('has no better words for what it does not know', () => {
    expect(describeTlsProblem(problem('ERR_SSL_NEW_IN_4_0', 'error:0A00:new\n'))).toBe('error:0A00:new');
    expect(describeTlsProblem(new Error('plain'))).toBe('plain');
    expect(describeTlsProblem('a string')).toBe('a string');
  });
});
