/** Version 2 of the PROXY protocol: a binary header, with addresses and vectors of type, length and value. */
import { crc32c } from './crc32c.ts';
import { canonicalIp } from './ip.ts';
import {
  NOTHING_SAID,
  type ProxiedEnds,
  type ProxiedTls,
  type ProxyHeader,
  ProxyHeaderError,
  type ReadHeader,
} from './proxy-facts.ts';

/** How each header of version 2 begins. */
export const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Signature, version and command, family and transport, length of the block that follows. */
const PREFIX_OCTETS = 16;
/** A header with a client's certificate fits; who sends more wants our memory. */
const MAX_BLOCK_OCTETS = 4096;
const LOCAL = 0x20;
const PROXY = 0x21;

/** Reads a header that has the signature, as far as it is there. @returns and @throws as `parseProxyHeader`. */
export function parseBinary(octets: Buffer): ReadHeader | undefined {
  if (octets.length < PREFIX_OCTETS) return undefined;
  const command = octets.readUInt8(12);
  if (command !== LOCAL && command !== PROXY) {
    throw new ProxyHeaderError('a PROXY header of another version than 2, or with an unknown command');
  }
  const length = PREFIX_OCTETS + octets.readUInt16BE(14);
  if (length > PREFIX_OCTETS + MAX_BLOCK_OCTETS) {
    throw new ProxyHeaderError(`a PROXY header of more than ${MAX_BLOCK_OCTETS} octets`);
  }
  if (octets.length < length) return undefined;
  // Section 2.2: behind LOCAL everything is skipped, the family too.
  const header = command === LOCAL ? { ...NOTHING_SAID, local: true } : headerOf(octets.subarray(0, length));
  return { header, length };
}

/** The octets that the addresses take, by family and transport. Datagrams are not served here. */
const ADDRESS_OCTETS: ReadonlyMap<number, number> = new Map([
  [0x11, 12],
  [0x21, 36],
  // The paths of a Unix socket say nothing of a client's address.
  [0x31, 216],
]);

function headerOf(whole: Buffer): ProxyHeader {
  const family = whole.readUInt8(13);
  // Where the family is unspecified, so is where addresses end and vectors begin: all is skipped.
  if (family === 0x00) return NOTHING_SAID;
  const addressOctets = ADDRESS_OCTETS.get(family);
  if (addressOctets === undefined) {
    throw new ProxyHeaderError('a PROXY header of an address family or transport that is not served here');
  }
  const block = whole.subarray(PREFIX_OCTETS);
  if (block.length < addressOctets) {
    throw new ProxyHeaderError('a PROXY header that is shorter than its addresses');
  }
  const vectors = readVectors(block.subarray(addressOctets), KNOWN);
  checkSum(whole, vectors.get(CRC32C));
  return {
    local: false,
    ends: family === 0x31 ? undefined : endsIn(block.subarray(0, addressOctets)),
    alpn: vectors.get(ALPN),
    authority: vectors.get(AUTHORITY),
    uniqueId: shortEnough(vectors.get(UNIQUE_ID)),
    tls: tlsIn(vectors.get(SSL)),
  };
}

/** Source and destination, then their ports, which are the last four octets. */
function endsIn(block: Buffer): ProxiedEnds {
  const size = (block.length - 4) / 2;
  return {
    client: { ip: ipIn(block.subarray(0, size)), port: block.readUInt16BE(2 * size) },
    listener: { ip: ipIn(block.subarray(size, 2 * size)), port: block.readUInt16BE(2 * size + 2) },
  };
}

function ipIn(octets: Buffer): string {
  if (octets.length === 4) return octets.join('.');
  return canonicalIp(octets.toString('hex').replace(/.{4}(?!$)/g, '$&:'));
}

const ALPN = 0x01;
const AUTHORITY = 0x02;
const CRC32C = 0x03;
const UNIQUE_ID = 0x05;
const SSL = 0x20;
const KNOWN: ReadonlySet<number> = new Set([ALPN, AUTHORITY, CRC32C, UNIQUE_ID, SSL]);

const SSL_VERSION = 0x21;
const SSL_CN = 0x22;
const SSL_CIPHER = 0x23;
const SSL_CLIENT_CERT = 0x28;
const KNOWN_IN_SSL: ReadonlySet<number> = new Set([SSL_VERSION, SSL_CN, SSL_CIPHER, SSL_CLIENT_CERT]);

/**
 * Reads type, length and value, one behind the other. Types that are not known are skipped; of a known one there is one
 * at most, since of two that differ, another program in the chain may believe the other.
 */
function readVectors(octets: Buffer, known: ReadonlySet<number>): ReadonlyMap<number, Buffer> {
  const vectors = new Map<number, Buffer>();
  for (let at = 0; at < octets.length; ) {
    const valueAt = at + 3;
    const end = valueAt + (valueAt <= octets.length ? octets.readUInt16BE(at + 1) : 0);
    if (end > octets.length) {
      throw new ProxyHeaderError('a PROXY header with a vector that is longer than what it stands in');
    }
    const type = octets.readUInt8(at);
    if (vectors.has(type)) {
      throw new ProxyHeaderError(`a PROXY header with two vectors of type ${type}`);
    }
    if (known.has(type)) vectors.set(type, octets.subarray(valueAt, end));
    at = end;
  }
  return vectors;
}

/** Section 2.2.3: over the whole header, with zeros in place of the checksum itself. */
function checkSum(whole: Buffer, told: Buffer | undefined): void {
  if (told === undefined) return;
  if (told.length !== 4) {
    throw new ProxyHeaderError('a PROXY header with a checksum that is not of four octets');
  }
  const zeroed = Buffer.from(whole);
  zeroed.fill(0, told.byteOffset - whole.byteOffset, told.byteOffset - whole.byteOffset + 4);
  if (crc32c(zeroed) !== told.readUInt32BE()) {
    throw new ProxyHeaderError('a PROXY header with a wrong checksum');
  }
}

function shortEnough(uniqueId: Buffer | undefined): Buffer | undefined {
  if (uniqueId !== undefined && uniqueId.length > 128) {
    throw new ProxyHeaderError('a PROXY header with a unique id of more than 128 octets');
  }
  return uniqueId;
}

const CLIENT_SSL = 0x01;
const CLIENT_CERT_CONN = 0x02;

/** Section 2.2.6. */
function tlsIn(value: Buffer | undefined): ProxiedTls | undefined {
  if (value === undefined) return undefined;
  if (value.length < 5) {
    throw new ProxyHeaderError('a PROXY header with a vector for TLS that is too short');
  }
  const client = value.readUInt8(0);
  const vectors = readVectors(value.subarray(5), KNOWN_IN_SSL);
  if ((client & CLIENT_SSL) === 0) return undefined;
  return {
    version: vectors.get(SSL_VERSION),
    cipher: vectors.get(SSL_CIPHER),
    // Without a certificate balancers say 0, nothing wrong, too.
    certificateVerified: (client & CLIENT_CERT_CONN) !== 0 && value.readUInt32BE(1) === 0,
    commonName: vectors.get(SSL_CN),
    certificate: vectors.get(SSL_CLIENT_CERT),
  };
}
