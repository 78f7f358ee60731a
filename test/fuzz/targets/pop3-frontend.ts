import { pop3 } from '../../../protocols/pop3/pop3.ts';
import { runFrontend } from '../frontend-run.ts';
import { either, garbage, mostly, nasty, row, times } from '../grammar.ts';
import { followPop3 } from '../pop3-rules.ts';
import { exchange, user } from '../sasl-grammar.ts';
import { RIGHT_DIGEST } from '../scripted-apop.ts';
import type { Target } from '../target.ts';

const end = mostly('\r\n', either('\n', ' \r\n', '\r\r\n', ''));
const password = mostly(either('p', 'bad', ' two  sp '), either(nasty, garbage, ''));
const digest = mostly(
  RIGHT_DIGEST,
  either('0'.repeat(32), RIGHT_DIGEST.toUpperCase(), RIGHT_DIGEST.slice(1), `${RIGHT_DIGEST}0`, nasty),
);
const command = either(
  row(either('USER ', 'user '), user, end, 'PASS ', password, end),
  row('USER ', user, end, 'PASS ', password, end),
  row(either('APOP ', 'apop '), user, ' ', digest, end),
  row('USER ', user, end, either('NOOP\r\n', 'CAPA\r\n', 'STLS\r\n'), 'PASS ', password, end),
  row(either('USER', 'PASS', 'APOP'), mostly(' ', ''), either(user, password), end),
  row(either('AUTH ', 'auth '), exchange),
  row('AUTH ', exchange),
  row(
    either('CAPA', 'NOOP', 'AUTH', 'STLS', 'QUIT', 'AUTH ', 'capa', 'LANG', 'STAT', 'XCLIENT ADDR=1.2.3.4'),
    end,
  ),
  row('STLS', end),
  row(nasty, end),
);
const opener = either('GET / HTTP/1.1\r\n', 'EHLO x\r\n', '\x16\x03\x01\x02\x00', '\r\n');
const flight = mostly(times(1, 3, command), either(opener, garbage, row(command, opener)));

/** The proxy's side towards a POP3 client. */
export const pop3Frontend: Target = {
  name: 'pop3-frontend',
  share: 4,
  words: [
    'USER ann\r\n',
    'PASS p\r\n',
    'AUTH ',
    'APOP ',
    RIGHT_DIGEST,
    'PLAIN ',
    'LOGIN',
    'STLS\r\n',
    'CAPA',
    '\r\n',
    '*\r\n',
    'AGIAcA==',
    '=',
  ],
  generate: (random) => ({
    variant: random.next() & 0xffff,
    pieces: Array.from({ length: 1 + random.below(5) }, () => flight(random)),
  }),
  run: (sample, effort) =>
    runFrontend({ protocol: pop3, follow: followPop3, greeting: /^.*\r\n/ }, sample, effort),
};
