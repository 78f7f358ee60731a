/** The files by which listeners prove who they are, and judge clients: read at the start, and again when they change. */
import type { ClientAuthorities, CredentialSource, Credentials, KeyPair } from '../settings.ts';
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
    read: () => {
      const problems: string[] = [];
      const report: Report = {
        problem: (path, message) => void problems.push(`${settingName(path)}: ${message}`),
        // What was only doubtful at the start does not keep a renewal from being used.
        warning: () => undefined,
      };
      const credentials = readCredentials(names, configFiles(files.resolve('.'), report), report);
      if (credentials === undefined || problems.length > 0) throw new Error(problems.join('; '));
      return credentials;
    },
  };
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
  { files, report }: { files: ConfigFiles; report: Report },
): ClientAuthorities {
  const authorities = files.read(authoritiesFile.path, authoritiesFile.name);
  const lists = listsFile && files.read(listsFile.path, listsFile.name);
  const clients = { authorities: authorities ?? Buffer.alloc(0), revocations: listsIn(lists) };
  if (authorities !== undefined) checkAuthorities(authorities, authoritiesFile.path, report);
  if (authorities !== undefined && lists !== undefined && listsFile !== undefined) {
    checkRevocations(clients, listsFile.path, report);
  }
  return clients;
}
