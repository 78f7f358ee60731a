import type { ClientCertificate, SaslServer, ServerStep } from '../sasl.ts';

/** How a client's certificate becomes an account. */
export interface CertificateMap {
  /** Tried in order, before `user`. */
  readonly entries: readonly CertificateEntry[];
  /** The field that is the login name; `undefined` lets nobody in but by an entry. */
  readonly user: 'email' | 'commonName' | undefined;
}

/** A certificate by one of its fields, and whose it is. */
export interface CertificateEntry {
  readonly field: 'fingerprint' | 'subject' | 'email' | 'commonName';
  /** As in `ClientCertificate`. */
  readonly value: string;
  readonly account: string;
}

/**
 * Makes an exchange of EXTERNAL (RFC 4422 appendix A). Who the client is, its certificate alone says; its message only
 * says as whom it wants to act.
 */
export function externalServer(certificate: ClientCertificate, map: CertificateMap): SaslServer {
  return {
    step: (response) =>
      response === undefined
        ? { kind: 'challenge', challenge: Buffer.alloc(0) }
        : judge(Buffer.from(response), certificate, map),
  };
}

function judge(authzid: Buffer, certificate: ClientCertificate, map: CertificateMap): ServerStep {
  // RFC 4422 appendix A.1: UTF-8 without NUL.
  if (authzid.includes(0)) {
    return { kind: 'malformed' };
  }
  const shown = 'certificate';
  const found = accountOf(certificate, map);
  if ('account' in found) {
    return { kind: 'proof', proof: { kind: 'proved', shown, authcid: Buffer.from(found.account), authzid } };
  }
  const { detail } = found;
  return {
    kind: 'proof',
    proof: {
      kind: 'refuted',
      shown,
      reason: 'badCertificate',
      authcid: authzid,
      authzid: Buffer.alloc(0),
      detail,
    },
  };
}

type Found = { readonly account: string } | { readonly detail: string };

// A field that is missing or not plain lets nobody in: Dovecot once took the client's word instead (CVE-2019-3814).
function accountOf(certificate: ClientCertificate, { entries, user }: CertificateMap): Found {
  const entry = entries.find((candidate) => matches(candidate, certificate));
  if (entry !== undefined) {
    return { account: entry.account };
  }
  const whose = `the certificate of ${certificate.subject}`;
  if (user === undefined) {
    return { detail: `${whose} fits no entry of external.map` };
  }
  const values = user === 'email' ? certificate.emails : [certificate.commonName ?? ''];
  const [account = '', ...others] = values;
  if (account === '') {
    return { detail: `${whose} has no ${user}` };
  }
  return others.length === 0 ? { account } : { detail: `${whose} has more than one ${user}` };
}

function matches({ field, value }: CertificateEntry, certificate: ClientCertificate): boolean {
  if (field === 'email') {
    return certificate.emails.some((email) => email.toLowerCase() === value.toLowerCase());
  }
  // Of a certificate that only a balancer saw, we have a part of the subject for the whole.
  if (field === 'subject' && certificate.fingerprint === undefined) {
    return false;
  }
  return certificate[field] === value;
}
