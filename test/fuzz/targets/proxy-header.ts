import { isIP } from 'node:net';
import { crc32c } from '../../../protocols/crc32c.ts';
import { ProxyHeaderError, type ReadHeader } from '../../../protocols/proxy-facts.ts';
import { parseProxyHeader } from '../../../protocols/proxy-header.ts';
import { either, garbage, mostly, nasty, number, type Rule, row, times } from '../grammar.ts';
import { must, mustEqual } from '../oracles.ts';
import type { Random } from '../random.ts';
import { joined } from '../sample.ts';
import type { Target } from '../target.ts';

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
/** Of both versions. */
const MAX_OCTETS = 16 + 4096;

const ip = mostly(either('192.0.2.7', '10.0.0.1'), either('01.2.3.4', '1.2.3', '::1', nasty));
const ip6 = mostly(either('2001:db8::1', '::ffff:192.0.2.7'), either('1.2.3.4', 'fe80::1%eth0', nasty));
const line = row(
  'PROXY ',
  mostly(
    either(row('TCP4 ', ip, ' ', ip, ' ', number, ' ', number), row('TCP6 ', ip6, ' ', ip6, ' 1 ', number)),
    either('UNKNOWN', row('UNKNOWN ', garbage), 'TCP4', nasty, row('TCP4  ', ip)),
  ),
  mostly('\r\n', either('\n', ' \r\n', '')),
);

/** A vector of type, length and value, seldom with a length that is not its own. */
function vector(type: string | Rule, value: string | Rule): Rule {
  return (random) => {
    const text = row(value)(random);
    return row(type)(random) + uint16(random.oneIn(30) ? random.below(65536) : text.length) + text;
  };
}

function uint16(value: number): string {
  return String.fromCharCode((value >>> 8) & 0xff, value & 0xff);
}

const tls = row(
  mostly('\x01', either('\x00', '\x07', '')),
  either('\0\0\0\0', '\0\0\0\x01'),
  times(0, 3, vector(either('\x21', '\x22', '\x23', '\x28', nasty), either('TLSv1.3', 'ann', nasty))),
);
const vectors = times(
  0,
  3,
  mostly(
    either(
      vector('\x01', 'imap'),
      vector('\x02', 'mail.example.org'),
      vector('\x20', tls),
      vector('\x04', garbage),
    ),
    either(vector('\x03', '\0\0\0\0'), vector('\x05', nasty), vector(nasty, garbage), garbage),
  ),
);
const ADDRESSES: readonly (readonly [string, number])[] = [
  ['\x11', 12],
  ['\x21', 36],
  ['\x31', 216],
  ['\x00', 0],
  ['\x12', 12],
  ['\x41', 4],
];

function binary(random: Random): string {
  const [family, octets] = random.pick(ADDRESSES);
  const addresses = String.fromCharCode(...Array.from({ length: octets }, () => random.below(256)));
  const tail = vectors(random);
  const summed = random.oneIn(3) ? '\x03\0\x04' : '';
  const block = addresses + tail + (summed === '' ? '' : `${summed}\0\0\0\0`);
  const length = random.oneIn(20) ? random.below(65536) : block.length;
  const command = random.oneIn(12) ? random.pick(['\x20', '\x22', '\x31', '\x11']) : '\x21';
  const header = SIGNATURE + command + family + uint16(length) + block;
  if (summed === '' || random.oneIn(6)) {
    return header;
  }
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32c(Buffer.from(header, 'latin1')));
  return header.slice(0, -4) + sum.toString('latin1');
}

type Reading = ReadHeader | 'more' | 'refused';

function read(octets: Buffer): Reading {
  try {
    return parseProxyHeader(octets) ?? 'more';
  } catch (error) {
    if (error instanceof ProxyHeaderError) {
      return 'refused';
    }
    throw error;
  }
}

/** The header by which a balancer introduces a connection. */
export const proxyHeader: Target = {
  name: 'proxy-header',
  share: 1,
  words: [
    SIGNATURE,
    'PROXY ',
    'TCP4 ',
    'TCP6 ',
    'UNKNOWN',
    '\r\n',
    '\x21\x11\x00\x0c',
    '\x20',
    '\x03\x00\x04',
  ],
  generate: (random) => ({
    variant: 0,
    pieces: [random.oneIn(2) ? line(random) : binary(random), garbage(random)],
  }),
  run(sample) {
    const octets = joined(sample);
    const whole = read(octets);
    checkCuts(octets, whole);
    if (typeof whole === 'string') {
      return whole;
    }
    const { header, length } = whole;
    must(length <= octets.length && length <= MAX_OCTETS, 'bounds a header', () => String(length));
    for (const { ip: address, port } of header.ends === undefined ? [] : Object.values(header.ends)) {
      must(isIP(address) !== 0 && port >= 0 && port <= 65535, 'gives addresses', () => `${address} ${port}`);
    }
    return `${header.local} ${header.ends === undefined} ${header.tls?.certificateVerified} ${header.alpn?.length}`;
  },
};

/** However it comes in parts, a header is what it is: not before its last octet, and no other with more behind it. */
function checkCuts(octets: Buffer, whole: Reading): void {
  const end = typeof whole === 'string' ? octets.length : whole.length;
  for (const cut of [0, 1, 11, 12, 15, 16, end >>> 1, end - 1, end]) {
    if (cut < 0 || cut > end) {
      continue;
    }
    const part = read(octets.subarray(0, cut));
    if (part === 'refused') {
      mustEqual('refuses only what nothing can mend', whole, part);
    } else if (cut < end || whole === 'more') {
      must(part === 'more', 'waits for the whole header', () => `${cut} of ${end}`);
    } else {
      mustEqual('is the same with nothing behind it', part, whole);
    }
  }
}
