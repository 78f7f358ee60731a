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
  const [entry, suffix] = [normalDn(dn), normalDn(base)];
  return suffix === '' || entry === suffix || entry.endsWith(`,${suffix}`);
}

function normalDn(dn: string): string {
  return dn
    .trim()
    .replace(/\s*(?<!\\)([,=+])\s*/g, '$1')
    .toLowerCase();
}
