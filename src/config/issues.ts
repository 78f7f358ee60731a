import type { z } from 'zod';
import { isMechanismOf } from '../mechanisms.ts';
import { descriptionAt, knownNames } from './schema-walk.ts';
import { type Path, type Problem, type Source, valueAt } from './source.ts';
import { nearest } from './suggest.ts';

type Issue = z.core.$ZodIssue;

/** Says in words, and at its place in the file, what a schema refused. */
export function problemsOf(issue: Issue, schema: z.ZodType, source: Source): readonly Problem[] {
  if (issue.code === 'unrecognized_keys') {
    const known = knownNames(schema, issue.path, source.data);
    return issue.keys.map((key) => unknownSetting([...issue.path, key], known, source));
  }
  if (issue.code === 'invalid_key') {
    const message = `${JSON.stringify(issue.path.at(-1))} is not a name that can be here`;
    return [
      source.problemAtName(issue.path, message, descriptionAt(schema, issue.path.slice(0, -1), source.data)),
    ];
  }
  const path = writtenPath(issue.path, source);
  if (path === undefined)
    return isMisspelt(issue.path, schema, source) ? [] : [missing(issue, schema, source)];
  const { message, hint } = wording(fittingOptions(issue, source), valueAt(source.data, path), path);
  return [source.problemAt(path, message, hint ?? purposeAt(schema, path, source.data))];
}

/** What a setting, or the list that it is in, is for. */
function purposeAt(schema: z.ZodType, path: Path, data: unknown): string | undefined {
  const around = typeof path.at(-1) === 'number' ? descriptionAt(schema, path.slice(0, -1), data) : undefined;
  return descriptionAt(schema, path, data) ?? around;
}

/** Whether a missing setting is there under a name that is told of as unknown. */
function isMisspelt(path: Path, schema: z.ZodType, source: Source): boolean {
  const around = path.slice(0, -1);
  const known = knownNames(schema, around, source.data);
  const written = Object.keys(Object(valueAt(source.data, around)));
  return written.some((name) => !known.includes(name) && nearest(name, known) === path.at(-1));
}

/**
 * The path that stands in the file for one of the data: `tls` for `tls.mode` where somebody wrote `tls: starttls`.
 * @returns `undefined` when the setting is missing.
 */
function writtenPath(path: Path, source: Source): Path | undefined {
  if (source.has(path)) return path;
  const around = path.slice(0, -1);
  const isWord = ['string', 'boolean'].includes(typeof valueAt(source.data, around));
  return source.has(around) && isWord ? around : undefined;
}

function unknownSetting(path: Path, known: readonly string[], source: Source): Problem {
  const name = String(path.at(-1));
  const meant = nearest(name, known) ?? inAFile(name, known);
  const hint = meant === undefined ? `known here: ${known.join(', ')}` : `did you mean ${meant}?`;
  return source.problemAtName(path, `there is no setting ${JSON.stringify(name)}`, hint);
}

// Secrets are taken from files only, so who writes `password` means `passwordFile`.
function inAFile(name: string, known: readonly string[]): string | undefined {
  return known.find((candidate) => candidate === `${name}File`);
}

function missing(issue: Issue, schema: z.ZodType, source: Source): Problem {
  const name = String(issue.path.at(-1));
  return source.problemAt(issue.path, `${name} is missing`, descriptionAt(schema, issue.path, source.data));
}

function wording(issue: Issue, value: unknown, path: Path): { message: string; hint?: string | undefined } {
  switch (issue.code) {
    case 'custom':
      return { message: issue.message, hint: hintOf(issue.params) };
    case 'invalid_type':
      return wrongType(issue.expected, value, path);
    case 'invalid_value':
      return notOneOf(issue.values.map(String), value);
    case 'invalid_union':
      return 'options' in issue && Array.isArray(issue.options)
        ? notOneOf(issue.options.map(String), value)
        : { message: issue.message };
    case 'too_small':
      return { message: `${TOO_SMALL[issue.origin] ?? 'this is too small'}: at least ${issue.minimum}` };
    case 'too_big':
      return { message: `${TOO_BIG[issue.origin] ?? 'this is too big'}: at most ${issue.maximum}` };
    default:
      return { message: issue.message };
  }
}

/** Leaves out the mechanisms that are no mechanisms of the listener's protocol. */
function fittingOptions(issue: Issue, { data }: Source): Issue {
  const [part, index, setting] = issue.path;
  if (issue.code !== 'invalid_value' || part !== 'listeners' || setting !== 'mechanisms') return issue;
  const protocol = valueAt(data, [part, index ?? 0, 'protocol']);
  return { ...issue, values: issue.values.filter((name) => isMechanismOf(String(protocol), String(name))) };
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'a text',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of settings',
  record: 'a map',
};

function wrongType(
  expected: string,
  value: unknown,
  path: Path,
): { message: string; hint?: string | undefined } {
  const wanted = TYPE_WORDS[expected] ?? expected;
  if (value === null || value === undefined) return { message: `this is empty: ${wanted} is needed` };
  return { message: `this is not ${wanted}`, hint: rightType(expected, value, path) };
}

function rightType(expected: string, value: unknown, path: Path): string | undefined {
  const name = typeof path.at(-1) === 'string' ? `${String(path.at(-1))}: ` : '';
  if (expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')) {
    return 'put it in quotes, so that YAML reads it as text';
  }
  if (expected === 'array')
    return typeof value === 'string' ? `${name}[${value}]` : 'a hyphen before each item';
  if (typeof value !== 'string') return undefined;
  if (['int', 'number'].includes(expected) && /^\d+$/.test(value)) return `${value}, without quotes`;
  return expected === 'boolean' ? BOOLEANS[value.toLowerCase()] : undefined;
}

/** YAML 1.1 had more words for them than YAML 1.2 has. */
const BOOLEANS: Readonly<Record<string, string>> = {
  true: 'true, without quotes',
  false: 'false, without quotes',
  yes: 'true',
  on: 'true',
  no: 'false',
  off: 'false',
};

function notOneOf(options: readonly string[], value: unknown): { message: string; hint?: string } {
  const meant = typeof value === 'string' ? nearest(value, options) : undefined;
  const message = `this is not ${options.length > 1 ? 'one of ' : ''}${options.join(', ')}`;
  return meant === undefined ? { message } : { message, hint: `did you mean ${meant}?` };
}

const TOO_SMALL: Readonly<Record<string, string>> = {
  array: 'this list is too short',
  string: 'this is too short',
};
const TOO_BIG: Readonly<Record<string, string>> = {
  array: 'this list is too long',
  string: 'this is too long',
};

function hintOf(params: unknown): string | undefined {
  const hint: unknown =
    typeof params === 'object' && params !== null ? Reflect.get(params, 'hint') : undefined;
  return typeof hint === 'string' ? hint : undefined;
}
