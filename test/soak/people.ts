/** Accounts that a soak adds to the directory, and changes while it runs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Attribute, Change, Client } from 'ldapts';
import { PEOPLE } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';

/** In clear text in the directory: its hash would take most of the machine at so many logins. */
export const PASSWORD = 'soak-secret';

const ATTEMPTS = 30;
const RETRY_MS = 1000;

/** An account of a soak. */
export interface Person {
  readonly uid: string;
  /** The first label of its home's name. */
  home: string;
}

/** Adds so many accounts with this home. */
export async function addPeople(count: number, home: string): Promise<readonly Person[]> {
  const people = Array.from({ length: count }, (_none, at): Person => ({ uid: `soak-${home}-${at}`, home }));
  await asAdmin(async (admin) => {
    for (const { uid } of people) await admin.add(dnOf(uid), entryOf(uid, home));
  });
  return people;
}

/** Changes an attribute of an account; the directory may be about to start. */
export async function change(
  { uid }: Person,
  type: 'mailHost' | 'accountStatus',
  value: string,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const modification = new Attribute({ type, values: [value] });
      await asAdmin((admin) => admin.modify(dnOf(uid), new Change({ operation: 'replace', modification })));
      return;
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await sleep(RETRY_MS);
    }
  }
}

/** The name of a node as the directory has it. */
export function hostOf(home: string): string {
  return `${home}.example.org`;
}

async function asAdmin(work: (admin: Client) => Promise<void>): Promise<void> {
  const { ldap, ca, admin } = cluster();
  const client = new Client({
    url: `ldap://127.0.0.1:${ldap.master.ldap}`,
    timeout: 5000,
    connectTimeout: 5000,
  });
  try {
    await client.startTLS({ ca, host: 'localhost' });
    await client.bind(admin.dn, admin.password);
    await work(client);
  } finally {
    await client.unbind();
  }
}

function dnOf(uid: string): string {
  return `uid=${uid},${PEOPLE}`;
}

function entryOf(uid: string, home: string): Record<string, string | string[]> {
  return {
    objectClass: ['inetOrgPerson', 'posixAccount', 'qmailUser'],
    uid,
    cn: uid,
    sn: uid,
    mail: `${uid}@example.org`,
    mailHost: hostOf(home),
    homeDirectory: `/srv/mail/${uid}`,
    uidNumber: '5000',
    gidNumber: '5000',
    accountStatus: 'active',
    userPassword: PASSWORD,
  };
}
