import { BerWriter, type Filter } from 'ldapts';
import type { LoginName } from '../../../auth/directory.ts';
import type { Entry } from '../../../auth/entries/entry.ts';
import { matchesFilter } from '../../../auth/entries/filter-match.ts';
import { parseLoginFilter, SchemaError } from '../../../auth/entries/login-filter.ts';
import { either, garbage, later, mostly, nasty, number, type Rule, row, times } from '../grammar.ts';
import { allowing, must } from '../oracles.ts';
import type { Sample } from '../sample.ts';
import type { Target } from '../target.ts';

const attributeName = mostly(either('uid', 'mail', 'objectClass', 'userAccountControl', 'cn;lang-de'), nasty);
const placeholder = mostly(either('%u', '%n'), either('%d', '%x', '%'));
const value = mostly(
  either(placeholder, row(placeholder, '@example.org'), 'person'),
  either(nasty, '*', '\\2a', '\\c3\\a4', garbage),
);
const comparison = either(
  row(attributeName, '=', value),
  row(attributeName, '=', value),
  row(attributeName, either('>=', '<=', '~='), mostly(number, value)),
  row(attributeName, '=', mostly('*', row(value, '*', value, '*'))),
  row(attributeName, ':1.2.840.113556.1.4.803:=', number),
  row(attributeName, ':dn:=', value),
);
const filterText: Rule = row(
  '(',
  mostly(
    either(
      comparison,
      comparison,
      row(
        either('&', '|'),
        times(
          1,
          3,
          later(() => filterText),
        ),
      ),
      row(
        '!',
        later(() => filterText),
      ),
    ),
    nasty,
  ),
  mostly(')', ''),
);
const templateText = either(
  filterText,
  row('(&(uid=%u)', filterText, ')'),
  row('(|(uid=%n)', filterText, ')'),
);
const name = mostly(either('ann', 'ann@example.org'), either(nasty, '*', 'a)(uid=*', garbage, '%n', '\\2a'));

/** The filters of a configuration, filled with any login name, and matched with entries of the same words. */
export const loginFilter: Target = {
  name: 'login-filter',
  share: 1,
  words: ['(', ')', '%u', '%n', '%d', '(&', '(|', '(!', '=*', '\\28', ':=', 'uid='],
  generate: (random) => ({ variant: 0, pieces: [templateText(random), name(random), name(random)] }),
  run({ pieces }: Sample) {
    const [template = '', typed = '', domain = ''] = pieces.map((piece) =>
      Buffer.from(piece, 'latin1').toString('utf8'),
    );
    const parsed = allowing([SchemaError], () => parseLoginFilter(template));
    if (parsed === undefined) {
      return 'refused';
    }
    const login = { full: typed, localPart: typed, domain };
    const filled = parsed.fill(login);
    const plain = parsed.fill({ full: 'u', localPart: 'u', domain: 'd' });
    must(
      filled !== undefined && plain !== undefined,
      'fills every filter for a name with a domain',
      () => template,
    );
    must(
      shapeOf(filled) === shapeOf(plain),
      'takes a name for a value only',
      () => `${shapeOf(filled)} instead of ${shapeOf(plain)}`,
    );
    const entry = entryOf(login);
    const found = matchesFilter(filled, entry);
    filled.write(new BerWriter());
    return `${shapeOf(filled)} ${found}`;
  },
};

function entryOf({ full, domain }: LoginName): Entry {
  const values = [full, 'person', domain ?? '', '512'];
  return {
    dn: 'uid=ann',
    attributes: new Map(['uid', 'mail', 'objectclass', 'useraccountcontrol'].map((key) => [key, values])),
  };
}

/** The tree of a filter with its attributes, without the values. */
function shapeOf(filter: Filter): string {
  const {
    attribute,
    filter: inner,
    filters,
  } = filter as { attribute?: string; filter?: Filter; filters?: Filter[] };
  const parts = [...(inner === undefined ? [] : [inner]), ...(filters ?? [])];
  return `${filter.constructor.name}${attribute === undefined ? '' : ` ${attribute}`}(${parts.map(shapeOf).join(',')})`;
}
