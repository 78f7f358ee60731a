/** Lists of revoked certificates (RFC 5280 section 5): told apart in a file, and checked before they are used. */
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import forge from 'node-forge';
import type { ClientAuthorities, RevocationList } from '../settings.ts';
import type { Report } from './report.ts';
import type { Path } from './source.ts';

const LIST = /-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The lists in a PEM file, one by one: Node reads no more than the first of a text. */
export function listsIn(file: Buffer): readonly RevocationList[] {
  return blocksIn(file, LIST).map((block) => {
    const pem = Buffer.from(block, 'latin1');
    return { pem, until: readList(pem)?.until };
  });
}

function blocksIn(pem: Buffer, kind: RegExp): readonly string[] {
  return pem.toString('latin1').match(kind) ?? [];
}

/** Reports lists that can't be used, and what would have all clients of an authority refused. */
export function checkRevocations(clients: ClientAuthorities, path: Path, report: Report): void {
  const lists = clients.revocations.map(({ pem }) => readList(pem));
  if (lists.length === 0 || lists.includes(undefined)) {
    const message = lists.length === 0 ? 'there is no list of revoked certificates in this file' : UNREADABLE;
    report.problem(path, message, 'PEM: -----BEGIN X509 CRL----- …');
    return;
  }
  for (const list of lists) {
    if (list?.until !== undefined && list.until < new Date()) {
      const until = list.until.toUTCString();
      report.warning(
        path,
        `a list ended on ${until}: clients of its authority are refused`,
        'fetch a new one',
      );
    }
  }
  for (const authority of blocksIn(clients.authorities, CERTIFICATE)) {
    const { subject, raw } = new X509Certificate(authority);
    const name = nameOf(raw);
    if (lists.some((list) => list?.issuer === name)) continue;
    const whose = subject.replaceAll('\n', ', ');
    report.warning(
      path,
      `no list of ${whose}: its clients are refused`,
      'a list of each authority in caFile',
    );
  }
}

const UNREADABLE = "a list of revoked certificates in this file can't be read";

interface ListFacts {
  /** The issuer's name, DER. */
  readonly issuer: string;
  readonly until: Date | undefined;
}

function readList(pem: Buffer): ListFacts | undefined {
  try {
    createSecureContext({ crl: pem });
    const body = pem.toString('latin1').replace(/-----[^-]+-----/g, '');
    // RFC 5280 section 5.1: version if it is not the first, algorithm, issuer, thisUpdate, nextUpdate if there is one.
    const parts = partsOf(partsOf(parse(Buffer.from(body, 'base64')))[0]);
    const afterVersion = parts[0]?.type === forge.asn1.Type.INTEGER ? parts.slice(1) : parts;
    return { issuer: derOf(afterVersion[1]), until: dateOf(afterVersion[3]) };
  } catch {
    // Neither OpenSSL's errors nor forge's have a class of their own, and nothing else can fail here.
    return undefined;
  }
}

/** The subject's name of a certificate, DER: what its lists name as their issuer. */
function nameOf(certificate: Buffer): string {
  // RFC 5280 section 4.1: version, serial number, algorithm, issuer, validity, subject.
  return derOf(partsOf(partsOf(parse(certificate))[0])[5]);
}

function parse(der: Buffer): forge.asn1.Asn1 {
  return forge.asn1.fromDer(forge.util.createBuffer(der.toString('latin1')));
}

function partsOf(value: forge.asn1.Asn1 | undefined): readonly forge.asn1.Asn1[] {
  return Array.isArray(value?.value) ? value.value : [];
}

function derOf(value: forge.asn1.Asn1 | undefined): string {
  return value === undefined ? '' : forge.asn1.toDer(value).getBytes();
}

function dateOf(time: forge.asn1.Asn1 | undefined): Date | undefined {
  if (typeof time?.value !== 'string') return undefined;
  if (time.type === forge.asn1.Type.UTCTIME) return forge.asn1.utcTimeToDate(time.value);
  return time.type === forge.asn1.Type.GENERALIZEDTIME
    ? forge.asn1.generalizedTimeToDate(time.value)
    : undefined;
}
