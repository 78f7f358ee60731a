/** Makes PROXY headers of version 2, right and wrong ones. */
import { crc32c } from '../../protocols/crc32c.ts';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** A vector: its type, and its value. */
export type Vector = readonly [type: number, value: Buffer | string];

/** What a header says; a client 192.0.2.7:4000 of 192.0.2.1:143 if nothing else. */
export interface BlockTerms {
  readonly command?: number;
  readonly family?: number;
  readonly addresses?: Buffer;
  readonly vectors?: readonly Vector[];
  /** Puts a checksum in front of the other vectors, right but for these bits. */
  readonly checksumXor?: number;
}

const TCP4 = Buffer.from('c0000207c00002010fa0008f', 'hex');

export function proxyBlock(terms: BlockTerms = {}): Buffer {
  const { command = 0x21, family = 0x11, addresses = TCP4, vectors = [], checksumXor } = terms;
  const summed: readonly Vector[] =
    checksumXor === undefined ? vectors : [[0x03, Buffer.alloc(4)], ...vectors];
  const block = Buffer.concat([addresses, ...summed.map(encodeVector)]);
  const prefix = Buffer.concat([SIGNATURE, Buffer.from([command, family, 0, 0])]);
  prefix.writeUInt16BE(block.length, 14);
  const whole = Buffer.concat([prefix, block]);
  if (checksumXor !== undefined) {
    whole.writeUInt32BE((crc32c(whole) ^ checksumXor) >>> 0, 16 + addresses.length + 3);
  }
  return whole;
}

function encodeVector([type, value]: Vector): Buffer {
  const octets = Buffer.from(value);
  const head = Buffer.from([type, 0, 0]);
  head.writeUInt16BE(octets.length, 1);
  return Buffer.concat([head, octets]);
}

/** The value of the vector for TLS. */
export function tlsVector(client: number, verify: number, vectors: readonly Vector[] = []): Vector {
  const head = Buffer.alloc(5);
  head.writeUInt8(client, 0);
  head.writeUInt32BE(verify, 1);
  return [0x20, Buffer.concat([head, ...vectors.map(encodeVector)])];
}
