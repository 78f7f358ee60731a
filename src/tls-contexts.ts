/** What a listener shows of itself in TLS handshakes: a certificate for each name that clients may ask for. */
import { constants, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { namesIn } from './alternative-names.ts';
import type { Credentials, KeyPair, ListenerTls } from './settings.ts';

// Mozilla's intermediate list, without the suites of CBC mode.
const SAFE_CIPHERS = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

// Renegotiation lets a client burn the server's CPU; nobody needs it.
const NO_RENEGOTIATION = constants.SSL_OP_NO_RENEGOTIATION;
// A resumed session goes on with the judgement of its first handshake, so a certificate would outlive its end and its
// revocation. Without tickets a session can only be resumed from the server's memory, in TLS 1.3 too, and Node keeps
// none there.
const NO_RESUMPTION = constants.SSL_OP_NO_TICKET;

/** All contexts of a listener. Their number is that of its certificates, whatever names clients ask for. */
export interface TlsContexts {
  readonly fallback: SecureContext;
  /** By name in lower case, `*.` in front of all names of one more label. */
  readonly byName: ReadonlyMap<string, SecureContext>;
  /** Whether clients are asked for certificates. */
  readonly asksClients: boolean;
}

type SecureTls = Exclude<ListenerTls, { mode: 'none' }>;

/** Makes the contexts of a listener. @throws {Error} of OpenSSL, for what it does not take. */
export function makeContexts(tls: SecureTls, credentials: Credentials = tls): TlsContexts {
  const { others = [], clients } = credentials;
  const names = hostNamesOf(credentials.certificate);
  // Node takes one pair from a context that it changes to for a name, but all from the one that it begins with: so for
  // the first names there may be RSA and an elliptic curve side by side.
  const alike = others.filter(({ certificate }) => sameNames(hostNamesOf(certificate), names));
  const fallback = makeContext(tls, [credentials, ...alike], clients);
  const byName = new Map(names.map((name) => [name, fallback]));
  for (const pair of others.filter((other) => !alike.includes(other))) {
    const context = makeContext(tls, [pair], clients);
    for (const name of hostNamesOf(pair.certificate)) if (!byName.has(name)) byName.set(name, context);
  }
  return { fallback, byName, asksClients: clients !== undefined };
}

function sameNames(some: readonly string[], others: readonly string[]): boolean {
  return some.toSorted().join() === others.toSorted().join();
}

/** The context for a name that a client asks for: that of the name itself, or of a wildcard, or the fallback. */
export function contextFor({ byName, fallback }: TlsContexts, serverName: string): SecureContext {
  const name = serverName.toLowerCase();
  // RFC 6125 section 6.4.3: a wildcard stands for one label, the first.
  return byName.get(name) ?? byName.get(name.replace(/^[^.]+/, '*')) ?? fallback;
}

/** RFC 6125 section 6.4.4: the common name counts only where there is no alternative name. */
function hostNamesOf(pem: Buffer): readonly string[] {
  const certificate = new X509Certificate(pem);
  const names = namesIn(certificate.subjectAltName, 'DNS');
  const commonName: unknown = certificate.toLegacyObject().subject.CN;
  const found = names.length === 0 && typeof commonName === 'string' ? [commonName] : names;
  return found.map((name) => name.toLowerCase());
}

function makeContext(
  { minVersion, ciphers }: SecureTls,
  pairs: readonly KeyPair[],
  clients: Credentials['clients'],
): SecureContext {
  return createSecureContext({
    cert: pairs.map(({ certificate }) => certificate),
    key: pairs.map(({ key }) => key.octets),
    minVersion,
    ciphers: `TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:${ciphers ?? SAFE_CIPHERS}`,
    honorCipherOrder: true,
    secureOptions: clients === undefined ? NO_RENEGOTIATION : NO_RENEGOTIATION | NO_RESUMPTION,
    // Without one, OpenSSL breaks off the handshake of a client that wants to resume a session in which it was asked
    // for a certificate, instead of going on with a whole one.
    sessionIdContext: 'homing',
    ...(clients === undefined
      ? {}
      : { ca: clients.authorities, crl: clients.revocations.map(({ pem }) => pem) }),
  });
}
