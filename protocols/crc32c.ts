/** The bits of the Castagnoli polynomial in reverse. */
const POLYNOMIAL = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, octet) => {
  let sum = octet;
  for (let bit = 0; bit < 8; bit += 1) {
    sum = (sum & 1) === 1 ? (sum >>> 1) ^ POLYNOMIAL : sum >>> 1;
  }
  return sum;
});

/** The CRC32c checksum of octets (RFC 4960 appendix B), which Node does not have. */
export function crc32c(octets: Buffer): number {
  let sum = 0xffffffff;
  for (const octet of octets) {
    sum = (sum >>> 8) ^ (TABLE[(sum ^ octet) & 0xff] ?? 0);
  }
  return (sum ^ 0xffffffff) >>> 0;
}
