import { Alias, type Document, isMap, isNode, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { withoutSecrets } from './excerpt.ts';
import { contentOf, syntaxMistake } from './syntax.ts';

/** Where a setting stands: names and indexes from the top of the file. */
export type Path = readonly PropertyKey[];

/** Something that is wrong, or doubtful, at one place of the configuration file. */
export interface Problem {
  /** 1-based, like `column`. */
  readonly line: number;
  readonly column: number;
  /** The setting as people write it (`nodes[1].tls.caFile`); empty for the file as a whole. */
  readonly setting: string;
  /** What is wrong. It never holds a secret. */
  readonly message: string;
  /** What would be right. */
  readonly hint: string | undefined;
  /** The line of the file, without what looks like a secret. */
  readonly excerpt: string;
}

/** A configuration file: its data, and where in the text each setting stands. */
export interface Source {
  readonly data: unknown;
  /** What keeps the text from being YAML at all. */
  readonly syntaxProblem: Problem | undefined;
  /** Whether the file says anything at this path. */
  has(path: Path): boolean;
  /** Makes a problem that points at the value of a setting, or at the nearest thing around it that is there. */
  problemAt(path: Path, message: string, hint?: string): Problem;
  /** The same, but pointing at the setting's name. */
  problemAtName(path: Path, message: string, hint?: string): Problem;
}

/** Reads the text of a configuration file. */
export function readSource(text: string): Source {
  const lines = text.split(/\r?\n/);
  const counter = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: counter,
    prettyErrors: false,
    merge: true,
    // What is wrong with a file is said once, and by us.
    logLevel: 'error',
  });
  const problemAtOffset = (offset: number, path: Path, words: Pick<Problem, 'message' | 'hint'>): Problem => {
    const { line, col } = counter.linePos(offset);
    const excerpt = withoutSecrets(lines[line - 1] ?? '');
    const { message, hint } = words;
    return { line, column: col, setting: settingName(path), message, hint, excerpt };
  };
  const content = syntaxMistake(document, text) ?? contentOf(document);
  const mistake = 'message' in content ? content : undefined;
  return {
    data: 'data' in content ? content.data : undefined,
    syntaxProblem: mistake && problemAtOffset(mistake.offset, [], mistake),
    has: (path) => find(document, path).depth === path.length,
    problemAt: (path, message, hint) => problemAtOffset(find(document, path).value, path, { message, hint }),
    problemAtName: (path, message, hint) =>
      problemAtOffset(find(document, path).name, path, { message, hint }),
  };
}

/** The value at a path of the file's data; `undefined` when there is none. */
export function valueAt(data: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, part) => (typeof value === 'object' && value !== null ? Reflect.get(value, part) : undefined),
    data,
  );
}

/** Writes a path as people write it: `nodes[1].tls.caFile`. */
/** A setting as people write it: `nodes[1].tls.caFile`. */
export function settingName(path: Path): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}

interface Found {
  /** How much of the path the file has. */
  readonly depth: number;
  /** Offsets of the deepest part that is there. */
  readonly name: number;
  readonly value: number;
}

function find(document: Document, path: Path): Found {
  let node = resolved(document, document.contents);
  let found: Found = { depth: 0, name: startOf(node), value: startOf(node) };
  for (const part of path) {
    const step = child(node, part);
    if (step === undefined) return found;
    node = resolved(document, step.value);
    const value = startOf(step.value);
    found = { depth: found.depth + 1, name: step.name === undefined ? value : startOf(step.name), value };
  }
  return found;
}

function child(node: Node | undefined, part: PropertyKey): { name?: unknown; value: unknown } | undefined {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => String(isNode(key) ? key.toJSON() : key) === String(part));
    return pair && { name: pair.key, value: pair.value ?? pair.key };
  }
  if (isSeq(node)) return Number(part) < node.items.length ? { value: node.items[Number(part)] } : undefined;
  return undefined;
}

function resolved(document: Document, value: unknown): Node | undefined {
  if (value instanceof Alias) return value.resolve(document);
  return isNode(value) ? value : undefined;
}

function startOf(value: unknown): number {
  return isNode(value) ? (value.range?.[0] ?? 0) : 0;
}
