import { type Document, isCollection, isScalar, type Node, visit, type YAMLParseError } from 'yaml';

/** What keeps a text from being YAML, and where. */
export interface SyntaxMistake {
  readonly offset: number;
  readonly message: string;
  readonly hint: string;
}

/** Finds the first mistake only: in YAML one leads to many that are none. */
export function syntaxMistake(document: Document, text: string): SyntaxMistake | undefined {
  const error = document.errors.find(({ code }) => code === 'TAB_AS_INDENT') ?? document.errors[0];
  if (error === undefined) return unknownAlias(document);
  return unclosed(document, error, text) ?? { offset: error.pos[0], ...wording(error) };
}

function wording({ code, message }: YAMLParseError): { message: string; hint: string } {
  switch (code) {
    case 'TAB_AS_INDENT':
      return { message: 'a tab does not indent in YAML', hint: 'indent with spaces' };
    case 'DUPLICATE_KEY':
      return { message: 'this setting is here twice', hint: 'each setting once' };
    case 'BLOCK_AS_IMPLICIT_KEY':
      return { message, hint: 'settings below each other, or a text in quotes if it has a colon' };
    case 'BAD_INDENT':
      return { message, hint: 'indent it more than the line that it belongs to' };
    default:
      return { message, hint: 'the file must be YAML 1.2' };
  }
}

const CLOSERS: Readonly<Record<string, string>> = { '{': '}', '[': ']', '"': '"', "'": "'" };

/** What was opened and lasts until the mistake is what was not closed; the innermost, as it began last. */
function unclosed(
  document: Document,
  { pos, code }: YAMLParseError,
  text: string,
): SyntaxMistake | undefined {
  if (code !== 'BAD_INDENT' && code !== 'MISSING_CHAR') return undefined;
  const starts: number[] = [];
  visit(document, {
    Node: (_key, node) => {
      if (canStayOpen(node) && node.range?.[1] === pos[0]) starts.push(node.range[0]);
    },
  });
  const offset = Math.max(...starts);
  const opener = text.charAt(offset);
  const closer = CLOSERS[opener];
  if (closer === undefined) return undefined;
  return { offset, message: `this ${opener} is not closed`, hint: `a ${closer} where it ends` };
}

function canStayOpen(node: Node): boolean {
  if (isCollection(node)) return node.flow === true;
  return isScalar(node) && (node.type === 'QUOTE_SINGLE' || node.type === 'QUOTE_DOUBLE');
}

function unknownAlias(document: Document): SyntaxMistake | undefined {
  const found: SyntaxMistake[] = [];
  visit(document, {
    Alias: (_key, alias) => {
      if (alias.resolve(document) !== undefined) return;
      const message = `there is no anchor &${alias.source}`;
      found.push({ offset: alias.range?.[0] ?? 0, message, hint: 'quotes around a text that begins with *' });
    },
  });
  return found[0];
}

/** Gives what a document says, or what keeps it from saying anything: a merge of no map, aliases that multiply. */
export function contentOf(document: Document): { readonly data: unknown } | SyntaxMistake {
  try {
    return { data: document.toJS() };
  } catch (error) {
    // The parser has no class of its own for these.
    const message = error instanceof Error ? error.message : String(error);
    return { offset: firstReference(document), message, hint: 'settings written out' };
  }
}

/** Where the first `<<` or alias stands. */
function firstReference(document: Document): number {
  const offsets: number[] = [];
  visit(document, {
    Alias: (_key, alias) => void offsets.push(alias.range?.[0] ?? 0),
    Scalar: (key, scalar) => {
      if (key === 'key' && scalar.source === '<<') offsets.push(scalar.range?.[0] ?? 0);
    },
  });
  return offsets.toSorted((a, b) => a - b)[0] ?? 0;
}
