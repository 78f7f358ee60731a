/** Escapes a value for its place in a distinguished name (RFC 4514 section 2.4). */
export function escapeDnValue(value: string): string {
  return value
    .replace(/[\\,+"<>;=]/g, '\\$&')
    .replaceAll('\0', '\\00')
    .replace(/^[ #]/, '\\$&')
    .replace(/(?<!\\) $/, '\\ ');
}

/** Whether an entry is the base or below it, as far as texts can tell: case and spaces around separators don't count. */
export function isBelow(dn: string, base: string): boolean {
  const suffix = rdnsOf(base);
  const rdns = rdnsOf(dn).slice(-suffix.length);
  return (
    suffix.length === 0 || (rdns.length === suffix.length && rdns.every((rdn, at) => rdn === suffix[at]))
  );
}

function rdnsOf(dn: string): readonly string[] {
  const rdns = dn.match(/(?:\\.|[^\\,])+/gs) ?? [];
  return rdns.map((rdn) =>
    rdn
      .replace(/\s*([=+])\s*/g, '$1')
      .trim()
      .toLowerCase(),
  );
}
