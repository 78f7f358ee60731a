import forge from 'node-forge';

const KEY_BITS = 2048;
const DAY_MS = 86_400_000;

/** A certificate with its key, both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** What a certificate of the tests says. */
export interface CertificateTerms {
  readonly commonName: string;
  /** Further host names beside localhost and 127.0.0.1. */
  readonly hostNames?: readonly string[];
  readonly expired?: boolean;
}

/** A certificate authority that lives as long as a test run. */
export class TestCa {
  /** The CA's own certificate, PEM. */
  readonly certificate: string;
  readonly #name: string;
  readonly #keys: forge.pki.rsa.KeyPair;

  constructor(name: string) {
    this.#name = name;
    this.#keys = forge.pki.rsa.generateKeyPair({ bits: KEY_BITS });
    const own = blank(name, name, this.#keys.publicKey);
    own.setExtensions([
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
      { name: 'subjectKeyIdentifier' },
    ]);
    this.certificate = this.#signed(own);
  }

  /** Issues a certificate for localhost, 127.0.0.1 and the names asked for. */
  issue({ commonName, hostNames = [], expired = false }: CertificateTerms): KeyPair {
    const keys = forge.pki.rsa.generateKeyPair({ bits: KEY_BITS });
    const leaf = blank(commonName, this.#name, keys.publicKey);
    if (expired) {
      leaf.validity.notAfter = new Date(Date.now() - DAY_MS);
    }
    leaf.setExtensions([
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: [
          ...['localhost', ...hostNames].map((value) => ({ type: 2, value })),
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ]);
    return { certificate: this.#signed(leaf), key: forge.pki.privateKeyToPem(keys.privateKey) };
  }

  #signed(certificate: forge.pki.Certificate): string {
    certificate.sign(this.#keys.privateKey, forge.md.sha256.create());
    return forge.pki.certificateToPem(certificate);
  }
}

function blank(subject: string, issuer: string, publicKey: forge.pki.PublicKey): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = publicKey;
  // A leading zero octet keeps the number positive.
  certificate.serialNumber = `01${forge.util.bytesToHex(forge.random.getBytesSync(15))}`;
  certificate.validity.notBefore = new Date(Date.now() - 10 * DAY_MS);
  certificate.validity.notAfter = new Date(Date.now() + 10 * DAY_MS);
  certificate.setSubject([{ name: 'commonName', value: subject }]);
  certificate.setIssuer([{ name: 'commonName', value: issuer }]);
  return certificate;
}
