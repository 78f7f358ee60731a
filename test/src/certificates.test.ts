import { once } from 'node:events';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, describe, expect, it } from 'vitest';
import { Secret } from '../../auth/secret.ts';
import { entryFor } from '../../src/log-table.ts';
import type { ListenerTls } from '../../src/settings.ts';
import { serverUpgrade } from '../../src/tls.ts';
import { contextFor, makeContexts } from '../../src/tls-contexts.ts';
import { type FileContents, filed, met, shown } from '../support/certificate-files.ts';
import { CANARY, ConfigFolder, GOOD } from '../support/config-folder.ts';
import { listenerTls, runListener } from '../support/running-listener.ts';
import { type KeyPair, TestCa } from '../support/test-ca.ts';

const ca = new TestCa('Certificates test CA');
const [one, two, wild, old, expired] = [
  ca.issue({ commonName: 'one', hostNames: ['one.example.org'] }),
  ca.issue({ commonName: 'two', hostNames: ['two.example.org', 'two.example.net'] }),
  ca.issue({ commonName: 'wild', hostNames: ['*.example.org'] }),
  ca.issue({ commonName: 'old' }),
  ca.issue({ commonName: 'expired', expired: true }),
];

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

type SecureTls = Exclude<ListenerTls, { mode: 'none' }>;

function pair({ certificate, key }: KeyPair) {
  return { certificate: Buffer.from(certificate), key: new Secret(Buffer.from(key)) };
}

function upgradeOf(tls: SecureTls): ReturnType<typeof serverUpgrade> {
  const contexts = makeContexts(tls);
  return serverUpgrade(() => contexts, 'imap', 10_000);
}

describe('the certificate of a listener with several', () => {
  const several = listenerTls(old, { others: [pair(one), pair(two), pair(wild)] });

  it.each([
    ['one.example.org', 'one'],
    ['ONE.Example.ORG', 'one'],
    ['two.example.net', 'two'],
    ['three.example.org', 'wild'],
    ['a.b.example.org', 'old'],
    ['example.org', 'old'],
    ['unknown.example.com', 'old'],
    ['__proto__', 'old'],
    ['', 'old'],
  ])('is for the name %j that of %s', async (servername, name) => {
    expect(await shown(upgradeOf(several), ca, { servername })).toBe(name);
  });

  it('A25 does not grow with the names that clients make up', () => {
    const contexts = makeContexts(several);
    const before = contexts.byName.size;
    for (let at = 0; at < 100_000; at += 1) contextFor(contexts, `random-${at}.example.com`);

    expect(contexts.byName.size).toBe(before);
    expect(contextFor(contexts, 'x'.repeat(100_000))).toBe(contexts.fallback);
  });

  it('is of the kind of key that the client can check', async () => {
    const both = listenerTls(one, {
      others: [pair(ca.issueEc({ commonName: 'curve', hostNames: ['one.example.org'] }))],
    });
    const only = (ciphers: string) => ({
      maxVersion: 'TLSv1.2' as const,
      ciphers,
      servername: 'one.example.org',
    });

    expect(await shown(upgradeOf(both), ca, only('ECDHE-RSA-AES128-GCM-SHA256'))).toBe('one');
    expect(await shown(upgradeOf(both), ca, only('ECDHE-ECDSA-AES128-GCM-SHA256'))).toBe('curve');
  });
});

const START = { 'cert.pem': old.certificate, 'key.pem': old.key };

