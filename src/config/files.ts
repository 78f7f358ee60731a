import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { MAX_LDIF_OCTETS } from '../../auth/ldif/parser.ts';
import { Secret } from '../../auth/secret.ts';
import type { Report } from './report.ts';
import type { Path } from './source.ts';

const MAX_FILE_OCTETS = MAX_LDIF_OCTETS;
/** An online guess at a node costs a login, one at a captured exchange costs PBKDF2; 16 random octets bear both. */
const MIN_KEY_OCTETS = 16;

/** Reads the files that a configuration names, and reports what is wrong with them where they are named. */
export interface ConfigFiles {
  /** @returns `undefined`, here and below, when a problem was reported. */
  read(path: Path, name: string): Buffer | undefined;
  /** Reads a file that must be the owner's alone. */
  readPrivate(path: Path, name: string): Secret | undefined;
  /** Reads a key or password: one line of ASCII in a private file. */
  readSecretLine(path: Path, name: string): Secret | undefined;
  /** Reads a private file once more, when the configuration is in use. @throws {Error} saying what is wrong. */
  readPrivateAgain(name: string): Buffer;
  /** Where a name in the configuration leads to. */
  resolve(name: string): string;
}

/** Opens files relative to the folder of the configuration file. */
export function configFiles(folder: string, report: Report): ConfigFiles {
  const opener = { folder, report };
  return {
    read: (path, name) => readChecked(opener, { path, name, secret: false }),
    readPrivate: (path, name) => readPrivate(opener, path, name),
    readSecretLine: (path, name) => readSecretLine(opener, path, name),
    readPrivateAgain: (name) => readPrivateAgain(folder, name),
    resolve: (name) => resolve(folder, name),
  };
}

interface Opener {
  readonly folder: string;
  readonly report: Report;
}

function readPrivate(opener: Opener, path: Path, name: string): Secret | undefined {
  const octets = readChecked(opener, { path, name, secret: true });
  return octets === undefined ? undefined : new Secret(octets);
}

function readPrivateAgain(folder: string, name: string): Buffer {
  const problems: string[] = [];
  const report: Report = {
    problem: (_path, message) => void problems.push(message),
    warning: () => undefined,
  };
  const octets = readChecked({ folder, report }, { path: [], name, secret: true });
  if (octets === undefined) throw new Error(problems.join('; '));
  return octets;
}

function readSecretLine(opener: Opener, path: Path, name: string): Secret | undefined {
  const octets = readChecked(opener, { path, name, secret: true });
  if (octets === undefined) return undefined;
  const line = octets.toString('latin1').replace(/\r?\n$/, '');
  if (/^[\x20-\x7e]+$/.test(line)) return new Secret(Buffer.from(line, 'latin1'));
  const found = line === '' ? 'is empty' : 'has more than one line, or characters beyond ASCII';
  opener.report.problem(path, `${name} ${found}`, 'one line of ASCII and nothing else');
  return undefined;
}

/** Reports a proxy key that could be guessed. */
export function checkKeyStrength(key: Secret, report: Report, path: Path): void {
  if (key.octets.length >= MIN_KEY_OCTETS) return;
  report.problem(
    path,
    `this key is shorter than ${MIN_KEY_OCTETS} characters`,
    'make one with: homing secret',
  );
}

function readChecked(
  { folder, report }: Opener,
  { path, name, secret }: { path: Path; name: string; secret: boolean },
): Buffer | undefined {
  const full = resolve(folder, name);
  try {
    const descriptor = openSync(full, 'r');
    try {
      const wrong = wrongFile(fstatSync(descriptor), { full, secret });
      if (wrong === undefined) return readFileSync(descriptor);
      report.problem(path, wrong.message, wrong.hint);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    report.problem(
      path,
      `can't read ${full}: ${systemReason(error)}`,
      'a file that this user can read; its path begins at the folder of the configuration file, or with /',
    );
  }
  return undefined;
}

function wrongFile(
  stats: { isFile(): boolean; size: number; mode: number },
  { full, secret }: { full: string; secret: boolean },
): { message: string; hint: string } | undefined {
  if (!stats.isFile()) return { message: `${full} is not a file`, hint: 'the path of a file' };
  if (stats.size > MAX_FILE_OCTETS)
    return { message: `${full} is too big`, hint: 'a file of at most 64 MiB' };
  if (!secret || (stats.mode & 0o077) === 0) return undefined;
  const mode = (stats.mode & 0o777).toString(8);
  return { message: `others than its owner can get at ${full} (mode ${mode})`, hint: `chmod 600 ${full}` };
}

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  ENOTDIR: 'there is no such folder',
  EISDIR: 'it is a folder',
};

/** Says in words why the system refused something. @throws {unknown} what is no error of the system. */
export function systemReason(error: unknown): string {
  if (!(error instanceof Error && 'code' in error)) throw error;
  const code = String(error.code);
  return SYSTEM_ERRORS[code] ?? code;
}
