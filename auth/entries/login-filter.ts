import {
  AndFilter,
  ApproximateFilter,
  EqualityFilter,
  ExtensibleFilter,
  type Filter,
  FilterParser,
  GreaterThanEqualsFilter,
  LessThanEqualsFilter,
  NotFilter,
  OrFilter,
  PresenceFilter,
  SubstringFilter,
} from 'ldapts';
import type { LoginName } from '../directory.ts';

/** A search filter with a place for the login name. It is parsed once; a name only ever becomes a value in it. */
export interface LoginFilter {
  readonly template: string;
  /** Gives the filter for one login; `undefined` when it asks for the domain of a name that has none. */
  fill(login: LoginName): Filter | undefined;
  /** Finds all that some login name may find, and maybe more. */
  readonly any: Filter;
}

/** A search filter, or another setting of the schema, that can't be used. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

/**
 * Reads a filter (RFC 4515) in whose values `%u` is the login name, `%n` its local part and `%d` its domain.
 * @throws {SchemaError} when it is no filter, or would find the same entry for every name.
 */
export function parseLoginFilter(template: string): LoginFilter {
  const placeholders: readonly string[] = template.match(/%./g) ?? [];
  const unknown = placeholders.find((placeholder) => !['%u', '%n', '%d'].includes(placeholder));
  if (unknown !== undefined) {
    throw new SchemaError(`filter ${template}: ${unknown} is not one of %u, %n, %d`);
  }
  if (!placeholders.some((placeholder) => placeholder !== '%d')) {
    throw new SchemaError(`filter ${template}: it needs %u or %n, or it finds the same for every name`);
  }
  if (/\\[89a-f][0-9a-f]/i.test(template)) {
    // ldapts reads \c3\a4 as two characters.
    throw new SchemaError(`filter ${template}: write characters beyond ASCII as they are`);
  }
  const parsed = parse(template);
  const needsDomain = placeholders.includes('%d');
  return {
    template,
    fill: (login) => (needsDomain && login.domain === undefined ? undefined : fillFilter(parsed, login)),
    any: anyFilter(parsed),
  };
}

function parse(template: string): Filter {
  try {
    return FilterParser.parseString(template);
  } catch (error) {
    // ldapts has no class of its own for what its filter parser says.
    throw new SchemaError(`filter ${template}: ${error instanceof Error ? error.message : ''}`, {
      cause: error,
    });
  }
}

function anyFilter(filter: Filter): Filter {
  if (!/%[und]/.test(filter.toString())) {
    return filter;
  }
  if (filter instanceof AndFilter) {
    return new AndFilter({ filters: filter.filters.map(anyFilter) });
  }
  if (filter instanceof OrFilter) {
    return new OrFilter({ filters: filter.filters.map(anyFilter) });
  }
  // A negation may hold for an entry without the attribute, and a rule may have none.
  const attribute = 'attribute' in filter ? String(filter.attribute) : 'objectClass';
  return new PresenceFilter({ attribute });
}

function fillFilter(filter: Filter, login: LoginName): Filter {
  const fill = (text: string): string => fillText(text, login);
  if (filter instanceof AndFilter) {
    return new AndFilter({ filters: filter.filters.map((part) => fillFilter(part, login)) });
  }
  if (filter instanceof OrFilter) {
    return new OrFilter({ filters: filter.filters.map((part) => fillFilter(part, login)) });
  }
  if (filter instanceof NotFilter) {
    return new NotFilter({ filter: fillFilter(filter.filter, login) });
  }
  if (filter instanceof EqualityFilter) {
    return new EqualityFilter({ attribute: filter.attribute, value: fill(String(filter.value)) });
  }
  if (filter instanceof SubstringFilter) {
    const { attribute, initial, any, final } = filter;
    return new SubstringFilter({ attribute, initial: fill(initial), any: any.map(fill), final: fill(final) });
  }
  return fillComparison(filter, fill);
}

function fillComparison(filter: Filter, fill: (text: string) => string): Filter {
  if (filter instanceof GreaterThanEqualsFilter) {
    return new GreaterThanEqualsFilter({ attribute: filter.attribute, value: fill(filter.value) });
  }
  if (filter instanceof LessThanEqualsFilter) {
    return new LessThanEqualsFilter({ attribute: filter.attribute, value: fill(filter.value) });
  }
  if (filter instanceof ApproximateFilter) {
    return new ApproximateFilter({ attribute: filter.attribute, value: fill(filter.value) });
  }
  if (filter instanceof ExtensibleFilter) {
    const { rule, matchType, dnAttributes } = filter;
    return new ExtensibleFilter({ rule, matchType, dnAttributes, value: fill(filter.value) });
  }
  return filter;
}

/** Puts a login name into a text's placeholders, once: what a name holds is never read as a placeholder. */
function fillText(text: string, login: LoginName): string {
  return text.replace(/%[und]/g, (placeholder) => {
    if (placeholder === '%u') {
      return login.full;
    }
    return placeholder === '%n' ? login.localPart : (login.domain ?? '');
  });
}
