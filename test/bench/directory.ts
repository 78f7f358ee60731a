/** The directory of the benchmark: a real slapd as deploy/openldap says, or an LDIF file where none is installed. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../support/ports.ts';
import { installed, Program } from './processes.ts';

const DEPLOY = join(import.meta.dirname, '../../deploy/openldap');
const PASSWORD = 'bench-service';
export const BASE = 'ou=people,dc=example,dc=org';
/** What Homing asks by, and the peers too. */
export const FILTER = '(&(objectClass=qmailUser)(|(uid=%u)(mail=%u)(mailAlternateAddress=%u)))';
/** Perdition looks the host up that the directory names. */
export const NODE_NAME = 'localhost';

/** Where the users are. Only Homing can do without a server. */
export type BenchDirectory =
  | {
      readonly kind: 'ldap';
      readonly port: number;
      readonly bindDn: string;
      readonly password: string;
      readonly passwordFile: string;
    }
  | { readonly kind: 'ldif'; readonly file: string };

/** Fills the folder with so many users, and serves them. */
export async function startDirectory(
  stack: AsyncDisposableStack,
  folder: string,
  users: number,
): Promise<BenchDirectory> {
  const people = Array.from({ length: users }, (_, index) => entryOf(index)).join('\n');
  if (!installed('slapd')) {
    const file = join(folder, 'people.ldif');
    writeFileSync(file, people, { mode: 0o600 });
    return { kind: 'ldif', file };
  }
  const configuration = writeConfiguration(folder);
  const structure = readFileSync(join(DEPLOY, 'structure.ldif'), 'utf8').replaceAll(
    /@\w+_PASSWORD_HASH@/g,
    ssha(PASSWORD),
  );
  const added = spawnSync('slapadd', ['-q', '-f', configuration], {
    input: `${structure}\n${people}`,
    encoding: 'utf8',
  });
  if (added.status !== 0) throw new Error(`slapadd failed:\n${added.stderr}`);
  const [port = 0] = await freePorts(1);
  const slapd = new Program({
    command: 'slapd',
    args: ['-d', '0', '-f', configuration, '-h', `ldap://127.0.0.1:${port}`],
    place: 'measuring',
    logFile: join(folder, 'slapd.log'),
  });
  stack.use(slapd);
  await slapd.listening(port);
  const passwordFile = join(folder, 'service.password');
  writeFileSync(passwordFile, `${PASSWORD}\n`, { mode: 0o600 });
  const bindDn = 'cn=homing,ou=services,dc=example,dc=org';
  return { kind: 'ldap', port, bindDn, password: PASSWORD, passwordFile };
}

/** deploy's slapd.conf with folders of our own; without TLS and the log of operations, which cost the wrong core. */
function writeConfiguration(folder: string): string {
  const file = join(folder, 'slapd.conf');
  mkdirSync(join(folder, 'data'));
  const text = readFileSync(join(DEPLOY, 'slapd.conf'), 'utf8')
    .replace('@ADMIN_PASSWORD@', ssha(PASSWORD))
    .replaceAll(/\/etc\/ldap\/schema\/(homing|qmail)\.schema/g, join(DEPLOY, '$1.schema'))
    .replaceAll('/run/slapd/', `${folder}/`)
    .replace('/var/lib/ldap', join(folder, 'data'))
    .replace('loglevel stats', 'loglevel none')
    .replaceAll(/^TLS.*\n/gm, '');
  writeFileSync(file, text);
  return file;
}

/** The user that the load program knows by this number. */
function entryOf(index: number): string {
  const number = String(index).padStart(4, '0');
  const name = `u${number}`;
  return `dn: uid=${name},${BASE}
objectClass: inetOrgPerson
objectClass: posixAccount
objectClass: qmailUser
uid: ${name}
cn: User ${number}
sn: ${number}
mail: ${name}@example.org
userPassword: ${ssha(`secret-${number}`)}
mailHost: ${NODE_NAME}
homeDirectory: /srv/mail/${name}
uidNumber: ${5000 + index}
gidNumber: 5000
mailQuotaSize: 10485760
accountStatus: active
`;
}

/** Cheap to check, so that the directory is not what is measured. The salt need not be secret. */
function ssha(password: string): string {
  const salt = Buffer.from('salt');
  const digest = createHash('sha1').update(password).update(salt).digest();
  return `{SSHA}${Buffer.concat([digest, salt]).toString('base64')}`;
}
