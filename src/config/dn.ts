/** Whether a text has the form of a distinguished name (RFC 4514): `attribute=value` and commas between. */
export function isDn(text: string): boolean {
  const withoutEscapes = text.replaceAll(/\\./gs, '_');
  return withoutEscapes
    .split(/[,+]/)
    .every((part) => /^\s*(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)\s*=\s*[^\s=]/.test(part));
}
