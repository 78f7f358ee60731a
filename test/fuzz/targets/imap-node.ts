import { imap } from '../../../protocols/imap/imap.ts';
import { base64, either, garbage, mostly, nasty, number, type Rule, row, times } from '../grammar.ts';
import { type NodePlay, SCRAM_FINAL, SCRAM_FIRST } from '../node-play.ts';
import { type NodeDialect, runNode } from '../node-run.ts';
import { must } from '../oracles.ts';
import type { Target } from '../target.ts';

const BASE64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?';
const QUOTED = '"(?:[^"\\\\\\r\\n\\0]|\\\\["\\\\])*"';
const FORBIDDEN = /^(?:AUTH=.*|STARTTLS|LOGINDISABLED|SASL-IR|LOGIN-REFERRALS|UNAUTHENTICATE)$/i;

const dialect: NodeDialect = {
  protocol: imap,
  line: new RegExp(
    `^(?:C CAPABILITY|Q LOGOUT|L AUTHENTICATE [A-Z0-9-]+(?: (?:=|${BASE64}))?|I ID \\(${QUOTED} ${QUOTED}(?: ${QUOTED} ${QUOTED})*\\)|${BASE64})$`,
  ),
  beforeTls: /^(?:C CAPABILITY|S STARTTLS|Q LOGOUT)$/,
  letsIn: /^L OK(?: |\r?$)/im,
  checkSession,
};

/** The capability list is all that a client is told of a node's words: it must be nothing else than one. */
function checkSession({ session, heard }: NodePlay): void {
  const names = session?.welcome.capabilities ?? [];
  must(names.length <= 200, 'bounds the capabilities', () => String(names.length));
  for (const name of names) {
    must(/^[\x21-\x7e]{1,64}$/.test(name), 'repeats capabilities only', () => JSON.stringify(name));
    must(!/["(){%*\\\]]/.test(name), 'repeats capabilities only', () => JSON.stringify(name));
    must(!FORBIDDEN.test(name), 'repeats what is true behind the login', () => name);
    must(heard.includes(name), 'forgets what was said before TLS', () => name);
  }
  must(
    names.some((name) => /^IMAP4rev[12]$/i.test(name)),
    'wants IMAP',
    () => names.join(' '),
  );
}

const capability = mostly(
  either(
    'IMAP4rev1',
    'IDLE',
    'SASL-IR',
    'ID',
    'STARTTLS',
    'AUTH=SCRAM-SHA-256',
    'UNAUTHENTICATE',
    'LOGIN-REFERRALS',
  ),
  either(nasty, 'REFERRAL', 'X]', 'A'.repeat(65)),
);
const list: Rule = row('IMAP4rev1 SASL-IR ID STARTTLS', times(0, 3, row(' ', capability)));
const code = mostly(row('[CAPABILITY ', list, '] '), either('', '[ALERT] ', '[REFERRAL imap://evil/] '));
const end = mostly('\r\n', either('\n', '\r\r\n', ''));
const untagged = row(
  '* ',
  either(
    row('CAPABILITY ', list),
    'BYE',
    'PREAUTH hi',
    'ID NIL',
    'ID ("name" "Dovecot")',
    row('OK ', code),
    row(number, ' EXISTS'),
    nasty,
  ),
  end,
);
const status = mostly('OK', either('NO', 'BAD', 'ok', 'OKAY', 'PREAUTH', nasty));
const refusal = row(
  'L NO ',
  either('[AUTHENTICATIONFAILED]', '[LIMIT]', '[INUSE]', '[UNAVAILABLE]', '[limit', garbage),
  ' SECRET',
  end,
);
const greeting = mostly(row('* OK ', code, 'ready', end), either(untagged, garbage, '* BYE no\r\n'));
const capabilities = mostly(
  row('* CAPABILITY ', list, end, 'C ', status, ' done', end),
  either(untagged, nasty),
);
const first = mostly(
  row('+ ', SCRAM_FIRST, end),
  either(
    row('+ ', base64(row('r=', garbage, ',s=', nasty, ',i=', number))),
    row('+', end),
    row('+ ', nasty, end),
  ),
);
const final = mostly(
  row('+ ', SCRAM_FINAL, end),
  either(row('+ ', base64(row('v=', nasty)), end), row('+ ', end)),
);
const letIn = mostly(
  row('L ', status, ' ', code, 'in', end),
  either(refusal, untagged, 'L OK', row('l ok', end)),
);

/** The proxy's side towards an IMAP node. */
export const imapNode: Target = {
  name: 'imap-node',
  share: 3,
  words: [
    '* ',
    '+ ',
    'L OK ',
    'C OK',
    'I OK',
    'S OK',
    '[CAPABILITY IMAP4rev1]',
    'L NO [INUSE]',
    SCRAM_FIRST,
    SCRAM_FINAL,
    '\r\n',
  ],
  generate(random) {
    const variant = random.next() & 0xffff;
    const steps = [
      greeting,
      ...((variant & 1) === 0
        ? []
        : [mostly(row('S OK', end), row('S ', status, end, untagged)), capabilities]),
      ...((variant & 8) === 0 ? [] : [row('I ', status, end)]),
      first,
      final,
      letIn,
      either(capabilities, '* 1 EXISTS\r\n', ''),
    ];
    const kept = steps.filter(() => !random.oneIn(12));
    return { variant, pieces: kept.map((step) => (random.oneIn(12) ? untagged(random) : '') + step(random)) };
  },
  run: (sample, effort) => runNode(dialect, sample, effort),
};
