/** One alternative name as Node writes it: in quotation marks, as JSON, if there is anything special in it. */
const ALTERNATIVE_NAME = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/gy;

/** The alternative names of one kind in a certificate, as Node shows them: `DNS`, or `email`. Crafted ones make up no other. */
export function namesIn(subjectAltName: string | undefined, wanted: 'DNS' | 'email'): readonly string[] {
  const names: string[] = [];
  for (const [, kind, value = ''] of (subjectAltName ?? '').matchAll(ALTERNATIVE_NAME)) {
    const name: unknown = value.startsWith('"') ? JSON.parse(value) : value;
    if (kind === wanted && typeof name === 'string') names.push(name);
  }
  return names;
}
