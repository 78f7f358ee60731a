import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { SocketTransport } from '../../src/transport.ts';
import { type CertificateFiles, filed, shown } from '../support/certificate-files.ts';
import { listenOn } from '../support/sockets.ts';
import { type KeyPair, TestCa } from '../support/test-ca.ts';

const ca = new TestCa('Renewal test CA');
const [old, one, expired] = [
  ca.issue({ commonName: 'old' }),
  ca.issue({ commonName: 'one' }),
  ca.issue({ commonName: 'expired', expired: true }),
];
const START = {
  'cert.pem': old.certificate,
  'key.pem': old.key,
  'clients.pem': ca.certificate,
  'crl.pem': ca.revoke([]),
};
const ASKING = 'clientCertificates: { caFile: clients.pem, crlFile: crl.pem }';

/** Who a client with a certificate is to the listener, or why it is nobody. */
async function known(
  { upgrade }: CertificateFiles,
  { certificate, key }: KeyPair,
): Promise<string | undefined> {
  const server = createServer({ allowHalfOpen: true });
  const port = await listenOn(server);
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connectTls({
    port,
    host: '127.0.0.1',
    ca: ca.certificate,
    cert: certificate,
    key,
    servername: 'localhost',
  });
  const [socket] = await accepted;
  const ours = await new SocketTransport(socket, upgrade).upgradeTls(new AbortController().signal);
  client.destroy();
  ours.destroy();
  server.close();
  return ours.tls?.clientCertificate?.commonName ?? ours.tls?.refusedCertificate?.why;
}

function refusalsIn({ events }: CertificateFiles) {
  return events.flatMap((event) => (event.event === 'certificateRefused' ? [event] : []));
}

describe('what judges clients', () => {
  const [ann, bob] = [
    ca.issue({ commonName: 'ann', emails: [] }),
    ca.issue({ commonName: 'bob', emails: [] }),
  ];
  const newCa = new TestCa('New CA');

  it('is a new list when it is told to be read again, and when its file has changed', async () => {
    using files = filed(START, ASKING);
    await files.store.watch();
    const before = [await known(files, ann), await known(files, bob)];
    files.write({ 'crl.pem': ca.revoke([bob]) });
    await files.store.reload();
    const after = [await known(files, ann), await known(files, bob)];
    files.write({ 'crl.pem': ca.revoke([ann, bob]) });
    await files.store.poll();
    await files.store.poll();

    expect(before).toEqual(['ann', 'bob']);
    expect(after).toEqual(['ann', 'it was revoked']);
    expect(await known(files, ann)).toBe('it was revoked');
    expect(refusalsIn(files)).toEqual([]);
  });

  it('is the new list although a certificate beside it has ended, or its key is wrong', async () => {
    for (const wrong of [
      { 'cert.pem': expired.certificate, 'key.pem': expired.key },
      { 'key.pem': one.key },
    ]) {
      using files = filed(START, ASKING);
      await files.store.watch();
      files.write({ ...wrong, 'crl.pem': ca.revoke([bob]) });
      await files.store.reload();

      expect(await known(files, bob)).toBe('it was revoked');
      expect(await shown(files.upgrade, ca)).toBe('old');
      expect(refusalsIn(files)).toEqual([
        expect.objectContaining({ file: expect.stringMatching(/cert\.pem$/), detail: expect.any(String) }),
      ]);
    }
  });

  it('stays when the new list is broken, which keeps nothing else from being renewed', async () => {
    using files = filed(START, ASKING);
    await files.store.watch();
    files.write({ 'crl.pem': ca.revoke([bob]) });
    await files.store.reload();
    files.write({ 'crl.pem': 'junk', 'cert.pem': one.certificate, 'key.pem': one.key });
    await files.store.reload();

    expect(await known(files, bob)).toBe('it was revoked');
    expect(await shown(files.upgrade, ca)).toBe('one');
    expect(refusalsIn(files)).toEqual([
      expect.objectContaining({
        file: expect.stringMatching(/crl\.pem$/),
        detail: expect.stringContaining('tls.clientCertificates.crlFile: there is no list of revoked'),
      }),
    ]);
  });

  it('is another authority, even where its list can not be read: then nobody is trusted', async () => {
    using files = filed(START, ASKING);
    await files.store.watch();
    files.write({ 'clients.pem': newCa.certificate, 'crl.pem': 'junk' });
    await files.store.reload();

    const ours = await known(files, newCa.issue({ commonName: 'new', emails: [] }));

    expect(ours).toBe('clientCertificates.crlFile has no list of its authority');
    expect(await known(files, ann)).toMatch(/^no authority/);
  });
});
