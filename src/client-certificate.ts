/** What a client's certificate says of it, if an authority that we trust vouches for it. */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { ClientCertificate } from '../auth/sasl.ts';
import type { RefusedCertificate } from '../protocols/transport.ts';
import { namesIn } from './alternative-names.ts';

/** What came of asking a client for a certificate; nothing, if it showed none. */
export interface Shown {
  readonly trusted?: ClientCertificate;
  readonly refused?: RefusedCertificate;
}

/** Reads the certificate that a client showed in a handshake in which it was asked for one. */
export function clientCertificateOf(socket: TLSSocket): Shown {
  const certificate = socket.getPeerX509Certificate();
  // Without a certificate there is no judgement either.
  if (certificate === undefined) {
    return {};
  }
  // OpenSSL's judgement is that of the handshake which began the session, should one be resumed after all.
  const problem = verificationProblem(socket) ?? untimely(certificate);
  return problem === undefined
    ? { trusted: describeCertificate(certificate) }
    : { refused: { subject: subjectOf(certificate), why: MEANING[problem] ?? problem } };
}

/** Says whose certificate it is; that it is trusted was found out before. */
export function describeCertificate(certificate: X509Certificate): ClientCertificate {
  return {
    subject: subjectOf(certificate),
    commonName: commonNameOf(certificate),
    emails: namesIn(certificate.subjectAltName, 'email').filter(isPlain),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}

/** Node's name for why OpenSSL does not trust the certificate; `undefined` if it does. */
function verificationProblem(socket: TLSSocket): string | undefined {
  // `authorized` is set by Node's own TLS server only, which asks the same question. Should a later Node have no such
  // answer, no certificate is trusted.
  const handle: unknown = Reflect.get(socket, '_handle');
  if (
    typeof handle !== 'object' ||
    handle === null ||
    !('verifyError' in handle) ||
    typeof handle.verifyError !== 'function'
  ) {
    return 'NOT_VERIFIED';
  }
  const error: unknown = handle.verifyError();
  if (error === null || error === undefined) {
    return undefined;
  }
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

/** The same names for a certificate whose time is not now. */
function untimely({ validFromDate, validToDate }: X509Certificate): string | undefined {
  const now = Date.now();
  if (validToDate.getTime() < now) {
    return 'CERT_HAS_EXPIRED';
  }
  return validFromDate.getTime() > now ? 'CERT_NOT_YET_VALID' : undefined;
}

const NO_AUTHORITY = 'no authority in clientCertificates.caFile vouches for it';
const MEANING: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT: NO_AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: NO_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: NO_AUTHORITY,
  DEPTH_ZERO_SELF_SIGNED_CERT: NO_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: NO_AUTHORITY,
  CERT_SIGNATURE_FAILURE: NO_AUTHORITY,
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  CERT_REVOKED: 'it was revoked',
  UNABLE_TO_GET_CRL: 'clientCertificates.crlFile has no list of its authority',
  CRL_HAS_EXPIRED: 'the list of its authority in clientCertificates.crlFile has expired',
  CRL_NOT_YET_VALID: 'the list of its authority in clientCertificates.crlFile is not valid yet',
  INVALID_PURPOSE: 'it is not for TLS clients',
};

/**
 * RFC 4514 section 2.1: the parts in reverse order. Node writes a line for each part, most general first, and escapes
 * what is special in a value, control characters too, so no value can pass for a part of its own.
 */
function subjectOf({ subject }: X509Certificate): string {
  const parts = (subject ?? '').split('\n').filter((part) => part !== '');
  return parts
    .map((part) => part.split(' + ').join('+'))
    .reverse()
    .join(',');
}

/** Of two common names neither can be believed more than the other, so there is none. */
function commonNameOf(certificate: X509Certificate): string | undefined {
  const name: unknown = certificate.toLegacyObject().subject.CN;
  return typeof name === 'string' && isPlain(name) ? name : undefined;
}

function isPlain(name: string): boolean {
  return name !== '' && !/\p{C}/u.test(name);
}
