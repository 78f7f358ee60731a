import { sieve } from '../../../protocols/sieve/sieve.ts';
import { type Dialect, runFrontend } from '../frontend-run.ts';
import { base64, either, garbage, mostly, nasty, number, type Rule, row, times } from '../grammar.ts';
import { octets, user } from '../sasl-grammar.ts';
import { followSieve } from '../sieve-rules.ts';
import type { Target } from '../target.ts';

const dialect: Dialect = {
  protocol: sieve,
  follow: followSieve,
  greeting: /^(?:".*\r\n)*OK .*\r\n/,
  tlsGreeting: /^(?:".*\r\n)*OK .*\r\n/,
};

const end = mostly('\r\n', either('\n', ' \r\n', '\r\r\n', '', '{3+}\r\n'));
function literal(part: Rule): Rule {
  return (random) => {
    const text = part(random);
    const count = random.oneIn(12) ? number(random) : String(text.length);
    return `{${count}${random.oneIn(8) ? '' : '+'}}\r\n${text}`;
  };
}
function string(part: Rule): Rule {
  return either(row('"', part, '"'), row('"', part, '"'), literal(part));
}
const plain = base64(row(either('', user), '\0', user, '\0', either('p', 'bad', octets)));
const response = mostly(either(plain, plain, base64(user), ''), either('*', '=', '!', 'AA==A', nasty));
const scripted = base64(row(either('c', 'p', 'P', 'r', 'R', 'x'), user));
const exchange = either(
  row('"PLAIN" ', string(response), end),
  row('"PLAIN"\r\n', string(response), end),
  row('"LOGIN"\r\n', string(base64(user)), '\r\n', string(base64(user)), end),
  row(
    '"X-SCRIPTED" ',
    string(scripted),
    '\r\n',
    times(0, 2, row(string(scripted), '\r\n')),
    string(() => 'AQ=='),
    end,
  ),
  row(string(either('PLAIN', 'CRAM-MD5', nasty)), mostly(' ', ''), string(response), end),
);
const command = either(
  row('AUTHENTICATE ', exchange),
  row(either('authenticate ', 'AUTHENTICATE'), exchange),
  row(either('CAPABILITY', 'STARTTLS', 'LOGOUT', 'NOOP', 'UNAUTHENTICATE', 'noop', 'STARTTLS'), end),
  row('NOOP ', string(octets), end),
  row(either('HAVESPACE ', 'PUTSCRIPT '), string(octets), ' ', string(octets), end),
  row(either(nasty, '(', '"x"'), end),
);
const opener = either('GET / HTTP/1.1\r\n', 'EHLO x\r\n', '\x16\x03\x01\x02\x00', '\r\n');
const flight = mostly(times(1, 3, command), either(opener, garbage, row(command, opener)));

/** The proxy's side towards a ManageSieve client. */
export const sieveFrontend: Target = {
  name: 'sieve-frontend',
  share: 4,
  words: [
    'AUTHENTICATE ',
    '"PLAIN" ',
    '"',
    '{3+}\r\n',
    'NOOP ',
    'STARTTLS\r\n',
    '(',
    ')',
    '\\"',
    '"AGIAcA=="',
    '\r\n',
  ],
  generate: (random) => ({
    variant: random.next() & 0xffff,
    pieces: Array.from({ length: 1 + random.below(5) }, () => flight(random)),
  }),
  run: (sample, effort) => runFrontend(dialect, sample, effort),
};
