import {
  AndFilter,
  ApproximateFilter,
  EqualityFilter,
  ExtensibleFilter,
  type Filter,
  GreaterThanEqualsFilter,
  LessThanEqualsFilter,
  NotFilter,
  OrFilter,
  PresenceFilter,
  SubstringFilter,
} from 'ldapts';
import { type Entry, valuesOf } from './entry.ts';

/** Active Directory's rules for bits: all of them set, any of them set. */
const BIT_AND = '1.2.840.113556.1.4.803';
const BIT_OR = '1.2.840.113556.1.4.804';

/**
 * Whether an entry matches a filter (RFC 4511 section 4.5.1.7). Values compare without regard to case and outer
 * spaces, as nearly all that a login looks at does; ldapts's own `matches` knows single values only.
 */
export function matchesFilter(filter: Filter, entry: Entry): boolean {
  if (filter instanceof AndFilter) {
    return filter.filters.every((part) => matchesFilter(part, entry));
  }
  if (filter instanceof OrFilter) {
    return filter.filters.some((part) => matchesFilter(part, entry));
  }
  if (filter instanceof NotFilter) {
    return !matchesFilter(filter.filter, entry);
  }
  if (filter instanceof PresenceFilter) {
    return valuesOf(entry, filter.attribute).length > 0;
  }
  return matchesValue(filter, entry);
}

function matchesValue(filter: Filter, entry: Entry): boolean {
  if (filter instanceof EqualityFilter || filter instanceof ApproximateFilter) {
    const wanted = normal(String(filter.value));
    return valuesOf(entry, filter.attribute).some((value) => normal(value) === wanted);
  }
  if (filter instanceof SubstringFilter) {
    return valuesOf(entry, filter.attribute).some((value) => hasSubstrings(filter, normal(value)));
  }
  if (filter instanceof GreaterThanEqualsFilter) {
    return valuesOf(entry, filter.attribute).some((value) => compare(value, filter.value) >= 0);
  }
  if (filter instanceof LessThanEqualsFilter) {
    return valuesOf(entry, filter.attribute).some((value) => compare(value, filter.value) <= 0);
  }
  // A matching rule that isn't known is Undefined, which finds nothing.
  return filter instanceof ExtensibleFilter && hasBits(filter, entry);
}

function hasSubstrings({ initial, any, final }: SubstringFilter, value: string): boolean {
  const [first, last] = [normal(initial), normal(final)];
  if (!value.startsWith(first) || !value.endsWith(last)) {
    return false;
  }
  let from = first.length;
  for (const part of any.map(normal)) {
    const at = value.indexOf(part, from);
    if (at === -1) {
      return false;
    }
    from = at + part.length;
  }
  return from <= value.length - last.length;
}

function hasBits({ rule, matchType, value }: ExtensibleFilter, entry: Entry): boolean {
  if ((rule !== BIT_AND && rule !== BIT_OR) || !/^\d+$/.test(value)) {
    return false;
  }
  const mask = BigInt(value);
  return valuesOf(entry, matchType)
    .filter((text) => /^-?\d+$/.test(text))
    .some((text) => {
      const common = BigInt(text) & mask;
      return rule === BIT_AND ? common === mask : common !== 0n;
    });
}

function compare(value: string, other: string): number {
  if (/^-?\d+$/.test(value) && /^-?\d+$/.test(other)) {
    return Number(BigInt(value) - BigInt(other));
  }
  const [left, right] = [normal(value), normal(other)];
  if (left === right) {
    return 0;
  }
  return left < right ? -1 : 1;
}

function normal(value: string): string {
  return value.trim().toLowerCase().normalize('NFC');
}
