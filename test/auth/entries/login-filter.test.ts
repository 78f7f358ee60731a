import fc from 'fast-check';
import { Filter, FilterParser } from 'ldapts';
import { describe, expect, it } from 'vitest';
import type { LoginName } from '../../../auth/directory.ts';
import { parseLoginFilter, SchemaError } from '../../../auth/entries/login-filter.ts';
import { anyText } from '../any-text.ts';

function login(full: string): LoginName {
  const at = full.lastIndexOf('@');
  return at === -1
    ? { full, localPart: full, domain: undefined }
    : { full, localPart: full.slice(0, at), domain: full.slice(at + 1) };
}

function filled(template: string, name: string): string | undefined {
  return parseLoginFilter(template).fill(login(name))?.toString();
}

describe('parseLoginFilter', () => {
  it('puts name, local part and domain where the template asks for them', () => {
    expect(filled('(&(uid=%n)(|(mail=%u)(o=%d)))', 'alice@example.org')).toBe(
      '(&(uid=alice)(|(mail=alice@example.org)(o=example.org)))',
    );
  });

  it('fills values of all kinds', () => {
    expect(filled('(|(!(a=%u))(a=x*%u*y)(a>=%u)(a<=%u)(a~=%u)(a:caseExactMatch:=%u)(b=*))', 'n')).toBe(
      '(|(!(a=n))(a=x*n*y)(a>=n)(a<=n)(a~=n)(a:caseExactMatch:=n)(b=*))',
    );
  });

  it('gives no filter for a name without a domain where the template needs one', () => {
    expect(filled('(&(uid=%n)(o=%d))', 'alice')).toBeUndefined();
  });

  it('does not read what a name holds as a placeholder', () => {
    expect(filled('(uid=%u)', '%d%u@x')).toBe('(uid=%d%u@x)');
  });

  it.each([
    ['(uid=%u', 'nbalanced'],
    ['(uid=%x)', '%x is not one of'],
    ['(uid=alice)', 'it needs %u or %n'],
    ['(o=%d)', 'it needs %u or %n'],
    ['(&(uid=%u)(cn=\\c3\\a4))', 'as they are'],
    ['(=%u)', 'nvalid attribute'],
    ['', 'it needs'],
  ])('refuses %s', (template, why) => {
    expect(() => parseLoginFilter(template)).toThrow(SchemaError);
    expect(() => parseLoginFilter(template)).toThrow(why);
  });

  // FAULTS A9: a name is a value and nothing else, whatever it holds.
  it('keeps the shape of the template for any name', () => {
    const template = '(&(objectClass=qmailUser)(|(uid=%u)(mail=%u)(!(mail=*%u))))';

    fc.assert(
      fc.property(anyText(), fc.constantFrom('*', ')(uid=*', '\\2a', '\0', '(|', ''), (name, attack) => {
        const text = filled(template, `${attack}${name}`) ?? '';
        const value = Filter.escape(`${attack}${name}`);

        expect(text).toBe(`(&(objectClass=qmailUser)(|(uid=${value})(mail=${value})(!(mail=*${value}))))`);
        expect(FilterParser.parseString(text).toString()).toBe(text);
      }),
    );
  });
});
