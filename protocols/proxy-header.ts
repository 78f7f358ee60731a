/** The header by which a balancer introduces a connection: PROXY protocol, version 1 and 2, as HAProxy defines it. */
import { isIPv4, isIPv6 } from 'node:net';
import { canonicalIp } from './ip.ts';
import { NOTHING_SAID, type ProxiedEnds, ProxyHeaderError, type ReadHeader } from './proxy-facts.ts';
import { parseBinary, SIGNATURE } from './proxy-header-v2.ts';

/** The longest line of version 1, its CRLF included. */
const MAX_LINE_OCTETS = 107;
const LINE_START = Buffer.from('PROXY ', 'latin1');

/**
 * Reads the header at the beginning of a connection.
 * @returns `undefined` while it is not there in full.
 * @throws {ProxyHeaderError} as soon as nothing that may follow can make it right.
 */
export function parseProxyHeader(octets: Buffer): ReadHeader | undefined {
  if (agree(octets, SIGNATURE)) return parseBinary(octets);
  if (agree(octets, LINE_START)) return parseLine(octets);
  throw new ProxyHeaderError('this does not begin as a PROXY header does');
}

/** Whether the octets that are there begin so, as far as they go. */
function agree(octets: Buffer, beginning: Buffer): boolean {
  const count = Math.min(octets.length, beginning.length);
  return octets.subarray(0, count).equals(beginning.subarray(0, count));
}

function parseLine(octets: Buffer): ReadHeader | undefined {
  const end = octets.subarray(0, MAX_LINE_OCTETS).indexOf('\n');
  if (end < 0) {
    if (octets.length < MAX_LINE_OCTETS) return undefined;
    throw new ProxyHeaderError(`a PROXY line of more than ${MAX_LINE_OCTETS} octets`);
  }
  if (octets[end - 1] !== 0x0d) {
    throw new ProxyHeaderError('a PROXY line that does not end with CRLF');
  }
  const ends = endsInLine(octets.toString('latin1', LINE_START.length, end - 1));
  return { header: { ...NOTHING_SAID, ends }, length: end + 1 };
}

function endsInLine(line: string): ProxiedEnds | undefined {
  // Section 2.1: what stands behind UNKNOWN is ignored.
  if (/^UNKNOWN(?: |$)/.test(line)) return undefined;
  const [family, source = '', destination = '', sourcePort = '', destinationPort = '', ...rest] =
    line.split(' ');
  const isAddress = ADDRESS_OF.get(family ?? '');
  if (isAddress?.(source) !== true || !isAddress(destination) || rest.length > 0) {
    throw new ProxyHeaderError('a PROXY line that is not TCP4 or TCP6 with two such addresses and two ports');
  }
  return {
    client: { ip: canonicalIp(source), port: portIn(sourcePort) },
    listener: { ip: canonicalIp(destination), port: portIn(destinationPort) },
  };
}

const ADDRESS_OF: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ['TCP4', isIPv4],
  ['TCP6', (text: string) => isIPv6(text) && !text.includes('%')],
]);

function portIn(text: string): number {
  if (!/^(?:0|[1-9]\d{0,4})$/.test(text) || Number(text) > 65535) {
    throw new ProxyHeaderError('a port in a PROXY line that is none');
  }
  return Number(text);
}
