/**
 * Text from a peer as it may be shown: cut, and with every character that could forge a line, colour a terminal or
 * turn the reading direction written as `<U+202E>`.
 */
export function printable(text: string, maxLength = 200): string {
  // Cut first: what follows costs time for each character.
  const kept = text.length > maxLength ? text.slice(0, maxLength) : text;
  const shown = kept.replace(UNPRINTABLE, escapeCharacter);
  return kept.length < text.length ? `${shown}…` : shown;
}

// Controls, format characters (bidi, zero width, tags), lone surrogates, what has no meaning that all agree on, and the
// two separators of lines.
const UNPRINTABLE = /[\p{C}\u2028\u2029]/gu;

function escapeCharacter(character: string): string {
  const codePoint = character.codePointAt(0) ?? 0;
  return `<U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}>`;
}
