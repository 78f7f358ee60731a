import { hashPassword } from '../../auth/password-schemes.ts';
import { Secret } from '../../auth/secret.ts';
import { ACCOUNTS, type DemoAccount } from './accounts.ts';

const FIRST_UID = 5001;
const GID = 5000;

/** Writes the directory of the demonstration as LDIF, by qmail-ldap's schema. */
export async function directoryLdif(): Promise<string> {
  const entries = await Promise.all(ACCOUNTS.map((account, index) => entryOf(account, FIRST_UID + index)));
  return `${BASE}\n${entries.join('\n')}`;
}

const BASE = `dn: dc=example,dc=org
objectClass: domain
dc: example
`;

async function entryOf({ mail, password, home, status }: DemoAccount, uid: number): Promise<string> {
  const name = mail.replace(/@.*/, '');
  const hash = await hashPassword('SSHA512', new Secret(Buffer.from(password)));
  return `dn: uid=${name},dc=example,dc=org
objectClass: qmailUser
uid: ${name}
mail: ${mail}
userPassword: ${hash}
accountStatus: ${status}
${home === undefined ? '' : `mailHost: ${home}\n`}homeDirectory: /srv/mail/example.org/${name}
uidNumber: ${uid}
gidNumber: ${GID}
mailQuotaSize: 1073741824
`;
}
