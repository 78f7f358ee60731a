import type { z } from 'zod';
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
  const path = writtenPath(issue.path, source);
  if (path === undefined) return [missing(issue, schema, source)];
  const { message, hint } = wording(issue, valueAt(source.data, path));
  return [source.problemAt(path, message, hint ?? descriptionAt(schema, path, source.data))];
}

/**
 * The path that stands in the file for one of the data: `tls` for `tls.mode` where somebody wrote `tls: starttls`.
 * @returns `undefined` when the setting is missing.
 */
function writtenPath(path: Path, source: Source): Path | undefined {
  if (source.has(path)) return path;
  const around = path.slice(0, -1);
  return source.has(around) && typeof valueAt(source.data, around) === 'string' ? around : undefined;
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

function wording(issue: Issue, value: unknown): { message: string; hint?: string | undefined } {
  switch (issue.code) {
    case 'custom':
      return { message: issue.message, hint: hintOf(issue.params) };
    case 'invalid_type':
      return wrongType(issue.expected, value);
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

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'a text',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of settings',
  record: 'a map',
};

function wrongType(expected: string, value: unknown): { message: string; hint?: string } {
  const wanted = TYPE_WORDS[expected] ?? expected;
  if (value === null || value === undefined) return { message: `this is empty: ${wanted} is needed` };
  const message = `this is not ${wanted}`;
  const isWord = expected === 'string' && (typeof value === 'number' || typeof value === 'boolean');
  return isWord ? { message, hint: 'put it in quotes, so that YAML reads it as text' } : { message };
}

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
