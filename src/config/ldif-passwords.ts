import {
  HASH_SCHEMES,
  isClear,
  isComparable,
  type StoredValue,
  splitValue,
} from '../../auth/passwords/schemes.ts';
import type { Report } from './report.ts';
import type { Path } from './source.ts';

/** What is looked for, and where a warning points. */
export interface LdifPasswords {
  readonly file: string;
  readonly attribute: string;
  readonly allowCleartext: boolean;
}

/** Warns of stored passwords that no login could be compared with; by line, and never by value. */
export function warnOfPasswords(
  content: Buffer,
  { file, attribute, allowCleartext }: LdifPasswords,
  path: Path,
  report: Report,
): void {
  const passwords = [...storedIn(content.toString('utf8'), attribute)];
  const clear = passwords.filter(({ value }) => isClear(value.scheme));
  const unknown = passwords.filter(({ value }) => !isClear(value.scheme) && !isComparable(value));
  if (clear[0] !== undefined && !allowCleartext) {
    report.warning(
      path,
      `${file}, ${linesOf(clear)}: a password in clear text, so nobody can log in with it`,
      'the line that `homing hash` makes of it; or allowCleartext: true',
    );
  }
  if (unknown[0] !== undefined) {
    report.warning(
      path,
      `${file}, ${linesOf(unknown)}: a password hashed in a way that Homing does not know, so nobody can log in with it`,
      `a new one by \`homing hash\`; known are ${HASH_SCHEMES.join(', ')}`,
    );
  }
}

interface StoredPassword {
  readonly line: number;
  /** What of it stands in the first line. */
  readonly value: StoredValue;
}

function* storedIn(ldif: string, attribute: string): Generator<StoredPassword> {
  const name = `${attribute.toLowerCase()}:`;
  for (const [index, line] of ldif.split('\n').entries()) {
    if (!line.toLowerCase().startsWith(name)) continue;
    const rest = line.slice(name.length);
    // The scheme stands at the beginning, so what a folded line goes on with does not matter.
    const text = rest.startsWith(':') ? Buffer.from(rest.slice(1), 'base64').toString('latin1') : rest.trim();
    yield { line: index + 1, value: splitValue(text) };
  }
}

function linesOf(passwords: readonly StoredPassword[]): string {
  const shown = passwords.slice(0, MAX_SHOWN).map(({ line }) => line);
  const more = passwords.length - shown.length;
  return `line ${shown.join(', ')}${more === 0 ? '' : ` and ${more} more`}`;
}

const MAX_SHOWN = 3;
