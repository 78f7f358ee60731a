import { type Filter, OrFilter } from 'ldapts';
import type { Account, Bar, DirectoryContext, LoginName } from '../directory.ts';
import { EntryFault } from '../failure.ts';
import { escapeDnValue } from './dn.ts';
import { type Entry, valuesOf } from './entry.ts';
import { attributesOfForward, type ForwardMap, forwardedOf, withoutDomain } from './forwarded.ts';
import { type LoginFilter, parseLoginFilter, SchemaError } from './login-filter.ts';
import { allowsService, attributesOfRule, type ServiceRule } from './service-rules.ts';

/** How a directory writes down what we need to know: all of it can be set, and presets know the usual ones. */
export interface SchemaOptions {
  /** Where to search, as a DN; `%d` is the login's domain. Empty searches everything that an LDIF file has. */
  readonly base: string;
  readonly scope: 'sub' | 'one';
  /** Filters, tried in order until one finds an entry. `%u` login name, `%n` its local part, `%d` its domain. */
  readonly filters: readonly string[];
  /** Attribute of the account name: what the node knows the user by. */
  readonly name: string;
  /** Attributes of the home nodes; several values, or one with commas, are an ordered list. */
  readonly home: readonly string[];
  /** Homes of an entry that names none. */
  readonly defaultHomes: readonly string[];
  /** The first rule that says something else than `active` decides. */
  readonly status: readonly StatusRule[];
  /** All of them must allow the service. */
  readonly services: readonly ServiceRule[];
  /** What the node must be told. */
  readonly forward: ForwardMap;
  /** Attribute of a delegate's entry that says for whom he may act; `undefined` asks for none. */
  readonly delegate?: string | undefined;
  /** Attribute of the stored password, read only where hashes are compared. */
  readonly password: string;
}

export type StatusMeaning = 'active' | Exclude<Bar['reason'], 'serviceForbidden'>;

export type StatusRule =
  | {
      readonly kind: 'table';
      readonly attribute: string;
      /** Meanings by value, in any case. */
      readonly values: Readonly<Record<string, StatusMeaning>>;
      readonly absent: StatusMeaning;
      readonly unknown: StatusMeaning;
    }
  /** Active Directory's `userAccountControl`: disabled when one of these bits is set. */
  | { readonly kind: 'bits'; readonly attribute: string; readonly disabled: number };

/** A schema that has been checked, and its filters parsed. */
export interface Schema {
  readonly options: SchemaOptions;
  readonly filters: readonly LoginFilter[];
  /** What a search has to ask for, and nothing else. */
  readonly attributes: readonly string[];
}

/** One search that may find a login's entry. */
export interface AccountSearch {
  readonly base: string;
  readonly filter: Filter;
  /** The same as it is configured, for the log: people type passwords into the name. */
  readonly template: { readonly base: string; readonly filter: string };
}

/** Attribute of what an entry keeps when it is renamed (RFC 4530). */
export const ENTRY_ID = 'entryUUID';

/** Checks a schema once, at start. @throws {SchemaError} saying what can't be used. */
export function compileSchema(options: SchemaOptions): Schema {
  if (options.filters.length === 0) {
    throw new SchemaError('filters: name at least one');
  }
  if (options.home.length === 0 && options.defaultHomes.length === 0) {
    throw new SchemaError('home: name the attribute that holds the home node');
  }
  const attributes = [
    options.name,
    ...options.home,
    ...options.status.map((rule) => rule.attribute),
    ...options.services.flatMap((rule) => attributesOfRule(rule)),
    ...attributesOfForward(options.forward),
    ...(options.delegate === undefined ? [] : [options.delegate]),
  ];
  const invalid = [...attributes, options.password].find((name) => !/^[a-z0-9][a-z0-9.;-]*$/i.test(name));
  if (invalid !== undefined) {
    throw new SchemaError(`${JSON.stringify(invalid)} is not the name of an attribute`);
  }
  return { options, filters: options.filters.map(parseLoginFilter), attributes: [...new Set(attributes)] };
}

/** Gives the searches for a login, in order; those that need a domain are left out for a name without one. */
export function searchesFor(schema: Schema, login: LoginName): readonly AccountSearch[] {
  const { base } = schema.options;
  const domain = login.domain;
  if (base.includes('%d') && domain === undefined) {
    return [];
  }
  const filled = base.replaceAll('%d', () => escapeDnValue(domain ?? ''));
  return schema.filters.flatMap(({ template, fill }) => {
    const filter = fill(login);
    return filter === undefined ? [] : [{ base: filled, filter, template: { base, filter: template } }];
  });
}

