/** What a failed TLS handshake means for who has to mend it, by Node's error code. */
const MEANING: Readonly<Record<string, string>> = {
  ERR_SSL_WRONG_VERSION_NUMBER: 'the peer does not speak TLS on this port',
  ERR_SSL_HTTP_REQUEST: 'the peer spoke HTTP in clear text',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the peer speaks no TLS version that is allowed',
  ERR_SSL_NO_SHARED_CIPHER: 'the peer has no cipher suite in common',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'the peer refuses the TLS versions that are allowed here',
  'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE':
    'the peer refuses what is offered: it has no cipher suite or kind of certificate in common',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'the peer asked for another protocol by ALPN',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'the peer does not know the authority of our certificate',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: 'the peer does not accept our certificate',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  ECONNRESET: 'the peer closed the connection in the TLS handshake',
};

const BY_NO_KNOWN_AUTHORITY =
  'its certificate is by no authority in caFile or, without one, by none that Node brings along';
const UNKNOWN_AUTHORITY: ReadonlySet<string> = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
]);

/** Says in words what went wrong in a TLS handshake; OpenSSL's own text only where there are no better ones. */
export function describeTlsProblem(error: unknown): string {
  if (!(error instanceof Error)) {
    return String(error);
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (UNKNOWN_AUTHORITY.has(code)) {
    return BY_NO_KNOWN_AUTHORITY;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `its certificate is for another name: ${error.message}`;
  }
  return MEANING[code] ?? error.message.trim();
}
