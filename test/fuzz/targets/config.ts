import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, loadConfig } from '../../../src/config.ts';
import { either, garbage, mostly, nasty, number, type Rule, row, times } from '../grammar.ts';
import { allowing, must } from '../oracles.ts';
import { joined } from '../sample.ts';
import type { Target } from '../target.ts';

const EXAMPLE = readFileSync(
  new URL('../../../deploy/homing/homing.example.yaml', import.meta.url),
  'latin1',
);
/** The settings that there are, and where they stand: the example has all of them. */
const NAMES = [...new Set(EXAMPLE.match(/\b[a-zA-Z]+(?=:)/g) ?? [])];
const VALUES = [...new Set(EXAMPLE.match(/(?<=: )[^\s#{}[\],]+/g) ?? [])];
/** What no message may ever hold. */
const SECRET = 'canary-of-the-fuzzer';

const folder = mkdtempSync(join(tmpdir(), 'homing-fuzz-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, 'proxy1.key'), `${SECRET}-long-enough-for-a-key\n`, { mode: 0o600 });
writeFileSync(join(folder, 'ldap.password'), `${SECRET}\n`, { mode: 0o600 });
writeFileSync(join(folder, 'people.ldif'), `dn: uid=ann\nuid: ann\nuserPassword: {SSHA}${SECRET}\n`, {
  mode: 0o600,
});

const scalar: Rule = mostly(
  (random) => random.pick(VALUES),
  either(
    number,
    nasty,
    row('"', garbage, '"'),
    '&a',
    '*a',
    '!!binary AA',
    '!!js/function x',
    '5s',
    '-1s',
    '64KiB',
    'null',
    '~',
    'true',
  ),
);
const setting: Rule = mostly((random) => random.pick(NAMES), either(nasty, '<<', '? x', 'passwrodFile'));
const line: Rule = row(
  either('', '  ', '    ', '  - ', '- ', '\t'),
  setting,
  ':',
  mostly(' ', ''),
  mostly(scalar, ''),
  '\n',
);
const flow: Rule = row('listeners: [{ ', setting, ': ', scalar, ', ', setting, ': [', scalar, '] }]\n');

/** The reader of configuration files. It is slow, since it looks at files: its share is small. */
export const config: Target = {
  name: 'config',
  share: 1,
  words: [
    ...NAMES.map((name) => `${name}: `),
    '\n',
    '  - ',
    '{ ',
    ' }',
    '[',
    ']',
    '&a ',
    '*a',
    '<<: *a\n',
    '# ',
    '"',
  ],
  generate(random) {
    const from = random.below(EXAMPLE.length);
    const parts = [
      EXAMPLE.slice(0, from),
      times(1, 4, either(line, line, flow))(random),
      EXAMPLE.slice(from + random.below(200)),
    ];
    return { variant: 0, pieces: random.oneIn(3) ? [times(1, 8, line)(random)] : parts };
  },
  run(sample) {
    const file = join(folder, 'homing.yaml');
    writeFileSync(file, joined(sample));
    let way = 'accepted';
    allowing([ConfigError], () => {
      try {
        loadConfig(file);
      } catch (error) {
        if (error instanceof ConfigError) {
          way = checkProblems(error, joined(sample).toString('utf8').split('\n').length);
        }
        throw error;
      }
    });
    return way;
  },
};

function checkProblems({ problems }: ConfigError, lines: number): string {
  must(problems.length > 0, 'says why it refuses', () => 'no problems');
  for (const { line: at, column, message, hint, excerpt } of problems) {
    must(
      at >= 1 && at <= lines && column >= 1,
      'names a place of the file',
      () => `${at}:${column} of ${lines}`,
    );
    must(![message, hint ?? '', excerpt].join(' ').includes(SECRET), 'shows no secret', () => message);
  }
  return [...new Set(problems.map(({ message }) => message.replaceAll(/[^a-z ]/g, '').slice(0, 24)))]
    .slice(0, 3)
    .join('|');
}
