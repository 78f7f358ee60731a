import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { describe, expect, it, vi } from 'vitest';
import type { TlsState } from '../../protocols/transport.ts';
import { describeCertificate } from '../../src/client-certificate.ts';
import type { ClientAuthorities } from '../../src/settings.ts';
import { serverUpgrade } from '../../src/tls.ts';
import { makeContexts } from '../../src/tls-contexts.ts';
import { SocketTransport } from '../../src/transport.ts';
import { listenerTls, runListener } from '../support/running-listener.ts';
import { listenOn } from '../support/sockets.ts';
import { type KeyPair, TestCa } from '../support/test-ca.ts';

const ca = new TestCa('Client test CA');
const namesake = new TestCa('Client test CA');
const foreignCa = new TestCa('Another CA');
const own = ca.issue({ commonName: 'mail.example.org' });
const ann = ca.issue({ commonName: 'ann', emails: ['ann@example.org', "o'neill@example.org"] });
const bob = ca.issue({ commonName: 'bob', emails: [] });
const late = ca.issue({ commonName: 'late', emails: [], expired: true });
const impostor = namesake.issue({ commonName: 'ann', emails: ['ann@example.org'] });
const stranger = foreignCa.issue({ commonName: 'ann', emails: ['ann@example.org'] });

type SecureListener = ReturnType<typeof listenerTls>;

function listener(clients: Partial<ClientAuthorities> = {}): SecureListener {
  return listenerTls(own, {
    clients: { authorities: Buffer.from(ca.certificate), revocations: [], ...clients },
  });
}

function lists(...pem: readonly string[]): Pick<ClientAuthorities, 'revocations'> {
  return { revocations: pem.map((list) => ({ pem: Buffer.from(list), until: undefined })) };
}

interface Server extends Disposable {
  /** What the server knows of a client after its handshake, and the session that the client can resume. */
  meet(options?: ConnectionOptions): Promise<{ tls: TlsState | undefined; session: Buffer; reused: boolean }>;
}

async function serve(tls: SecureListener): Promise<Server> {
  const contexts = makeContexts(tls);
  const upgrade = serverUpgrade(() => contexts, 'imap', 10_000);
  const server = createServer({ allowHalfOpen: true });
  const port = await listenOn(server);
  const meet: Server['meet'] = async (options = {}) => {
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const raw = connect({ port, host: '127.0.0.1' });
    const theirs: TLSSocket = connectTls({
      socket: raw,
      ca: ca.certificate,
      servername: 'localhost',
      ...options,
    });
    const ticket = once(theirs, 'session') as Promise<[Buffer]>;
    const [socket] = await accepted;
    const secured = once(theirs, 'secureConnect');
    const ours = await new SocketTransport(socket, upgrade).upgradeTls(new AbortController().signal);
    await secured;
    ours.write(Buffer.from('* OK ready\r\n'));
    await once(theirs, 'data');
    const reused = theirs.isSessionReused();
    const [session] = reused ? [Buffer.alloc(0)] : await ticket;
    theirs.destroy();
    ours.destroy();
    return { tls: ours.tls, session, reused };
  };
  return { meet, [Symbol.dispose]: () => server.close() };
}

function shownBy({ certificate, key }: KeyPair): ConnectionOptions {
  return { cert: certificate, key };
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('client certificates in %s', (version) => {
  const only = { minVersion: version, maxVersion: version };

  it('I18 are asked for, and a client without one goes on without', async () => {
    using server = await serve(listener());

    const { tls } = await server.meet(only);

    expect(tls?.version).toBe(version);
    expect(tls?.clientCertificate).toBeUndefined();
    expect(tls?.refusedCertificate).toBeUndefined();
  });

  it('say whose they are when our authority vouches for them', async () => {
    using server = await serve(listener());

    const { tls } = await server.meet({ ...only, ...shownBy(ann) });

    expect(tls?.clientCertificate).toEqual({
      subject: 'CN=ann',
      commonName: 'ann',
      emails: ['ann@example.org', "o'neill@example.org"],
      fingerprint: new X509Certificate(ann.certificate).fingerprint256.replaceAll(':', '').toLowerCase(),
    });
  });

  it.each<{ what: string; pair: KeyPair; clients?: Partial<ClientAuthorities>; why: string }>([
    {
      what: 'of another authority',
      pair: stranger,
      why: 'no authority in clientCertificates.caFile vouches for it',
    },
    {
      what: 'of another authority that has the same name',
      pair: impostor,
      why: 'no authority in clientCertificates.caFile vouches for it',
    },
    { what: 'that have expired', pair: late, why: 'it has expired' },
    { what: 'of a server', pair: own, why: 'it is not for TLS clients' },
    {
      what: 'that were revoked',
      pair: bob,
      // Node reads no more than the first list of a text.
      clients: lists(foreignCa.revoke([]), ca.revoke([bob])),
      why: 'it was revoked',
    },
    {
      what: 'of an authority whose list has expired',
      pair: ann,
      clients: lists(ca.revoke([], { expired: true })),
      why: 'the list of its authority in clientCertificates.crlFile has expired',
    },
  ])('give nobody a name $what, and the handshake goes on', async ({ pair, clients, why }) => {
    using server = await serve(listener(clients));

    const { tls } = await server.meet({ ...only, ...shownBy(pair) });

    expect(tls?.clientCertificate).toBeUndefined();
    expect(tls?.refusedCertificate).toMatchObject({ why });
  });

  it('are trusted when others were revoked', async () => {
    using server = await serve(listener(lists(ca.revoke([bob]))));

    const { tls } = await server.meet({ ...only, ...shownBy(ann) });

    expect(tls?.clientCertificate?.commonName).toBe('ann');
  });

  it.each([
    ['a trusted one', ann],
    ['one that is refused', stranger],
    ['none', undefined],
  ])('are asked for anew by each handshake: a session with %s is never resumed', async (_, pair) => {
    using server = await serve(listener());
    const shown = pair === undefined ? {} : shownBy(pair);
    const first = await server.meet({ ...only, ...shown });

    const again = await server.meet({ ...only, ...shown, session: first.session });
    const without = await server.meet({ ...only, session: first.session });

    expect([first.session.length > 0, again.reused, without.reused]).toEqual([true, false, false]);
    const channelBinding = version === 'TLSv1.3' ? expect.any(Function) : undefined;
    expect(again.tls).toMatchObject({ ...first.tls, channelBinding });
    expect(without.tls?.clientCertificate).toBeUndefined();
  });

  it.each([
    [91, 'it has expired'],
    [-11, 'it is not valid yet'],
  ])('give nobody a name %i days from now, whatever OpenSSL said of them', async (days, why) => {
    using server = await serve(listener());
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + days * 86_400_000 });

    const { tls } = await server.meet({ ...only, ...shownBy(ann) }).finally(() => vi.useRealTimers());

    expect(tls?.clientCertificate).toBeUndefined();
    expect(tls?.refusedCertificate).toEqual({ subject: 'CN=ann', why });
  });

  it('leave sessions to be resumed where none are asked for', async () => {
    using server = await serve({ ...listener(), clients: undefined });
    const { session } = await server.meet(only);

    expect((await server.meet({ ...only, session })).reused).toBe(true);
  });

  it('are not asked for where no authorities are configured', async () => {
    using server = await serve({ ...listener(), clients: undefined });

    const { tls } = await server.meet({ ...only, ...shownBy(ann) });

    expect(tls?.clientCertificate).toBeUndefined();
    expect(tls?.refusedCertificate).toBeUndefined();
  });
});

