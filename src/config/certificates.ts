import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Secret } from '../../auth/secret.ts';
import type { Report } from './report.ts';
import type { Path } from './source.ts';

const SOON_MS = 7 * 24 * 3_600_000;

/** Reports a certificate and a private key that can't serve TLS together, or not for long. */
export function checkKeyPair(
  pair: { certificate: Buffer; key: Secret },
  paths: { certificate: Path; key: Path },
  report: Report,
): void {
  const certificate = parseCertificate(pair.certificate, paths.certificate, report);
  const key = parseKey(pair.key, paths.key, report);
  if (certificate === undefined || key === undefined) return;
  if (!certificate.checkPrivateKey(key)) {
    report.problem(
      paths.key,
      'this key is not that of the certificate',
      'the key that the certificate was made for',
    );
    return;
  }
  checkUsable(pair, paths.certificate, report);
  checkTime(certificate, paths.certificate, report);
}

/** Whether there is a certificate in the text of a file. */
export function isCertificate(pem: Buffer): boolean {
  return pem.includes('-----BEGIN CERTIFICATE-----');
}

/** Reports a file of authorities without a certificate in it. */
export function checkAuthorities(pem: Buffer, path: Path, report: Report): void {
  parseCertificate(pem, path, report);
}

function parseCertificate(pem: Buffer, path: Path, report: Report): X509Certificate | undefined {
  try {
    if (isCertificate(pem)) return new X509Certificate(pem);
    report.problem(path, 'there is no certificate in this file', 'PEM: -----BEGIN CERTIFICATE----- …');
  } catch (error) {
    // OpenSSL's errors have no class of their own, and nothing else can fail here.
    report.problem(
      path,
      `this certificate can't be read: ${reason(error)}`,
      'PEM: -----BEGIN CERTIFICATE----- …',
    );
  }
  return undefined;
}

function parseKey(pem: Secret, path: Path, report: Report): KeyObject | undefined {
  try {
    return createPrivateKey(pem.octets);
  } catch (error) {
    const encrypted = pem.octets.includes('ENCRYPTED');
    const message = encrypted ? 'this key has a passphrase' : `this key can't be read: ${reason(error)}`;
    report.problem(path, message, 'PEM without a passphrase: -----BEGIN PRIVATE KEY----- …');
    return undefined;
  }
}

function checkUsable(pair: { certificate: Buffer; key: Secret }, path: Path, report: Report): void {
  try {
    createSecureContext({ cert: pair.certificate, key: pair.key.octets });
  } catch (error) {
    // As above: whatever fails here is OpenSSL's.
    report.problem(
      path,
      `OpenSSL does not take this certificate: ${reason(error)}`,
      'RSA of 2048 bits or more or an elliptic curve, signed with SHA-256, its chain behind it',
    );
  }
}

function checkTime(certificate: X509Certificate, path: Path, report: Report): void {
  const end = certificate.validToDate.getTime();
  const left = end - Date.now();
  if (left < 0) report.warning(path, `this certificate ended on ${certificate.validTo}`, 'renew it');
  else if (left < SOON_MS)
    report.warning(path, `this certificate ends on ${certificate.validTo}`, 'renew it soon');
  if (certificate.validFromDate.getTime() > Date.now()) {
    report.warning(path, `this certificate begins on ${certificate.validFrom}`, "check this machine's clock");
  }
}

// The code only (ERR_OSSL_…): what OpenSSL could not read may be a secret.
function reason(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'not PEM';
}
