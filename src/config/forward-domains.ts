import { valuesOf } from '../../auth/entries/entry.ts';
import { withoutDomain } from '../../auth/entries/forwarded.ts';
import type { Schema } from '../../auth/entries/schema.ts';
import { parseLdif } from '../../auth/ldif/parser.ts';
import type { Report } from './report.ts';
import type { Path } from './source.ts';

/** Warns of texts with `%d` that can't be filled, since the account names in an LDIF file have no domain. */
export function warnOfMissingDomains(content: Buffer, schema: Schema, path: Path, report: Report): void {
  const { name: attribute, password, forward } = schema.options;
  const names = parseLdif(content)
    .filter((entry) => valuesOf(entry, password).length > 0)
    .flatMap((entry) => valuesOf(entry, attribute).slice(0, 1))
    .filter((name) => !name.includes('@'));
  const [first] = names;
  if (first === undefined) return;
  const others = names.length === 1 ? '' : `, and ${names.length - 1} more`;
  for (const [key, template] of withoutDomain(forward, first)) {
    report.warning(
      [...path, 'forward', key],
      `'${template}' needs a domain, and account names have none: "${first}" (${attribute})${others}`,
      'nameAttribute: mail, or a text without %d',
    );
  }
}
