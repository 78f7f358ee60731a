import { EntryFault } from '../failure.ts';
import { type Entry, valuesOf } from './entry.ts';

/** Where a value that the node must be told comes from. */
export type ForwardSource =
  | { readonly kind: 'attribute'; readonly attribute: string }
  /** A text with `%u` (account name), `%n` (its local part), `%d` (its domain) and `%{attribute}`; or a constant. */
  | { readonly kind: 'template'; readonly template: string };

/** Sources by forward name. `quota` is special: whatever the schema writes becomes octets, and none is 0. */
export type ForwardMap = Readonly<Record<string, ForwardSource>>;

const PLACEHOLDER = /%(?:([und])|\{([^{}]*)\})/g;

/** The attributes that the sources look at. */
export function attributesOfForward(map: ForwardMap): readonly string[] {
  return Object.values(map).flatMap((source) =>
    source.kind === 'attribute'
      ? [source.attribute]
      : [...source.template.matchAll(PLACEHOLDER)].flatMap((match) => match[2] ?? []),
  );
}

/**
 * Gives what the node must be told of an account; what the entry does not say is left out.
 * @throws {EntryFault} for a value that can't be forwarded.
 */
export function forwardedOf(map: ForwardMap, entry: Entry, name: string): ReadonlyMap<string, string> {
  const forwarded = new Map<string, string>();
  for (const [key, source] of Object.entries(map)) {
    const raw =
      source.kind === 'attribute'
        ? valuesOf(entry, source.attribute)[0]
        : fillTemplate(source.template, entry, name);
    const value = key === 'quota' ? octetsOfQuota(raw, entry) : raw;
    if (value === undefined || value === '') {
      continue;
    }
    if (/\p{Cc}/u.test(value)) {
      throw new EntryFault(`${entry.dn}: control character in what is forwarded as ${key}`);
    }
    forwarded.set(key, value);
  }
  return forwarded;
}

/** Gives the texts that can't be filled for an account, as they want the domain that its name has not; by forward name. */
export function withoutDomain(map: ForwardMap, name: string): ReadonlyMap<string, string> {
  const wanting = new Map<string, string>();
  for (const [key, source] of name.includes('@') ? [] : Object.entries(map)) {
    if (source.kind === 'template' && source.template.includes('%d')) wanting.set(key, source.template);
  }
  return wanting;
}

/** @returns `undefined` when the entry lacks something that the template needs: half a path is worse than none. */
function fillTemplate(template: string, entry: Entry, name: string): string | undefined {
  const at = name.lastIndexOf('@');
  const parts: Readonly<Record<string, string | undefined>> = {
    u: name,
    n: at === -1 ? name : name.slice(0, at),
    d: at === -1 ? undefined : name.slice(at + 1),
  };
  let complete = true;
  const text = template.replace(PLACEHOLDER, (_, letter?: string, attribute?: string) => {
    const value = letter === undefined ? valuesOf(entry, attribute ?? '')[0] : parts[letter];
    complete &&= value !== undefined;
    return value ?? '';
  });
  return complete ? text : undefined;
}

const UNITS: Readonly<Record<string, bigint>> = {
  '': 1n,
  K: 1n << 10n,
  M: 1n << 20n,
  G: 1n << 30n,
  T: 1n << 40n,
};

// qmail, Zimbra and Sun write octets, negative for unlimited; Courier writes `10485760S,1000C`; people write `10M`.
function octetsOfQuota(value: string | undefined, entry: Entry): string {
  if (value === undefined || value.trim() === '' || /^\s*-\d+\s*$/.test(value)) {
    return '0';
  }
  const items = value.split(',').map((item) => item.trim());
  const size = items.find((item) => /S$/i.test(item))?.slice(0, -1) ?? items[0];
  if (size !== undefined && /^\d+C$/i.test(size)) {
    return '0';
  }
  const [, count, unit = ''] = /^(\d{1,18})\s*([KMGT]?)i?B?$/i.exec(size ?? '') ?? [];
  const factor = UNITS[unit.toUpperCase()];
  if (count === undefined || factor === undefined) {
    throw new EntryFault(`${entry.dn}: ${JSON.stringify(value)} is no quota`);
  }
  return String(BigInt(count) * factor);
}
