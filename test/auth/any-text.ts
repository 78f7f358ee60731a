import fc from 'fast-check';

/** Any text, rich in what filters, names and files give a meaning to; cheaper than fast-check's own `binary`. */
export function anyText(maxLength = 20): fc.Arbitrary<string> {
  const special = fc.constantFrom(...'*()\\\0&|=,%@# :<\n\r\t"aAé');
  const character = fc.nat(0xd7ff).map((codePoint) => String.fromCodePoint(codePoint));
  return fc.array(fc.oneof(special, character), { maxLength }).map((characters) => characters.join(''));
}
