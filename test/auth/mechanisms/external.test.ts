import { describe, expect, it } from 'vitest';
import { type CertificateMap, externalServer } from '../../../auth/mechanisms/external.ts';
import type { ClientCertificate, ServerStep } from '../../../auth/sasl.ts';
import { offerMechanisms, scramSupport } from '../../../src/mechanisms.ts';

const FINGERPRINT = 'ab'.repeat(32);
const ANN: ClientCertificate = {
  subject: 'CN=ann,OU=people,O=Example',
  commonName: 'ann',
  emails: ['ann@example.org'],
  fingerprint: FINGERPRINT,
};
const BY_EMAIL: CertificateMap = { user: 'email', entries: [] };

async function step(
  response: string | undefined,
  certificate: ClientCertificate = ANN,
  map: CertificateMap = BY_EMAIL,
): Promise<ServerStep> {
  const server = externalServer(certificate, map);
  const octets = response === undefined ? undefined : Buffer.from(response);
  return await server.step(octets, new AbortController().signal);
}

/** Who is proved, or why nobody is. */
async function proved(certificate: ClientCertificate, map: CertificateMap): Promise<string> {
  const result = await step('admin', certificate, map);
  if (result.kind !== 'proof') {
    return result.kind;
  }
  const { proof } = result;
  return proof.kind === 'refuted' ? `${proof.reason}: ${proof.detail}` : proof.authcid.toString();
}

describe('M8 EXTERNAL (RFC 4422 appendix A)', () => {
  it('asks for the message with an empty challenge', async () => {
    expect(await step(undefined)).toEqual({ kind: 'challenge', challenge: Buffer.alloc(0) });
  });

  it('I22 takes the certificate alone for an empty message', async () => {
    expect(await step('')).toEqual({
      kind: 'proof',
      proof: {
        kind: 'proved',
        shown: 'certificate',
        authcid: Buffer.from('ann@example.org'),
        authzid: Buffer.alloc(0),
      },
    });
  });

  it('passes on as whom the client wants to act, and never takes that for who it is', async () => {
    expect(await step('bob@example.org')).toEqual({
      kind: 'proof',
      proof: {
        kind: 'proved',
        shown: 'certificate',
        authcid: Buffer.from('ann@example.org'),
        authzid: Buffer.from('bob@example.org'),
      },
    });
  });

  it('refuses NUL in the message', async () => {
    expect(await step('ann\0')).toEqual({ kind: 'malformed' });
  });

  it('takes the common name where that is the login name', async () => {
    expect(await proved(ANN, { user: 'commonName', entries: [] })).toBe('ann');
  });

  it.each([
    ['fingerprint', FINGERPRINT],
    ['subject', ANN.subject],
    ['email', 'Ann@Example.org'],
    ['commonName', 'ann'],
  ] as const)(
    'finds an account by the %s of the certificate, before the field of all',
    async (field, value) => {
      const map: CertificateMap = {
        user: 'email',
        entries: [
          { field, value: `${value}x`, account: 'other' },
          { field, value, account: 'mapped' },
        ],
      };

      expect(await proved(ANN, map)).toBe('mapped');
    },
  );

  it.each([
    ['has no address', { ...ANN, emails: [] }, BY_EMAIL, 'has no email'],
    ['has an empty address', { ...ANN, emails: [''] }, BY_EMAIL, 'has no email'],
    ['has two addresses', { ...ANN, emails: ['a@x', 'b@x'] }, BY_EMAIL, 'has more than one email'],
    [
      'has no common name',
      { ...ANN, commonName: undefined },
      { user: 'commonName', entries: [] },
      'has no commonName',
    ],
    [
      'has no fingerprint, as a balancer saw it',
      { ...ANN, fingerprint: undefined },
      { user: undefined, entries: [{ field: 'fingerprint', value: FINGERPRINT, account: 'ann' }] },
      'fits no entry of external.map',
    ],
    [
      'is known by its common name alone, as a balancer saw it',
      { ...ANN, fingerprint: undefined },
      { user: undefined, entries: [{ field: 'subject', value: ANN.subject, account: 'ann' }] },
      'fits no entry of external.map',
    ],
    [
      'fits no entry',
      ANN,
      { user: undefined, entries: [{ field: 'commonName', value: 'bob', account: 'bob' }] },
      'fits no entry of external.map',
    ],
  ] as const)(
    "lets nobody in by a certificate that %s, whatever the client's name (CVE-2019-3814)",
    async (...row) => {
      const [, certificate, map, why] = row;

      expect(await proved(certificate, map)).toBe(`badCertificate: the certificate of ${ANN.subject} ${why}`);
    },
  );
});

describe('M8 the offer of EXTERNAL', () => {
  const TLS = { version: 'TLSv1.3', cipher: 'x', serverName: undefined, channelBinding: undefined };
  const parts = {
    authenticator: {
      authenticate: () => Promise.reject(new Error('not asked')),
      lookup: () => Promise.reject(new Error('not asked')),
      credentials: () => Promise.reject(new Error('not asked')),
      admit: async () => undefined,
      describeUser: () => '#',
    },
    directoryMs: 1000,
    scram: scramSupport(),
  };
  const offered = (names: readonly string[], certificate: ClientCertificate | undefined, map = true) => {
    const made = offerMechanisms(
      names,
      { ...parts, external: map ? BY_EMAIL : undefined },
      { service: 'imap' },
    );
    return [...made({ ...TLS, clientCertificate: certificate }).keys()];
  };

  it('is made to clients with a certificate', () => {
    expect(offered(['EXTERNAL', 'PLAIN'], ANN)).toEqual(['EXTERNAL', 'PLAIN']);
  });

  it('is not made without a certificate, a map, or its name in the listener', () => {
    expect(offered(['EXTERNAL', 'PLAIN'], undefined)).toEqual(['PLAIN']);
    expect(offered(['EXTERNAL', 'PLAIN'], ANN, false)).toEqual(['PLAIN']);
    expect(offered(['PLAIN'], ANN)).toEqual(['PLAIN']);
  });

  it('is not made in clear text', () => {
    const made = offerMechanisms(['EXTERNAL'], { ...parts, external: BY_EMAIL }, { service: 'imap' });

    expect([...made(undefined).keys()]).toEqual([]);
  });
});
