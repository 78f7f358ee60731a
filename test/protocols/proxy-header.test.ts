import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../protocols/crc32c.ts';
import { ProxyHeaderError } from '../../protocols/proxy-facts.ts';
import { parseProxyHeader } from '../../protocols/proxy-header.ts';
import { type BlockTerms, proxyBlock, tlsVector, type Vector } from '../support/proxy-block.ts';

function line(text: string) {
  return parseProxyHeader(Buffer.from(text, 'latin1'));
}

function block(terms: BlockTerms) {
  return parseProxyHeader(proxyBlock(terms))?.header;
}

describe('B3 PROXY protocol version 1', () => {
  it.each([
    ['PROXY TCP4 192.0.2.7 192.0.2.1 4000 143\r\n', '192.0.2.7:4000', '192.0.2.1:143'],
    ['PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n', '255.255.255.255:65535', '0.0.0.0:0'],
    ['PROXY TCP6 2001:db8::7 2001:DB8:0:0:0:0:0:1 4000 993\r\n', '2001:db8::7:4000', '2001:db8::1:993'],
    ['PROXY TCP6 ::ffff:192.0.2.7 ::1 4000 993\r\n', '192.0.2.7:4000', '::1:993'],
  ])('reads %j', (text, client, listener) => {
    const read = line(`${text}a NOOP\r\n`);

    expect(read?.length).toBe(text.length);
    const { ends } = read?.header ?? {};
    expect(`${ends?.client.ip}:${ends?.client.port}`).toBe(client);
    expect(`${ends?.listener.ip}:${ends?.listener.port}`).toBe(listener);
  });

  it.each(['PROXY UNKNOWN\r\n', 'PROXY UNKNOWN junk  junk\r\n', 'PROXY UNKNOWN ::1 ::1 1 1\r\n'])(
    'B4 takes %j, and leaves the addresses to the socket',
    (text) => {
      expect(line(text)).toMatchObject({ header: { local: false, ends: undefined }, length: text.length });
    },
  );

  it('takes a line of 107 octets, and none of 108', () => {
    const longest = `PROXY UNKNOWN ${'x'.repeat(91)}\r\n`;

    expect(longest).toHaveLength(107);
    expect(line(longest)?.length).toBe(107);
    expect(() => line(`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`)).toThrow('more than 107 octets');
    expect(line('PROXY UNKNOWN '.padEnd(106, 'x'))).toBeUndefined();
    expect(() => line('PROXY UNKNOWN '.padEnd(107, 'x'))).toThrow('more than 107 octets');
  });

  it.each([
    ['a leading zero in an address', 'PROXY TCP4 192.0.02.7 192.0.2.1 4000 143\r\n'],
    ['a leading zero in a port', 'PROXY TCP4 192.0.2.7 192.0.2.1 04000 143\r\n'],
    ['two spaces', 'PROXY TCP4  192.0.2.7 192.0.2.1 4000 143\r\n'],
    ['a tab', 'PROXY TCP4\t192.0.2.7 192.0.2.1 4000 143\r\n'],
    ['a space at the end', 'PROXY TCP4 192.0.2.7 192.0.2.1 4000 143 \r\n'],
    ['LF alone', 'PROXY TCP4 192.0.2.7 192.0.2.1 4000 143\n'],
    ['LF alone behind UNKNOWN', 'PROXY UNKNOWN\nx\r\n'],
    ['CR within', 'PROXY TCP4 192.0.2.7 192.0.2.1 4000\r143\r\n'],
    ['an IPv6 address for TCP4', 'PROXY TCP4 ::1 192.0.2.1 4000 143\r\n'],
    ['an IPv4 address for TCP6', 'PROXY TCP6 ::1 192.0.2.1 4000 143\r\n'],
    ['an IPv6 address with a zone', 'PROXY TCP6 fe80::1%eth0 ::1 4000 143\r\n'],
    ['port 65536', 'PROXY TCP4 192.0.2.7 192.0.2.1 65536 143\r\n'],
    ['a negative port', 'PROXY TCP4 192.0.2.7 192.0.2.1 -1 143\r\n'],
    ['no port', 'PROXY TCP4 192.0.2.7 192.0.2.1 4000\r\n'],
    ['a port too many', 'PROXY TCP4 192.0.2.7 192.0.2.1 4000 143 1\r\n'],
    ['a family in lower case', 'PROXY tcp4 192.0.2.7 192.0.2.1 4000 143\r\n'],
    ['another family', 'PROXY UDP4 192.0.2.7 192.0.2.1 4000 143\r\n'],
    ['a family named as a property', 'PROXY __proto__ 192.0.2.7 192.0.2.1 4000 143\r\n'],
    ['nothing', 'PROXY \r\n'],
    ['UNKNOWN with more letters', 'PROXY UNKNOWNS\r\n'],
    ['a word in lower case', 'proxy UNKNOWN\r\n'],
    ['IMAP instead', 'a CAPABILITY\r\n'],
    ['TLS instead', '\x16\x03\x01'],
  ])('refuses %s', (_, text) => {
    expect(() => line(text)).toThrow(ProxyHeaderError);
  });
});

