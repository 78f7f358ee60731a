/** The files by which listeners prove who they are, and judge clients: read at the start, and again when they change. */
import type {
  ClientAuthorities,
  CredentialPart,
  CredentialSource,
  Credentials,
  KeyPair,
  Renewal,
  RevocationList,
} from '../settings.ts';
import { checkAuthorities, checkKeyPair, isCertificate } from './certificates.ts';
import { type ConfigFiles, configFiles } from './files.ts';
import type { Report } from './report.ts';
import { checkRevocations, listsIn } from './revocations.ts';
import { type Path, settingName } from './source.ts';

/** A file, and the setting that names it. */
export interface NamedFile {
  readonly path: Path;
  readonly name: string;
}

/** The files of a listener. */
export interface CredentialFiles {
  /** At least one, of which the first serves clients that ask for no name, or one that we don't have. */
  readonly pairs: readonly { readonly certificate: NamedFile; readonly key: NamedFile }[];
  readonly authorities: NamedFile | undefined;
  readonly revocations: NamedFile | undefined;
}

/** Reads and checks all files of a listener. @returns `undefined` when a problem was reported. */
export function readCredentials(
  { pairs, authorities, revocations }: CredentialFiles,
  files: ConfigFiles,
  report: Report,
): Credentials | undefined {
  const read = pairs.map((pair) => readPair(pair, files, report));
  const [first, ...others] = read.filter((pair) => pair !== undefined);
  const clients = authorities && readClients(authorities, revocations, { files, report });
  if (first === undefined || others.length < pairs.length - 1) return undefined;
  return { ...first, others, clients };
}

/** Makes it possible to read the files once more. */
export function credentialSource(names: CredentialFiles, files: ConfigFiles): CredentialSource {
  const { pairs, authorities, revocations } = names;
  const all = [...pairs.flatMap(({ certificate, key }) => [certificate, key]), authorities, revocations];
  return {
    files: all.flatMap((file) => (file === undefined ? [] : [files.resolve(file.name)])),
    listsFile: revocations && files.resolve(revocations.name),
    read: () => [
      ...pairs.map((named, index) =>
        readAgain(named.certificate, files, (again) => {
          const pair = readPair(named, again.files, again.report);
          return pair && { kind: 'pair', index, pair };
        }),
      ),
      ...readClientsAgain(names, files),
    ],
  };
}

function readClientsAgain(
  { authorities: authoritiesFile, revocations: listsFile }: CredentialFiles,
  files: ConfigFiles,
): readonly CredentialPart[] {
  const parts: CredentialPart[] = [];
  if (authoritiesFile !== undefined) {
    const part = readAgain(authoritiesFile, files, (again) => {
      const authorities = readAuthorities(authoritiesFile, again);
      return authorities && { kind: 'authorities', authorities };
    });
    parts.push(part);
  }
  if (listsFile !== undefined) {
    const part = readAgain(listsFile, files, (again) => {
      const revocations = readLists(listsFile, undefined, again);
      return revocations && { kind: 'revocations', revocations };
    });
    parts.push(part);
  }
  return parts;
}

interface Reading {
  readonly files: ConfigFiles;
  readonly report: Report;
}

/** Reads one part. What is wrong with it must not keep the others from being used, above all not a new list. */
function readAgain(
  { name }: NamedFile,
  files: ConfigFiles,
  read: (again: Reading) => Renewal | undefined,
): CredentialPart {
  const problems: string[] = [];
  const report: Report = {
    problem: (path, message) => void problems.push(`${settingName(path)}: ${message}`),
    // What was only doubtful at the start does not keep a renewal from being used.
    warning: () => undefined,
  };
  const file = files.resolve(name);
  const part = read({ files: configFiles(files.resolve('.'), report), report });
  return part === undefined || problems.length > 0
    ? { kind: 'refused', file, why: problems.join('; ') }
    : { ...part, file };
}

function readPair(
  pair: { certificate: NamedFile; key: NamedFile },
  files: ConfigFiles,
  report: Report,
): KeyPair | undefined {
  const paths = { certificate: pair.certificate.path, key: pair.key.path };
  const certificate = files.read(paths.certificate, pair.certificate.name);
  // Before the key's mode is looked at: a certificate may be read by others.
  if (certificate !== undefined && !isCertificate(certificate)) {
    const inTheOther = files.read(paths.key, pair.key.name);
    if (inTheOther !== undefined && isCertificate(inTheOther)) {
      const right = `certificateFile: ${pair.key.name}, keyFile: ${pair.certificate.name}`;
      report.problem(paths.certificate, 'certificateFile and keyFile are swapped', right);
      return undefined;
    }
  }
  const key = files.readPrivate(paths.key, pair.key.name);
  if (certificate === undefined || key === undefined) return undefined;
  checkKeyPair({ certificate, key }, paths, report);
  return { certificate, key };
}

function readClients(
  authoritiesFile: NamedFile,
  listsFile: NamedFile | undefined,
  reading: Reading,
): ClientAuthorities {
  const authorities = readAuthorities(authoritiesFile, reading);
  const revocations = listsFile && readLists(listsFile, authorities, reading);
  return { authorities: authorities ?? Buffer.alloc(0), revocations: revocations ?? [] };
}

function readAuthorities({ path, name }: NamedFile, { files, report }: Reading): Buffer | undefined {
  const authorities = files.read(path, name);
  if (authorities !== undefined) checkAuthorities(authorities, path, report);
  return authorities;
}

/** @param authorities of which each should have a list, where that is to be checked. */
function readLists(
  { path, name }: NamedFile,
  authorities: Buffer | undefined,
  { files, report }: Reading,
): readonly RevocationList[] | undefined {
  const pem = files.read(path, name);
  if (pem === undefined) return undefined;
  const revocations = listsIn(pem);
  checkRevocations({ authorities: authorities ?? Buffer.alloc(0), revocations }, path, report);
  return revocations;
}
