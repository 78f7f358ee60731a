const CANONICAL = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Decodes base64 strictly (RFC 4648 section 4): alphabet, padding, and no stray bits in the last octet, since
 * `Buffer.from` takes any rubbish and two spellings of one value have been used to fake channel bindings.
 * @returns `undefined` when it is not canonical base64.
 */
export function decodeBase64(text: string): Buffer | undefined {
  if (!CANONICAL.test(text)) {
    return undefined;
  }
  const octets = Buffer.from(text, 'base64');
  return octets.toString('base64') === text ? octets : undefined;
}

/** Decodes like `decodeBase64`, with or without the padding, which some tools that hash passwords leave away. */
export function decodeUnpadded(text: string): Buffer | undefined {
  return decodeBase64(text.padEnd(Math.ceil(text.length / 4) * 4, '='));
}
