import type { Entry } from '../../../auth/entries/entry.ts';
import { LdifError, parseLdif } from '../../../auth/ldif/parser.ts';
import { base64, either, garbage, mostly, nasty, type Rule, row, times } from '../grammar.ts';
import { allowing, must, mustEqual } from '../oracles.ts';
import { joined } from '../sample.ts';
import type { Target } from '../target.ts';

const end = mostly('\n', either('\r\n', '\n ', '\n\n', '\r', ''));
const attribute = mostly(
  either('uid', 'mail', 'mailHost', 'userPassword', 'cn;lang-de', '2.5.4.3'),
  either(nasty, 'dn', 'changetype', 'control', ''),
);
const value: Rule = mostly(
  either('ann', 'ann@example.org', 'a long value that\n  is folded', ''),
  either(nasty, garbage, 'us\xc3\xa9r'),
);
const line = mostly(
  either(row(attribute, ': ', value, end), row(attribute, ':: ', base64(value), end)),
  either(
    row(attribute, ':< file:///etc/passwd', end),
    row('# comment', end),
    row(attribute, ':', value, end),
    nasty,
  ),
);
const record = row(
  mostly('dn: uid=ann,dc=example\n', row('dn:: ', base64(value), end)),
  times(0, 5, line),
  mostly('\n', end),
);

/** The reader of LDIF files. */
export const ldif: Target = {
  name: 'ldif',
  share: 1,
  words: ['dn: ', 'version: 1\n', ':: ', '\n ', '# ', '\n\n', 'changetype: add\n', '-\n'],
  generate: (random) => ({
    variant: 0,
    pieces: [
      mostly('', either('version: 1\n', 'version: 2\n', '\n'))(random),
      ...Array.from({ length: 1 + random.below(3) }, () => record(random)),
    ],
  }),
  run(sample) {
    const octets = joined(sample);
    const lines = octets.toString('latin1').split('\n').length;
    let refused = '';
    const entries = allowing([LdifError], () => {
      try {
        return parseLdif(octets);
      } catch (error) {
        if (error instanceof LdifError) {
          must(error.line >= 1 && error.line <= lines, 'names a line of the file', () => String(error.line));
          refused = error.message.replaceAll(/^line \d+: |".*"|version .*/gs, '');
        }
        throw error;
      }
    });
    if (entries === undefined) {
      return refused;
    }
    const written = entries.map(writeEntry).join('\n');
    mustEqual('reads again what was read', parseLdif(Buffer.from(written)).map(plain), entries.map(plain));
    return `${entries.length} ${entries.map(({ attributes }) => [...attributes.values()].map((values) => values.length))}`;
  },
};

function writeEntry({ dn, attributes }: Entry): string {
  const pairs = [
    ['dn', dn],
    ...[...attributes].flatMap(([name, values]) => values.map((one) => [name, one])),
  ];
  return pairs.map(([name, one = '']) => `${name}:: ${Buffer.from(one).toString('base64')}\n`).join('');
}

function plain({ dn, attributes }: Entry): unknown {
  return [dn, [...attributes]];
}
