/** One entry of a directory, as far as it was asked for. */
export interface Entry {
  /** Distinguished name. */
  readonly dn: string;
  /** Values by attribute description in lower case; a description with options (`mail;lang-en`) is one of its own. */
  readonly attributes: ReadonlyMap<string, readonly string[]>;
}

/** All values of an attribute, whose name counts in any case. */
export function valuesOf(entry: Entry, attribute: string): readonly string[] {
  return entry.attributes.get(attribute.toLowerCase()) ?? [];
}

/** The entry without what is told by these attributes. */
export function withoutAttributes({ dn, attributes }: Entry, names: readonly string[]): Entry {
  const left = new Map(attributes);
  for (const name of names) left.delete(name.toLowerCase());
  return { dn, attributes: left };
}

/** Says that several entries, and which, have one login name. */
export function ambiguityOf(entries: readonly Entry[]): string {
  const [first, second, ...others] = entries;
  if (first === undefined || second === undefined) {
    return 'more than one entry has this name';
  }
  const more = others.length === 0 ? '' : `, and ${others.length} more`;
  return `${others.length === 0 ? 'two' : entries.length} entries have this name: ${first.dn} and ${second.dn}${more}`;
}