describe('certificates in use', () => {
  it('are told of at the start, with their end', async () => {
    using files = filed(START);
    await files.store.watch();

    expect(files.events).toEqual([
      {
        event: 'certificateInUse',
        file: expect.stringMatching(/cert\.pem$/),
        expires: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
        renewed: false,
      },
    ]);
  });

  it('are replaced when they are told to be read again', async () => {
    using files = filed(START);
    await files.store.watch();
    files.write({ 'cert.pem': one.certificate, 'key.pem': one.key });
    const before = await shown(files.upgrade, ca);
    await files.store.reload();

    expect([before, await shown(files.upgrade, ca)]).toEqual(['old', 'one']);
    expect(files.events.slice(1)).toMatchObject([
      { event: 'certificateInUse', renewed: true },
      { event: 'certificatesRead', renewed: 1 },
    ]);
  });

  it('are not called renewed when they were read again and are the same', async () => {
    const lists = { 'clients.pem': ca.certificate, 'revoked.pem': ca.revoke([]) };
    using files = filed(
      { ...START, ...lists },
      'clientCertificates: { caFile: clients.pem, crlFile: revoked.pem }',
    );
    await files.store.watch();
    const atStart = files.events.splice(0);
    await files.store.reload();

    expect(atStart).toMatchObject([
      { event: 'certificateInUse', renewed: false },
      { event: 'revocationListInUse', expires: expect.stringMatching(/^\d{4}-\d\d-\d\dT/), renewed: false },
    ]);
    expect(files.events).toEqual([{ event: 'certificatesRead', renewed: 0 }]);
  });

  it('are replaced by themselves when the files have changed, and then stayed as they are', async () => {
    using files = filed(START);
    await files.store.watch();
    await files.store.poll();
    files.write({ 'cert.pem': one.certificate });
    await files.store.poll();
    files.write({ 'key.pem': one.key });
    await files.store.poll();
    const tooEarly = await shown(files.upgrade, ca);
    await files.store.poll();
    await files.store.poll();

    expect([tooEarly, await shown(files.upgrade, ca)]).toEqual(['old', 'one']);
    expect(files.events.map((event) => event.event)).toEqual(['certificateInUse', 'certificateInUse']);
  });

  it.each<{ what: string; files: FileContents; why: string }>([
    {
      what: 'a key of another certificate',
      files: { 'cert.pem': one.certificate },
      why: 'tls.keyFile: this key is not that of the certificate',
    },
    {
      what: 'no key at all',
      files: { 'cert.pem': one.certificate, 'key.pem': `${CANARY}\n` },
      why: "tls.keyFile: this key can't be read",
    },
    {
      what: 'no certificate',
      files: { 'cert.pem': '' },
      why: 'tls.certificateFile: there is no certificate in this file',
    },
    {
      what: 'a certificate that has ended',
      files: { 'cert.pem': expired?.certificate ?? '', 'key.pem': expired?.key ?? '' },
      why: 'the certificate of CN=expired ended on',
    },
  ])('stay when there is $what instead, which is told of once', async ({ files: written, why }) => {
    using files = filed(START);
    await files.store.watch();
    files.write(written);
    for (let at = 0; at < 5; at += 1) await files.store.poll();

    expect(await shown(files.upgrade, ca)).toBe('old');
    const refused = files.events.filter((event) => event.event === 'certificateRefused');
    expect(refused).toEqual([expect.objectContaining({ detail: expect.stringContaining(why) })]);
    expect(JSON.stringify(refused)).not.toContain(CANARY);
    expect(refused.map((event) => entryFor(event).level)).toEqual(['error']);
  });

  it('are replaced each by itself', async () => {
    const further = { 'two.pem': two.certificate, 'two.key': two.key };
    using files = filed(
      { ...START, ...further },
      'certificates: [{ certificateFile: two.pem, keyFile: two.key }]',
    );
    await files.store.watch();
    files.write({ 'cert.pem': expired?.certificate ?? '', 'key.pem': expired?.key ?? '' });
    files.write({ 'two.pem': wild.certificate, 'two.key': wild.key });
    await files.store.reload();

    expect(await shown(files.upgrade, ca, { servername: 'x.example.org' })).toBe('wild');
    expect(await shown(files.upgrade, ca)).toBe('old');
    expect(files.events.map((event) => event.event)).toEqual([
      'certificateInUse',
      'certificateInUse',
      'certificateRefused',
      'certificateInUse',
      'certificatesRead',
    ]);
  });

  it('take a new list of revoked certificates for those who come from now on', async () => {
    const ann = ca.issue({ commonName: 'ann', emails: ['ann@example.org'] });
    const clients = { cert: ann.certificate, key: ann.key, servername: 'localhost' };
    const lists = { 'clients.pem': ca.certificate, 'revoked.pem': ca.revoke([]) };
    using files = filed(
      { ...START, ...lists },
      'clientCertificates: { caFile: clients.pem, crlFile: revoked.pem }',
    );
    await files.store.watch();
    const before = await met(files.upgrade, ca, clients);
    files.write({ 'revoked.pem': ca.revoke([ann]) });
    await files.store.reload();
    const after = await met(files.upgrade, ca, clients);

    expect([before, after].map(({ tls }) => tls?.clientCertificate?.commonName)).toEqual(['ann', undefined]);
    expect(after.tls?.refusedCertificate).toMatchObject({ why: 'it was revoked' });
    expect(files.events.slice(2)).toMatchObject([
      { event: 'revocationListInUse', renewed: true },
      { event: 'certificatesRead', renewed: 1 },
    ]);
  });

  it('are left to the sessions that have them', async () => {
    let current = old;
    const read = () => [{ kind: 'pair' as const, file: '-', index: 0, pair: pair(current) }];
    const source = { files: [], read };
    const tls = listenerTls(old, { source });
    await using running = await runListener({ listener: { tls } });
    const session = await greeted(running.port);
    current = one;
    await running.proxy.reloadCertificates();
    const later = await greeted(running.port);
    session.write('a NOOP\r\n');
    const [answer] = (await once(session, 'data')) as [Buffer];

    expect(answer.toString()).toMatch(/^a OK/);
    expect([session, later].map((socket) => socket.getPeerCertificate().subject.CN)).toEqual(['old', 'one']);
    session.destroy();
    later.destroy();
  });
});

async function greeted(port: number): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', ca: ca.certificate, servername: 'localhost' });
  await once(socket, 'data');
  return socket;
}

describe('tls.certificates', () => {
  it('are checked like the one beside them', () => {
    const further = (files: string) =>
      GOOD.replace('keyFile: key.pem', `keyFile: key.pem\n  certificates: [{ ${files} }]`);

    expect(folder.refusal(further('certificateFile: cert.pem, keyFile: ¶other-key.pem'))).toContain(
      'not that of',
    );
    expect(folder.refusal(further('certificateFile: ¶none.pem, keyFile: key.pem'))).toContain('no such file');
    const { tls } =
      folder.load(further('certificateFile: cert.pem, keyFile: key.pem')).settings.listeners[0] ?? {};
    expect(tls?.mode === 'none' ? [] : tls?.others).toHaveLength(1);
    expect(tls?.mode === 'none' ? [] : tls?.source?.files).toHaveLength(4);
  });
});
