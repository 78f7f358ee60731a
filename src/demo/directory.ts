import { hashScram } from '../../auth/passwords/scram.ts';
import { Secret } from '../../auth/secret.ts';
import { ACCOUNTS, type DemoAccount } from './accounts.ts';

const FIRST_UID = 5001;
const GID = 5000;
const SCRAM_ITERATIONS = 4096;

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
  // All have a key for SCRAM, so that it is offered; their passwords are printed at the start, and no iterations hide them.
  const hash = await hashScram(new Secret(Buffer.from(password)), SCRAM_ITERATIONS);
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