describe('B5 PROXY protocol version 2', () => {
  it('reads the addresses of TCP over IPv4 and IPv6', () => {
    const tcp6 = Buffer.from(`20010db8${'00'.repeat(11)}07${'00'.repeat(15)}010fa003e1`, 'hex');

    expect(block({})?.ends).toEqual({
      client: { ip: '192.0.2.7', port: 4000 },
      listener: { ip: '192.0.2.1', port: 143 },
    });
    expect(block({ family: 0x21, addresses: tcp6 })?.ends).toEqual({
      client: { ip: '2001:db8::7', port: 4000 },
      listener: { ip: '::1', port: 993 },
    });
  });

  it('reads IPv4 in IPv6 as IPv4', () => {
    const mapped = Buffer.from(`${'00'.repeat(10)}ffffc0000207${'00'.repeat(15)}010fa003e1`, 'hex');

    expect(block({ family: 0x21, addresses: mapped })?.ends?.client.ip).toBe('192.0.2.7');
  });

  it.each<{ what: string; terms: BlockTerms }>([
    { what: 'LOCAL', terms: { command: 0x20, family: 0, addresses: Buffer.alloc(0) } },
    {
      what: 'LOCAL with addresses and vectors',
      terms: { command: 0x20, vectors: [tlsVector(1, 0)], checksumXor: 1 },
    },
    { what: 'LOCAL with a family that there is not', terms: { command: 0x20, family: 0xff } },
  ])('skips all of $what', ({ terms }) => {
    const octets = proxyBlock(terms);

    const read = parseProxyHeader(Buffer.concat([octets, Buffer.from('a NOOP')]));

    expect(read?.length).toBe(octets.length);
    expect(read?.header).toMatchObject({ local: true, ends: undefined, tls: undefined });
  });

  it.each<{ what: string; terms: BlockTerms }>([
    { what: 'an unspecified family', terms: { family: 0, addresses: Buffer.from('junk') } },
    { what: 'a Unix socket', terms: { family: 0x31, addresses: Buffer.alloc(216) } },
  ])('leaves the addresses of $what to the socket', ({ terms }) => {
    expect(block(terms)).toMatchObject({ local: false, ends: undefined });
  });

  it.each<{ what: string; terms: BlockTerms }>([
    { what: 'an unknown command', terms: { command: 0x22 } },
    { what: 'version 3', terms: { command: 0x31 } },
    { what: 'version 1', terms: { command: 0x11 } },
    { what: 'an unknown family', terms: { family: 0x41 } },
    { what: 'UDP', terms: { family: 0x12 } },
    { what: 'a transport that there is not', terms: { family: 0x13 } },
    { what: 'no room for its addresses', terms: { addresses: Buffer.alloc(11) } },
    { what: 'no room for its IPv6 addresses', terms: { family: 0x21, addresses: Buffer.alloc(35) } },
    { what: 'no room for its paths', terms: { family: 0x31, addresses: Buffer.alloc(215) } },
    { what: 'a vector cut within its length', terms: { addresses: Buffer.alloc(14) } },
    {
      what: 'a vector longer than the header',
      terms: { addresses: Buffer.from(`${'00'.repeat(12)}e00005aa`, 'hex') },
    },
    { what: 'a wrong checksum', terms: { checksumXor: 1 << 7 } },
    { what: 'a checksum of three octets', terms: { vectors: [[0x03, Buffer.alloc(3)]] } },
    { what: 'a checksum of five octets', terms: { vectors: [[0x03, Buffer.alloc(5)]] } },
    { what: 'two checksums', terms: { checksumXor: 0, vectors: [[0x03, Buffer.alloc(4)]] } },
    { what: 'a unique id of 129 octets', terms: { vectors: [[0x05, Buffer.alloc(129)]] } },
    {
      what: 'two names for the client to ask for',
      terms: {
        vectors: [
          [0x02, 'a'],
          [0x02, 'b'],
        ],
      },
    },
    { what: 'two vectors for TLS', terms: { vectors: [tlsVector(1, 1), tlsVector(1, 0)] } },
    { what: 'a vector for TLS of four octets', terms: { vectors: [[0x20, Buffer.alloc(4)]] } },
    {
      what: 'a vector that is longer than the one for TLS around it',
      terms: {
        vectors: [
          [0x20, Buffer.from('0100000000220004616e', 'hex')],
          [0xe0, 'more'],
        ],
      },
    },
    {
      what: 'two common names',
      terms: {
        vectors: [
          tlsVector(3, 0, [
            [0x22, 'ann'],
            [0x22, 'bob'],
          ]),
        ],
      },
    },
  ])('refuses $what', ({ terms }) => {
    expect(() => block(terms)).toThrow(ProxyHeaderError);
  });

  it('B6 refuses more than 4096 octets as soon as it is told of them', () => {
    const prefix = proxyBlock().subarray(0, 16);
    prefix.writeUInt16BE(65535, 14);

    expect(() => parseProxyHeader(prefix)).toThrow('more than 4096 octets');
    prefix.writeUInt16BE(4096, 14);
    expect(parseProxyHeader(prefix)).toBeUndefined();
  });

  it('B7 takes a right checksum, over all of the header with zeros in its place', () => {
    const vectors: Vector[] = [[0x02, 'mail.example.org']];
    const octets = proxyBlock({ vectors, checksumXor: 0 });

    expect(parseProxyHeader(octets)?.header.authority?.toString()).toBe('mail.example.org');
    for (let bit = 0; bit < octets.length * 8; bit += 1) {
      const flipped = Buffer.from(octets);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      // LOCAL, an unspecified family and another type in place of the checksum's leave nothing to check.
      const skips = [12, 13, 28].includes(bit >> 3);
      if (!skips) expect(() => ended(flipped)).toThrow(ProxyHeaderError);
    }
  });

  it('B6 reads what is said of the connection, and skips what it does not know', () => {
    const vectors: Vector[] = [
      [0x04, ''],
      [0x04, 'padding'],
      [0x01, 'imap'],
      [0xe0, 'of an application'],
      [0xe0, 'another one'],
      [0xf7, ''],
      [0xff, 'of the future'],
      [0x30, 'namespace'],
      [0x02, 'mail.example.org'],
      [0x05, Buffer.alloc(128, 'u')],
    ];

    expect(block({ vectors })).toMatchObject({
      alpn: Buffer.from('imap'),
      authority: Buffer.from('mail.example.org'),
      uniqueId: Buffer.alloc(128, 'u'),
      tls: undefined,
    });
  });

  it('reads what is said of TLS and of a certificate', () => {
    const inner: Vector[] = [
      [0x21, 'TLSv1.3'],
      [0x22, 'Änn'],
      [0x23, 'TLS_AES_128_GCM_SHA256'],
      [0x24, 'RSA-SHA256'],
      [0x25, 'RSA2048'],
      [0x26, 'X25519'],
      [0x27, 'rsa_pss_rsae_sha256'],
      [0x28, Buffer.from('3000', 'hex')],
    ];

    expect(block({ vectors: [tlsVector(0x07, 0, inner)] })?.tls).toEqual({
      version: Buffer.from('TLSv1.3'),
      cipher: Buffer.from('TLS_AES_128_GCM_SHA256'),
      certificateVerified: true,
      commonName: Buffer.from('Änn'),
      certificate: Buffer.from('3000', 'hex'),
    });
  });

  it.each([
    ['verified on this connection', 0x03, 0, true],
    ['verified in an earlier connection of the session only', 0x05, 0, false],
    ['not shown, which has no fault either', 0x01, 0, false],
    ['not right', 0x03, 20, false],
  ])('knows a certificate that was %s', (_, client, verify, verified) => {
    expect(block({ vectors: [tlsVector(client, verify)] })?.tls?.certificateVerified).toBe(verified);
  });

  it('knows no TLS where the client did not speak it', () => {
    expect(block({ vectors: [tlsVector(0x02, 0, [[0x22, 'ann']])] })?.tls).toBeUndefined();
  });
});