/** Where all accounts are, and a filter that finds them, and maybe more. */
export function searchForAll(schema: Schema): {
  readonly base: string;
  readonly scope: SchemaOptions['scope'];
  readonly filter: Filter;
} {
  const { base, scope } = schema.options;
  const filters = schema.filters.map(({ any }) => any);
  return {
    // Above the place of the domain; a DN's separators are escaped in its values.
    base: base.replace(/^.*%d[^,]*,?\s*/s, ''),
    scope: base.includes('%d') ? 'sub' : scope,
    filter: new OrFilter({ filters }),
  };
}

/**
 * Makes an account of its entry.
 * @throws {EntryFault} when the entry can't be an account.
 */
export function accountOf(schema: Schema, entry: Entry, context: DirectoryContext): Account {
  const { options } = schema;
  const name = valuesOf(entry, options.name)[0];
  if (name === undefined || name === '') {
    throw new EntryFault(`${entry.dn} has no ${options.name}, which is the account's name`);
  }
  const wanting = withoutDomain(options.forward, name);
  const [id] = valuesOf(entry, ENTRY_ID);
  const account: Account = {
    name,
    entry: entry.dn,
    ...(id !== undefined && { id }),
    homes: homesOf(options, entry),
    homeAttributes: options.home,
    forwarded: forwardedOf(options.forward, entry, name),
    ...(wanting.size > 0 && { withoutDomain: wanting }),
    bar: barOf(options, entry, context.service),
    ...(options.delegate !== undefined && { mayActFor: valuesOf(entry, options.delegate) }),
  };
  context.trace?.('account', account.bar === undefined ? name : `${name}, barred: ${account.bar.reason}`);
  context.trace?.('home', account.homes.join(', ') || 'none');
  const { quota } = options.forward;
  if (quota?.kind === 'attribute' && valuesOf(entry, quota.attribute)[0] === undefined) {
    context.trace?.('forward', `quota=0 (no ${quota.attribute} in the entry: no limit)`);
  }
  return account;
}

/** Each is ordered, remembered and maybe dialled; no user has so many, but whoever can edit an entry could. */
const MAX_HOMES = 32;

/** @throws {EntryFault} */
function homesOf(options: SchemaOptions, entry: Entry): readonly string[] {
  const homes = options.home
    .flatMap((attribute) => valuesOf(entry, attribute))
    .flatMap((value) => value.split(','))
    .map((home) => home.trim())
    .filter((home) => home !== '');
  const different = [...new Set(homes)];
  if (different.length > MAX_HOMES) {
    const attributes = options.home.join(' and ');
    throw new EntryFault(
      `${entry.dn} names ${different.length} homes in ${attributes}, and at most ${MAX_HOMES} may be`,
    );
  }
  return different.length === 0 ? options.defaultHomes : different;
}

function barOf(options: SchemaOptions, entry: Entry, service: string): Bar | undefined {
  for (const rule of options.status) {
    const meaning = meaningOf(rule, entry);
    if (meaning !== 'active') {
      return { reason: meaning, detail: whoSays([rule.attribute], entry) };
    }
  }
  const forbidding = options.services.find((rule) => !allowsService(rule, entry, service));
  return forbidding === undefined
    ? undefined
    : { reason: 'serviceForbidden', detail: whoSays(attributesOfRule(forbidding, service), entry) };
}

/** `accountStatus: disabled of uid=dave,… says so`, or that the entry has no such attribute. */
function whoSays(attributes: readonly string[], entry: Entry): string {
  const values = attributes.flatMap((attribute) => {
    const found = valuesOf(entry, attribute);
    return found.length === 0 ? [] : [`${attribute}: ${found.join(', ')}`];
  });
  return values.length === 0
    ? `${entry.dn} has no ${attributes.join(' and no ')}`
    : `${values.join(' and ')} of ${entry.dn} says so`;
}

function meaningOf(rule: StatusRule, entry: Entry): StatusMeaning {
  const value = valuesOf(entry, rule.attribute)[0]?.trim();
  if (rule.kind === 'bits') {
    // An entry whose flags can't be read must not pass.
    return value !== undefined && /^-?\d+$/.test(value) && (Number(value) & rule.disabled) === 0
      ? 'active'
      : 'disabled';
  }
  if (value === undefined) {
    return rule.absent;
  }
  const known = Object.entries(rule.values).find(([key]) => key.toLowerCase() === value.toLowerCase());
  return known?.[1] ?? rule.unknown;
}
