import { LoginFailure } from '../../../auth/failure.ts';
import { BerError, elementOctets } from '../../../auth/ldap/ber.ts';
import { readLdapMessage } from '../../../auth/ldap/message.ts';
import { readBindResult } from '../../../auth/ldap/results.ts';
import { either, garbage, mostly, nasty, type Rule, row, times } from '../grammar.ts';
import { allowing, mustEqual } from '../oracles.ts';
import type { Random } from '../random.ts';
import { joined } from '../sample.ts';
import type { Target } from '../target.ts';

/** An element of BER, seldom with a length that is not its own. */
function element(tag: number, content: Rule): Rule {
  return (random) => {
    const text = content(random);
    return (
      String.fromCharCode(random.oneIn(60) ? random.below(256) : tag) + length(text.length, random) + text
    );
  };
}

function length(octets: number, random: Random): string {
  const told = random.oneIn(60)
    ? random.pick([0, 1, octets + 1, octets - 1, 127, 128, 65535, 0xffffffff])
    : octets;
  const value = Math.max(0, told);
  if (value < 128 && !random.oneIn(20)) {
    return String.fromCharCode(value);
  }
  const size = random.oneIn(40) ? random.below(6) : 4;
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return String.fromCharCode(0x80 | size) + buffer.toString('latin1').slice(4 - Math.min(size, 4));
}

const text = mostly(either('uid=ann', 'mailHost', 'node-a', ''), either(nasty, garbage, 'us\xc3\xa9r'));
const octetString = element(0x04, text);
const integer = element(
  0x02,
  mostly(
    either('\x01', '\x02', '\x00', '\x7f'),
    either('', '\x80', '\x7f\xff\xff\xff', '\x01\x00\x00\x00\x00'),
  ),
);
const attribute = element(0x30, row(octetString, element(0x31, times(0, 3, octetString))));
const entry = element(0x64, row(octetString, element(0x30, times(0, 4, attribute))));
const code = element(0x0a, either('\x00', '\x31', '\x20', '\x35', '\x13', '\x30', '\x33', '\xff', ''));
const diagnostic = element(
  0x04,
  either('', text, '80090308: LdapErr: DSID-0C09042A, comment: AcceptSecurityContext error, data 775'),
);
const result = (tag: number): Rule => element(tag, row(code, octetString, diagnostic));
const policyValue = element(
  0x30,
  mostly(element(0x81, either('\x00', '\x01', '\x02', '\xff')), either(element(0xa0, integer), '')),
);
const control = element(
  0x30,
  row(
    element(0x04, mostly('1.3.6.1.4.1.42.2.27.8.5.1', text)),
    mostly(
      '',
      element(0x01, () => '\xff'),
    ),
    element(0x04, policyValue),
  ),
);
const controls = element(0xa0, times(0, 2, control));
const operation = mostly(
  either(
    entry,
    result(0x65),
    result(0x61),
    row(result(0x61), controls),
    result(0x78),
    element(0x73, octetString),
  ),
  either(octetString, integer, garbage),
);
const message = element(0x30, row(integer, operation));

/** What LDAP servers send. */
export const ldapMessage: Target = {
  name: 'ldap-message',
  share: 1,
  words: [
    '\x30',
    '\x04\x00',
    '\x0a\x01\x00',
    '\x84\x00\x00\x00\x05',
    '\x80',
    '\x61',
    '\x64',
    '\xa0',
    '\x81\x01\x01',
  ],
  generate: (random) => ({ variant: 0, pieces: [message(random)] }),
  run(sample) {
    const octets = joined(sample);
    checkLength(octets);
    // As the connection does it: a message is cut before it is read.
    const read = allowing([BerError], () => {
      const end = elementOctets(octets) ?? Number.POSITIVE_INFINITY;
      return end > octets.length ? undefined : readLdapMessage(octets.subarray(0, end));
    });
    if (read === undefined) {
      return 'refused';
    }
    if (read.kind === 'result') {
      const verdict = allowing([LoginFailure], () => readBindResult(read.result, 'fuzz'));
      return `${read.operation} ${read.result.code} ${read.result.policyError} ${verdict}`;
    }
    return read.kind === 'entry' ? `entry ${read.entry.attributes.size}` : read.kind;
  },
};

/** Half of an element may not say another length than the whole, and never less than there is to read. */
function checkLength(octets: Buffer): void {
  const whole = allowing([BerError], () => elementOctets(octets) ?? 'more');
  for (const cut of [1, 2, 3, 6]) {
    const half = allowing([BerError], () => elementOctets(octets.subarray(0, cut)) ?? 'more');
    if (half !== 'more' && octets.length >= cut) {
      mustEqual('tells one length however it is cut', half, whole);
    }
  }
}
