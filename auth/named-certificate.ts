import { checkServerIdentity, type PeerCertificate } from 'node:tls';

/**
 * Whether a server's certificate has its name, for `tls.connect`. RFC 9525 section 2: a common name is no name of a
 * host, though Node takes it for one where there is no other.
 */
export function checkNamed(name: string, certificate: PeerCertificate): Error | undefined {
  return certificate.subjectaltname === undefined
    ? new Error('its certificate has no subjectAltName; a common name does not count')
    : checkServerIdentity(name, certificate);
}
