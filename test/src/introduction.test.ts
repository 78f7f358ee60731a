import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseProxyHeader } from '../../protocols/proxy-header.ts';
import { introductionOf } from '../../src/introduction.ts';
import { MemoryTransport } from '../support/memory-transport.ts';
import { proxyBlock, tlsVector, type Vector } from '../support/proxy-block.ts';
import { TestCa } from '../support/test-ca.ts';

const ca = new TestCa('Balancer test CA');
const ann = ca.issue({ commonName: 'ann', emails: ['ann@example.org'] });
const DER = new X509Certificate(ann.certificate).raw;

/** What we take a client for whose balancer says this of its TLS. */
function introducedTls(client: number, verify: number, vectors: readonly Vector[], authority = '') {
  const octets = proxyBlock({
    vectors: [tlsVector(client, verify, vectors), [0x02, Buffer.from(authority, 'latin1')]],
  });
  const header = parseProxyHeader(octets)?.header;
  if (header === undefined) throw new Error('the header is not whole');
  return introductionOf(header, new MemoryTransport(), 'imap').tls;
}

const CONN = 0x03;
const SESSION_ONLY = 0x05;

describe('the TLS that a balancer tells of', () => {
  it('has version, cipher and server name, and never a channel binding', () => {
    const tls = introducedTls(
      1,
      0,
      [
        [0x21, 'TLSv1.3'],
        [0x23, 'TLS_AES_128_GCM_SHA256'],
      ],
      'mail.example.org',
    );

    expect(tls).toMatchObject({
      version: 'TLSv1.3',
      cipher: 'TLS_AES_128_GCM_SHA256',
      serverName: 'mail.example.org',
      clientCertificate: undefined,
    });
    expect(tls).toMatchObject({ channelBinding: undefined });
  });

  it('has nothing that is not what it should be', () => {
    const tls = introducedTls(
      1,
      0,
      [
        [0x21, 'TLSv1.3\r\nX'],
        [0x23, ''],
      ],
      '\xff\xfe',
    );

    expect(tls).toMatchObject({ version: 'unknown', cipher: 'unknown', serverName: undefined });
  });
});

describe('the client certificate that a balancer tells of', () => {
  it.each<{ what: string; client: number; verify: number }>([
    { what: 'was not shown', client: 0x01, verify: 0 },
    { what: 'was shown in an earlier connection only', client: SESSION_ONLY, verify: 0 },
    { what: 'was not found right', client: CONN, verify: 18 },
  ])('is none if it $what', ({ client, verify }) => {
    expect(
      introducedTls(client, verify, [
        [0x22, 'ann'],
        [0x28, DER],
      ])?.clientCertificate,
    ).toBeUndefined();
  });

  it('is known by its common name alone', () => {
    expect(introducedTls(CONN, 0, [[0x22, 'Doe, Änn']])?.clientCertificate).toEqual({
      subject: 'CN=Doe\\, Änn',
      commonName: 'Doe, Änn',
      emails: [],
      fingerprint: undefined,
    });
  });

  it('is read where the balancer passes it on, whatever else it says', () => {
    expect(
      introducedTls(CONN, 0, [
        [0x22, 'admin'],
        [0x28, DER],
      ])?.clientCertificate,
    ).toEqual({
      subject: 'CN=ann',
      commonName: 'ann',
      emails: ['ann@example.org'],
      fingerprint: new X509Certificate(DER).fingerprint256.replaceAll(':', '').toLowerCase(),
    });
  });

  it.each([
    ['is empty', ''],
    ['has a NUL', 'ann\0'],
    ['has a line break', 'ann\r\nadmin'],
    ['is not UTF-8', Buffer.from('ff', 'hex')],
  ])('is none if its common name %s', (_, commonName) => {
    expect(introducedTls(CONN, 0, [[0x22, commonName]])?.clientCertificate).toBeUndefined();
  });

  it('is none, and is told of, if it can not be read', () => {
    const tls = introducedTls(CONN, 0, [
      [0x22, 'admin'],
      [0x28, DER.subarray(0, 100)],
    ]);

    expect(tls?.clientCertificate).toBeUndefined();
    expect(tls?.refusedCertificate?.why).toBe('the certificate that the balancer passed on can not be read');
  });
});
