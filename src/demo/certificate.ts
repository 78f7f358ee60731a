import { X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { readKept, writePrivate } from './private-file.ts';

const KEY_BITS = 2048;
const VALID_DAYS = 365;
const DAY_MS = 24 * 3_600_000;

/** Where a certificate and its private key are kept. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

/** Makes a self-signed certificate for localhost at the first start, and anew when it has expired. */
export async function keepCertificate(files: CertificateFiles): Promise<void> {
  if (await isUsable(files)) {
    return;
  }
  const { certificate, key } = makeCertificate();
  await writePrivate(files.key, key);
  await writePrivate(files.certificate, certificate);
}

async function isUsable(files: CertificateFiles): Promise<boolean> {
  const certificate = await readKept(files.certificate);
  const key = await readKept(files.key);
  if (certificate === undefined || key === undefined) {
    return false;
  }
  return new X509Certificate(certificate).validToDate.getTime() > Date.now();
}

function makeCertificate(): { readonly certificate: string; readonly key: string } {
  const keys = forge.pki.rsa.generateKeyPair({ bits: KEY_BITS });
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = keys.publicKey;
  // A first octet that is neither 0 nor above 127 keeps the DER of any number right (X.690 section 8.3.2).
  certificate.serialNumber = `01${forge.util.bytesToHex(forge.random.getBytesSync(15))}`;
  certificate.validity.notBefore = new Date();
  certificate.validity.notAfter = new Date(Date.now() + VALID_DAYS * DAY_MS);
  const name = [{ name: 'commonName', value: 'Homing demonstration' }];
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true },
    {
      name: 'subjectAltName',
      altNames: [
        { type: 2, value: 'localhost' },
        { type: 7, ip: '127.0.0.1' },
      ],
    },
  ]);
  certificate.sign(keys.privateKey, forge.md.sha256.create());
  return {
    certificate: forge.pki.certificateToPem(certificate),
    key: forge.pki.privateKeyToPem(keys.privateKey),
  };
}