/** What a header becomes when no more octets come. */
function ended(octets: Buffer) {
  const read = parseProxyHeader(octets);
  if (read === undefined || read.length < octets.length) throw new ProxyHeaderError('incomplete');
  return read;
}

describe('PROXY protocol, any octets', () => {
  const whole = fc.oneof(
    fc.constantFrom(
      Buffer.from('PROXY UNKNOWN\r\n'),
      Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.1 4000 143\r\n'),
      Buffer.from('PROXY TCP6 2001:db8::7 ::1 4000 143\r\n'),
    ),
    fc
      .array(fc.tuple(fc.integer({ min: 0x30, max: 0xff }), fc.uint8Array({ maxLength: 64 })), {
        maxLength: 5,
      })
      .map((vectors) =>
        proxyBlock({ vectors: vectors.map(([type, value]) => [type, Buffer.from(value)]), checksumXor: 0 }),
      ),
  );

  it('reads a header the same wherever it is cut, and no octet more', () => {
    fc.assert(
      fc.property(whole, fc.uint8Array({ maxLength: 40 }), (header, behind) => {
        const expected = parseProxyHeader(header);
        for (let cut = 0; cut < header.length; cut += 1) {
          expect(parseProxyHeader(header.subarray(0, cut))).toBeUndefined();
        }
        expect(expected?.length).toBe(header.length);
        expect(parseProxyHeader(Buffer.concat([header, behind]))).toEqual(expected);
      }),
    );
  });

  it('throws nothing but its own error, whatever comes', () => {
    const broken = fc
      .tuple(whole, fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 8 }))
      .map(([header, at, junk]) => {
        const octets = Buffer.from(header);
        octets.set(junk.subarray(0, octets.length - (at % octets.length)), at % octets.length);
        return octets;
      });
    const any = fc.uint8Array({ maxLength: 300 }).map((octets) => Buffer.from(octets));
    const behindPrefix = any.map((octets) => proxyBlock({ addresses: octets }));

    fc.assert(
      fc.property(fc.oneof(broken, any, behindPrefix), (octets) => {
        try {
          const read = parseProxyHeader(octets);
          expect(read === undefined || read.length <= octets.length).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(ProxyHeaderError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('B7 crc32c', () => {
  // RFC 3720 appendix B.4.
  it.each([
    ['32 octets of zeros', Buffer.alloc(32), 0x8a9136aa],
    ['32 octets of ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['32 incrementing octets', Buffer.from(Array.from({ length: 32 }, (_, at) => at)), 0x46dd794e],
    ['the digits from 1 to 9', Buffer.from('123456789'), 0xe3069283],
  ])('of %s is that of the RFC', (_, octets, sum) => {
    expect(crc32c(octets)).toBe(sum);
  });
});
