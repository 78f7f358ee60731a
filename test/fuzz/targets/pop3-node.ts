import { pop3 } from '../../../protocols/pop3/pop3.ts';
import { base64, either, garbage, mostly, nasty, number, row } from '../grammar.ts';
import { type NodePlay, SCRAM_FINAL, SCRAM_FIRST } from '../node-play.ts';
import { type NodeDialect, runNode } from '../node-run.ts';
import { must } from '../oracles.ts';
import type { Target } from '../target.ts';

const BASE64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?';

const dialect: NodeDialect = {
  protocol: pop3,
  line: new RegExp(
    `^(?:QUIT|AUTH [A-Z0-9-]+(?: (?:=|${BASE64}))?|XCLIENT(?: [A-Z]+=[\\x21-\\x7e]+)+|${BASE64})$`,
  ),
  beforeTls: /^(?:STLS|QUIT)$/,
  letsIn: /^\+OK(?: |\r?$)/m,
  checkSession: ({ session }: NodePlay) => {
    must(session?.welcome.capabilities.length === 0, 'tells nothing of the node', () => 'capabilities');
  },
};

const end = mostly('\r\n', either('\n', '\r\r\n', ''));
const ok = mostly(
  row('+OK', either('', ' ready', ' [XCLIENT] ready'), end),
  either('-ERR no\r\n', '+ok\r\n', '+OKAY\r\n', garbage),
);
const greeting = mostly(row('+OK [XCLIENT] ready', end), ok);
const first = mostly(
  row('+ ', SCRAM_FIRST, end),
  either(
    row('+ ', base64(row('r=', garbage, ',s=', nasty, ',i=', number)), end),
    row('+', end),
    row('+ ', nasty, end),
  ),
);
const final = mostly(
  row('+ ', SCRAM_FINAL, end),
  either(row('+ ', base64(row('v=', nasty)), end), row('+ ', end)),
);
const refusal = row(
  '-ERR ',
  either('[AUTH]', '[IN-USE]', '[SYS/TEMP]', '[LOGIN-DELAY]', '[sys/perm', garbage),
  ' SECRET',
  end,
);
const letIn = mostly(row('+OK in', end), either(refusal, ok, '+OK', nasty));

/** The proxy's side towards a POP3 node. */
export const pop3Node: Target = {
  name: 'pop3-node',
  share: 2,
  words: ['+OK', '-ERR ', '+ ', '[XCLIENT]', '[IN-USE]', SCRAM_FIRST, SCRAM_FINAL, '\r\n'],
  generate(random) {
    const variant = random.next() & 0xffff;
    const steps = [
      greeting,
      ...((variant & 1) === 0 ? [] : [ok]),
      ...((variant & 8) === 0 ? [] : [ok]),
      first,
      final,
      letIn,
      either('+OK 1 2\r\n', ''),
    ];
    return { variant, pieces: steps.filter(() => !random.oneIn(12)).map((step) => step(random)) };
  },
  run: (sample, effort) => runNode(dialect, sample, effort),
};
