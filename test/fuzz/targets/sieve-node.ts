import { sieve } from '../../../protocols/sieve/sieve.ts';
import { base64, either, garbage, mostly, nasty, number, row, times } from '../grammar.ts';
import { type NodePlay, SCRAM_FINAL, SCRAM_FIRST } from '../node-play.ts';
import { type NodeDialect, runNode } from '../node-run.ts';
import { must } from '../oracles.ts';
import type { Target } from '../target.ts';

const BASE64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?';

const dialect: NodeDialect = {
  protocol: sieve,
  line: new RegExp(
    `^(?:CAPABILITY|LOGOUT|AUTHENTICATE "[A-Z0-9-]+"(?: "${BASE64}")?|XCLIENT(?: [A-Z]+=[\\x21-\\x7e]+)+|"${BASE64}")$`,
  ),
  beforeTls: /^(?:STARTTLS|LOGOUT)$/,
  letsIn: /^OK(?: |\r?$)/im,
  checkSession: ({ session, heard }: NodePlay) => {
    must(session?.welcome.capabilities.length === 0, 'tells nothing of the node', () => 'capabilities');
    must((heard.match(/^ *OK/gim) ?? []).length >= 2, 'waits for the answer to CAPABILITY', () => heard);
  },
};

const end = mostly('\r\n', either('\n', ' \r\n', '{3}\r\nabc\r\n', ''));
const capability = mostly(
  either('"SIEVE" "fileinto"', '"SASL" "SCRAM-SHA-256"', '"STARTTLS"', '"XCLIENT"', '"VERSION" "1.0"'),
  either('"UNAUTHENTICATE"', '"unauthenticate"', nasty, row('{', number, '}\r\n', garbage), '"\\"'),
);
const ok = mostly(
  row('OK ', either('', '(TAG "x") '), '"done"', end),
  either('NO "no"\r\n', 'BYE\r\n', 'ok\r\n', 'OKAY\r\n', garbage),
);
const capabilities = row(
  '"IMPLEMENTATION" "Dovecot"\r\n"STARTTLS"\r\n"XCLIENT"\r\n',
  times(0, 3, row(capability, '\r\n')),
  ok,
);
const listed = row('"IMPLEMENTATION" "Dovecot"\r\n', times(0, 3, row(capability, '\r\n')), ok);
const first = mostly(
  row('"', SCRAM_FIRST, '"', end),
  either(
    row('"', base64(row('r=', garbage, ',s=', nasty, ',i=', number)), '"', end),
    row('{4}\r\n', nasty, end),
  ),
);
const final = mostly(
  row('"', SCRAM_FINAL, '"', end),
  either(
    row('OK (SASL "', SCRAM_FINAL, '") "in"', end),
    row('"', base64(row('v=', nasty)), '"', end),
    row('OK (SASL "AAAA")', end),
  ),
);
const letIn = mostly(
  ok,
  either(
    'NO (TRYLATER) "SECRET"\r\n',
    'NO (REFERRAL "sieve://evil") "SECRET"\r\n',
    'BYE (REFERRAL {4}\r\nevil)\r\n',
    nasty,
  ),
);

/** The proxy's side towards a ManageSieve node. */
export const sieveNode: Target = {
  name: 'sieve-node',
  share: 2,
  words: [
    'OK ',
    'NO ',
    'BYE ',
    '(SASL "',
    '(TRYLATER)',
    '"XCLIENT"\r\n',
    '{4}\r\n',
    '"',
    SCRAM_FIRST,
    SCRAM_FINAL,
    '\r\n',
  ],
  generate(random) {
    const variant = random.next() & 0xfffe;
    const steps = [capabilities, ...((variant & 8) === 0 ? [] : [ok]), first, final, letIn, listed];
    return { variant, pieces: steps.filter(() => !random.oneIn(12)).map((step) => step(random)) };
  },
  // Never by STARTTLS: in TLS the proxy waits between its words for Dovecot's sake, and a fuzzer has no time.
  run: ({ variant, pieces }, effort) => runNode(dialect, { variant: variant & ~1, pieces }, effort),
};