describe('the subject of a client certificate', () => {
  function described(terms: Parameters<TestCa['issue']>[0]) {
    return describeCertificate(new X509Certificate(ca.issue({ emails: [], ...terms }).certificate));
  }

  it('is written as RFC 4514 has it, most specific part first', () => {
    const subject = [
      { shortName: 'C', value: 'DE' },
      { shortName: 'O', value: 'Ex, "ample" + Co' },
      { shortName: 'CN', value: 'ann' },
    ];

    expect(described({ commonName: '', subject })).toMatchObject({
      subject: 'CN=ann,O=Ex\\, \\"ample\\" \\+ Co,C=DE',
      commonName: 'ann',
    });
  });

  it.each([
    ['a line break and another part', 'x\nCN=admin', 'CN=x\\0ACN=admin'],
    ['a comma and another part', 'x,CN=admin', 'CN=x\\,CN=admin'],
    ['a plus and another attribute', 'x + CN=admin', 'CN=x \\+ CN=admin'],
    ['a NUL', 'admin\0.example.org', 'CN=admin\\00.example.org'],
  ])('has one part where its value holds %s', (_, value, subject) => {
    const certificate = described({ commonName: '', subject: [{ shortName: 'CN', value }] });

    expect(certificate.subject).toBe(subject);
  });

  it.each(['admin\0.example.org', 'x\r\ny', '\u202Enna', ''])('has no common name of %j', (value) => {
    const field = { shortName: 'CN', value, valueTagClass: 12 };

    expect(described({ commonName: '', subject: [field] }).commonName).toBeUndefined();
  });

  it('has no common name where there are two', () => {
    const subject = ['ann', 'admin'].map((value) => ({ shortName: 'CN', value }));

    expect(described({ commonName: '', subject }).commonName).toBeUndefined();
  });

  it('has no mail address that a crafted name makes up', () => {
    const emails = ['x, email:admin@example.org', '", email:admin@example.org', 'a\r\nb@example.org', ''];

    expect(described({ commonName: 'ann', emails }).emails).toEqual(emails.slice(0, 2));
  });
});

describe('a client certificate that is not trusted', () => {
  it('is told of once, with who it claims to be, and does not keep the client from logging in', async () => {
    const tls = { ...listener(), mode: 'starttls' as const };
    await using running = await runListener({ listener: { tls } });
    const raw = connect({ port: running.port, host: '127.0.0.1' });
    await once(raw, 'data');
    raw.write('a STARTTLS\r\n');
    await once(raw, 'data');
    const theirs = connectTls({
      socket: raw,
      ca: ca.certificate,
      servername: 'localhost',
      ...shownBy(stranger),
    });
    theirs.write('b CAPABILITY\r\nc CAPABILITY\r\n');
    const [capabilities] = (await once(theirs, 'data')) as [Buffer];
    theirs.end('d LOGOUT\r\n');
    await running.event('connectionEnd');

    expect(capabilities.toString()).toContain('AUTH=PLAIN');
    expect(running.events.filter(({ event }) => event === 'clientCertificateRefused')).toEqual([
      expect.objectContaining({
        protocol: 'imap',
        client: '127.0.0.1',
        subject: 'CN=ann',
        detail: 'no authority in clientCertificates.caFile vouches for it',
      }),
    ]);
  });
});
