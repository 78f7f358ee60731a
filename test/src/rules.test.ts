import { describe, expect, it } from 'vitest';
import { RULES } from '../rules.ts';
import { ruleTable, testsOf, unshownRules } from '../support/rule-table.ts';

describe('the rules of the front end', () => {
  it('have ids of their own', () => {
    const ids = RULES.flatMap(({ rules }) => rules).map(({ id }) => id);

    expect(ids).toEqual([...new Set(ids)]);
  });
});

describe('the table of rules', () => {
  const tests = [
    { name: 'IMAP > I1 greets', file: 'a.test.ts' },
    { name: 'IMAP > greets again (I1)', file: 'b.test.ts' },
    { name: 'IMAP > I10 reads', file: 'c.test.ts' },
    { name: 'IMAP > TLSv1.I1 I1.2', file: 'd.test.ts' },
  ];

  it('finds a rule by its whole id', () => {
    const found = testsOf({ id: 'I1', rule: 'greets' }, tests);

    expect(found.map(({ file }) => file)).toEqual(['a.test.ts', 'b.test.ts']);
  });

  it('says what is shown by nothing', () => {
    expect(unshownRules(tests)).toContain('I2');
    expect(ruleTable(tests)).toMatch(/\| I2 \| [^|]* \| \*\*nothing\*\* \|/);
    expect(ruleTable(tests)).toMatch(/\| P7 \| [^|]* \| no test: CAPA behind the login is the node's \|/);
  });
});
