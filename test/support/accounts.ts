/** The accounts in the directory of the tests. */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

export const SUFFIX = 'dc=example,dc=org';
export const PEOPLE = `ou=people,${SUFFIX}`;

/** One account, as its entry in the directory says. */
export interface TestAccount {
  /** The uid, which is the account name that nodes see. */
  readonly name: string;
  readonly mail: string;
  readonly password: string;
  /** The first label of mailHost; `undefined` where the entry has none. */
  readonly home: string | undefined;
  /** In octets; `undefined` where the entry has no limit. */
  readonly quota: number | undefined;
  readonly status: 'active' | 'noaccess' | 'disabled';
  /** Lines for the entry that only the account's own test needs. */
  readonly extra?: readonly string[];
}

/** Accounts by name. Each has a mailbox on all three nodes, whose first message's subject tells the node. */
export const accounts = {
  alice: account('alice', { home: 'node-a' }),
  bob: account('bob', { home: 'node-b' }),
  carol: account('carol', { home: 'node-c' }),
  dave: account('dave', { status: 'disabled' }),
  erin: account('erin', { home: undefined }),
  /** On a node that is in nobody's table. */
  frank: account('frank', { home: 'node-x' }),
  grace: account('grace', { status: 'noaccess' }),
  /** On a node where nothing listens. */
  heidi: account('heidi', { home: 'node-down' }),
  /** Without a quota. */
  ivan: account('ivan', { quota: undefined }),
  /** With an expired password. */
  judy: account('judy', {
    extra: [`pwdPolicySubentry: cn=expiring,ou=policies,${SUFFIX}`, 'pwdChangedTime: 20200101000000Z'],
  }),
  /** Locked by an administrator (RFC draft-behera-ldap-password-policy). */
  kurt: account('kurt', { extra: ['pwdAccountLockedTime: 000001010000Z'] }),
  /** Has to choose a new password first. */
  lena: account('lena', {
    extra: [`pwdPolicySubentry: cn=resetting,ou=policies,${SUFFIX}`, 'pwdReset: TRUE'],
  }),
  /** Locked after three wrong passwords, for two seconds. */
  mona: account('mona', { extra: [`pwdPolicySubentry: cn=strict,ou=policies,${SUFFIX}`] }),
  /** Locked for good after five wrong passwords; three of them, so that tests don't meet. */
  nora: account('nora', { extra: [`pwdPolicySubentry: cn=locking,ou=policies,${SUFFIX}`] }),
  nina: account('nina', { extra: [`pwdPolicySubentry: cn=locking,ou=policies,${SUFFIX}`] }),
  nick: account('nick', { extra: [`pwdPolicySubentry: cn=locking,ou=policies,${SUFFIX}`] }),
  /** With spaces, quotes and backslashes in the password. */
  paul: account('paul', { password: 'p w"d\\ x' }),
  olga: account('olga', { password: 'pässwörd' }),
  /** Two entries with one mail address. */
  twin1: account('twin1', { mail: 'twin@example.org' }),
  twin2: account('twin2', { mail: 'twin@example.org' }),
} as const satisfies Record<string, TestAccount>;

/** The LDIF of all accounts, and of the password policies that some of them need. */
export function accountsLdif(): string {
  return [...POLICIES, ...Object.values(accounts).map(entry)].join('\n\n');
}

const POLICIES = [
  policy('expiring', ['pwdMaxAge: 86400']),
  policy('resetting', ['pwdMustChange: TRUE']),
  policy('locking', ['pwdLockout: TRUE', 'pwdMaxFailure: 5']),
  policy('strict', ['pwdLockout: TRUE', 'pwdMaxFailure: 3', 'pwdLockoutDuration: 2']),
];

function account(name: string, terms: Partial<TestAccount>): TestAccount {
  return {
    name,
    mail: `${name}@example.org`,
    password: `${name}-secret`,
    home: 'node-a',
    quota: 10_485_760,
    status: 'active',
    ...terms,
  };
}

function policy(name: string, lines: readonly string[]): string {
  return [
    `dn: cn=${name},ou=policies,${SUFFIX}`,
    'objectClass: device',
    'objectClass: pwdPolicy',
    `cn: ${name}`,
    'pwdAttribute: userPassword',
    ...lines,
  ].join('\n');
}

function entry({ name, mail, password, home, quota, status, extra = [] }: TestAccount): string {
  return [
    '',
    `dn: uid=${name},${PEOPLE}`,
    'objectClass: inetOrgPerson',
    'objectClass: posixAccount',
    'objectClass: qmailUser',
    `uid: ${name}`,
    `cn: ${name}`,
    `sn: ${name}`,
    `mail: ${mail}`,
    `mailAlternateAddress: ${name}.alias@example.org`,
    `userPassword: ${saltedSha1(password)}`,
    `userPassword: ${scramSha256(password)}`,
    ...(home === undefined ? [] : [`mailHost: ${home}.example.org`]),
    `homeDirectory: /srv/mail/${name}`,
    'uidNumber: 5000',
    'gidNumber: 5000',
    ...(quota === undefined ? [] : [`mailQuotaSize: ${quota}`]),
    `accountStatus: ${status}`,
    ...extra,
  ].join('\n');
}

/** {SSHA}, which costs slapd little at the many binds of the tests. */
function saltedSha1(password: string): string {
  const salt = randomBytes(8);
  const digest = createHash('sha1').update(password).update(salt).digest();
  return `{SSHA}${Buffer.concat([digest, salt]).toString('base64')}`;
}

/** {SCRAM-SHA-256} (RFC 7677), in Dovecot's form; slapd does not know it and binds by the other value. */
function scramSha256(password: string): string {
  const [iterations, salt] = [4096, randomBytes(16)];
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const keyOf = (name: string) => createHmac('sha256', salted).update(name).digest();
  const storedKey = createHash('sha256').update(keyOf('Client Key')).digest();
  const parts = [salt, storedKey, keyOf('Server Key')].map((octets) => octets.toString('base64'));
  return `{SCRAM-SHA-256}${iterations},${parts.join(',')}`;
}
