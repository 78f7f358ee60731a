import { base64, either, garbage, mostly, nasty, type Rule, row, times } from './grammar.ts';

/** A login name, mostly a sensible one. */
export const user: Rule = mostly(
  either('ann', 'ann@example.org', 'b'),
  either(nasty, 'u*master', 'us\xc3\xa9r', "o'neil+tag"),
);

/** Octets that should be kept from being a command. */
export const octets: Rule = mostly(user, either(nasty, garbage, 'LOGIN a b\r\n', 'x NOOP\r\n'));

const end = mostly('\r\n', either('\n', ' \r\n', '\r\r\n', ''));
const plain = base64(row(either('', user), '\0', user, '\0', either('p', 'bad', octets)));
const response = mostly(
  either(plain, plain, base64(user), base64('p'), ''),
  either('*', '=', '!', 'AA==A', '=AAA', nasty),
);
const scripted = base64(row(either('c', 'p', 'P', 'r', 'R', 'x'), user));
/** For a response; the listeners of the fuzzer take 12 KiB. */
const tooLong = 'A'.repeat(13_000);

/** What stands behind AUTHENTICATE or AUTH: a mechanism, and the client's side of its exchange. */
export const exchange: Rule = either(
  row('PLAIN ', response, end),
  row('PLAIN\r\n', response, end),
  row('LOGIN\r\n', base64(user), '\r\n', base64('p'), end),
  row('LOGIN ', base64(user), end, base64(user), end),
  row('X-SCRIPTED\r\n', times(0, 3, row(scripted, '\r\n')), either('', 'AQ==', '*', 'AA'), end),
  row('X-SCRIPTED ', scripted, '\r\n', mostly(either('', 'AQ==', '*', response), tooLong), end),
  row(either('CRAM-MD5', 'plain', 'EXTERNAL', nasty), ' ', response, end),
);
