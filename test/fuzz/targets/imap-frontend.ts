import { imap } from '../../../protocols/imap/imap.ts';
import { runFrontend } from '../frontend-run.ts';
import { either, garbage, mostly, nasty, number, type Rule, row, times } from '../grammar.ts';
import { followImap } from '../imap-rules.ts';
import { exchange, octets, user } from '../sasl-grammar.ts';
import type { Target } from '../target.ts';

const tag = mostly(
  either('a', 'A1', '00000000', 'x-y_z', 'a]b', '.'),
  either(nasty, 'LOGIN', 'GET', '{1+}', 'A'.repeat(127)),
);
const literal: Rule = (random) => {
  const text = octets(random);
  const count = random.oneIn(12) ? number(random) : String(text.length);
  return `{${count}${random.oneIn(3) ? '' : '+'}}\r\n${text}`;
};
const quoted: Rule = row('"', mostly(user, either('te\\\\\\"st', 'a\\x', nasty)), '"');
const astring: Rule = either(user, user, quoted, quoted, literal);
const end = mostly('\r\n', either('\n', ' \r\n', '\r\r\n', '', '{3+}\r\n'));
const pair = row(
  either('"name" ', '"x-proxy-ttl" ', row(quoted, ' '), row(literal, ' ')),
  either(quoted, literal, 'NIL', '"3"'),
);
const command = row(
  tag,
  mostly(' ', either('', '  ', '\t')),
  either(
    row(either('LOGIN ', 'login '), astring, mostly(' ', nasty), astring, end),
    row('LOGIN ', astring, ' ', astring, end),
    row(either('AUTHENTICATE ', 'authenticate '), exchange),
    row('AUTHENTICATE ', exchange),
    row('ID (', times(0, 3, row(pair, either(' ', '', '  '))), ')', end),
    row('ID ', either('NIL', '(', ')', quoted), end),
    row(either('CAPABILITY', 'NOOP', 'noop', 'STARTTLS', 'LOGOUT', 'ENABLE', 'SELECT INBOX'), end),
    row(either('STARTTLS', 'NOOP'), end),
    row('ENABLE', times(0, 2, mostly(' UTF8=ACCEPT', nasty)), end),
    row(either('FOO', 'SELECT', nasty), ' ', literal, end),
    row(nasty, end),
  ),
);
const opener = either(
  'GET / HTTP/1.1\r\n',
  'EHLO x\r\n',
  '\x16\x03\x01\x02\x00',
  'PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n',
  '\r\n',
  '{3+}\r\nabc\r\n',
);
const flight = mostly(times(1, 3, command), either(opener, garbage, row(command, opener)));

/** The proxy's side towards an IMAP client. */
export const imapFrontend: Target = {
  name: 'imap-frontend',
  share: 5,
  words: [
    'LOGIN ',
    'AUTHENTICATE ',
    'PLAIN',
    'STARTTLS',
    'ID (',
    'NIL',
    '{1+}\r\n',
    '{0}\r\n',
    '\r\n',
    'x NOOP\r\n',
    'LOGOUT',
    'AGIAcA==',
  ],
  generate: (random) => ({
    variant: random.next() & 0xffff,
    pieces: Array.from({ length: 1 + random.below(5) }, () => flight(random)),
  }),
  run: (sample, effort) =>
    runFrontend({ protocol: imap, follow: followImap, greeting: /^.*\r\n/ }, sample, effort),
};
