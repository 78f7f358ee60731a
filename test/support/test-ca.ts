import { generateKeyPairSync } from 'node:crypto';
import forge from 'node-forge';

const KEY_BITS = 2048;
const DAY_MS = 86_400_000;
const SHA256_WITH_RSA = '1.2.840.113549.1.1.11';

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
  /** Makes it one of a client, with these mail addresses as alternative names. */
  readonly emails?: readonly string[];
  /** Instead of the common name alone: the parts of the subject, most general first. */
  readonly subject?: readonly forge.pki.CertificateField[];
  /** Has no alternative names, so that only the common name says what it is. */
  readonly nameless?: boolean;
}

/** When a list of revoked certificates ends; in ten days if nothing is said. */
export interface ListTerms {
  readonly expired?: boolean;
}

/** A certificate authority that lives as long as a test run. */
export class TestCa {
  /** The CA's own certificate, PEM. */
  readonly certificate: string;
  /** The CA's own key, PEM. */
  readonly key: string;
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
    this.key = forge.pki.privateKeyToPem(this.#keys.privateKey);
  }

  /** Issues a certificate for localhost, 127.0.0.1 and the names asked for. */
  issue(terms: CertificateTerms): KeyPair {
    const { commonName, expired = false, nameless = false, emails, subject } = terms;
    const keys = forge.pki.rsa.generateKeyPair({ bits: KEY_BITS });
    const leaf = blank(commonName, this.#name, keys.publicKey);
    if (subject !== undefined) leaf.setSubject([...subject]);
    if (expired) {
      leaf.validity.notAfter = new Date(Date.now() - DAY_MS);
    }
    leaf.setExtensions([
      { name: 'basicConstraints', cA: false },
      { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
      { name: 'extKeyUsage', serverAuth: emails === undefined, clientAuth: emails !== undefined },
      ...(nameless ? [] : [altNames(terms)]),
    ]);
    return { certificate: this.#signed(leaf), key: forge.pki.privateKeyToPem(keys.privateKey) };
  }

  /** The same for a key on an elliptic curve, which forge can't make: its key stands in place of another one. */
  issueEc(terms: CertificateTerms): KeyPair {
    const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const rsa = forge.pki.certificateFromPem(this.issue(terms).certificate);
    const [tbs, algorithm] = partsOf(forge.pki.certificateToAsn1(rsa));
    const spki = keys.publicKey.export({ type: 'spki', format: 'der' }).toString('latin1');
    // RFC 5280 section 4.1: the public key is the seventh part.
    partsOf(tbs).splice(6, 1, forge.asn1.fromDer(spki));
    const { Class, Type, create, toDer } = forge.asn1;
    const signed = create(Class.UNIVERSAL, Type.SEQUENCE, true, [
      ...(tbs && algorithm ? [tbs, algorithm] : []),
      create(Class.UNIVERSAL, Type.BITSTRING, false, `\0${this.#sign(tbs)}`),
    ]);
    return {
      certificate: forge.pem.encode({ type: 'CERTIFICATE', body: toDer(signed).getBytes() }),
      key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
  }

  /** The list of the certificates that are revoked (RFC 5280 section 5.1), PEM. */
  revoke(revoked: readonly KeyPair[], { expired = false }: ListTerms = {}): string {
    const { Type, create, dateToUtcTime, integerToDer, oidToDer } = forge.asn1;
    const sequence = (...parts: forge.asn1.Asn1[]): forge.asn1.Asn1 =>
      create(forge.asn1.Class.UNIVERSAL, Type.SEQUENCE, true, parts);
    const value = (type: forge.asn1.Type, octets: string): forge.asn1.Asn1 =>
      create(forge.asn1.Class.UNIVERSAL, type, false, octets);
    const time = (days: number) => value(Type.UTCTIME, dateToUtcTime(new Date(Date.now() + days * DAY_MS)));
    const algorithm = sequence(value(Type.OID, oidToDer(SHA256_WITH_RSA).getBytes()), value(Type.NULL, ''));
    const entries = revoked.map(({ certificate }) => {
      const { serialNumber } = forge.pki.certificateFromPem(certificate);
      return sequence(value(Type.INTEGER, forge.util.hexToBytes(serialNumber)), time(-2));
    });
    const issuer = forge.pki.distinguishedNameToAsn1(forge.pki.certificateFromPem(this.certificate).subject);
    const list = sequence(
      value(Type.INTEGER, integerToDer(1).getBytes()),
      algorithm,
      issuer,
      time(-3),
      time(expired ? -1 : 10),
      ...(entries.length === 0 ? [] : [sequence(...entries)]),
    );
    const signature = value(Type.BITSTRING, `\0${this.#sign(list)}`);
    const body = forge.asn1.toDer(sequence(list, algorithm, signature)).getBytes();
    return forge.pem.encode({ type: 'X509 CRL', body });
  }

  #sign(value: forge.asn1.Asn1 | undefined): string {
    const octets = value === undefined ? '' : forge.asn1.toDer(value).getBytes();
    return this.#keys.privateKey.sign(forge.md.sha256.create().update(octets));
  }

  #signed(certificate: forge.pki.Certificate): string {
    certificate.sign(this.#keys.privateKey, forge.md.sha256.create());
    return forge.pki.certificateToPem(certificate);
  }
}

function altNames({ hostNames = [], emails = [] }: CertificateTerms) {
  return {
    name: 'subjectAltName',
    altNames: [
      ...emails.map((value) => ({ type: 1, value })),
      ...['localhost', ...hostNames].map((value) => ({ type: 2, value })),
      { type: 7, ip: '127.0.0.1' },
    ],
  };
}

function partsOf(value: forge.asn1.Asn1 | undefined): forge.asn1.Asn1[] {
  return Array.isArray(value?.value) ? value.value : [];
}

function blank(subject: string, issuer: string, publicKey: forge.pki.PublicKey): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = publicKey;
  // A leading zero octet keeps the number positive.
  certificate.serialNumber = `01${forge.util.bytesToHex(forge.random.getBytesSync(15))}`;
  certificate.validity.notBefore = new Date(Date.now() - 10 * DAY_MS);
  // Long enough that nobody calls it short.
  certificate.validity.notAfter = new Date(Date.now() + 90 * DAY_MS);
  certificate.setSubject([{ name: 'commonName', value: subject }]);
  certificate.setIssuer([{ name: 'commonName', value: issuer }]);
  return certificate;
}
