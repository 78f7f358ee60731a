import { Attribute, Change, Client } from 'ldapts';
import { PEOPLE, SUFFIX } from './accounts.ts';
import { cluster } from './cluster.ts';

const NODES = `ou=nodes,${SUFFIX}`;

/** An account that a test made. */
export interface MadeUser {
  readonly name: string;
  readonly password: string;
  readonly entry: string;
}

/** The directory's administrator, who writes to the master; what he made is gone in the end. */
export class DirectoryAdmin implements AsyncDisposable {
  readonly #made = new Set<string>();
  #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  static async connect(): Promise<DirectoryAdmin> {
    return new DirectoryAdmin(await bound());
  }

  /** Connects anew: the master was restarted. */
  async reconnect(): Promise<void> {
    this.#client = await bound();
  }

  /** Makes an account whose mailbox is that of one of the usual accounts. */
  async addUser(name: string, home: string, mailbox: string): Promise<MadeUser> {
    const user = { name, password: `${name}-secret`, entry: `uid=${name},${PEOPLE}` };
    await this.#add(user.entry, {
      objectClass: ['inetOrgPerson', 'posixAccount', 'qmailUser'],
      uid: name,
      cn: name,
      sn: name,
      mail: `${name}@example.org`,
      mailHost: home,
      homeDirectory: `/srv/mail/${mailbox}`,
      uidNumber: '5000',
      gidNumber: '5000',
      accountStatus: 'active',
      userPassword: user.password,
    });
    return user;
  }

  /** Makes a node, or with `homingMember` a group. @returns its entry. */
  async addNode(name: string, attributes: Record<string, string | string[]>): Promise<string> {
    const entry = `cn=${name},${NODES}`;
    const objectClass = 'homingMember' in attributes ? 'homingGroup' : 'homingNode';
    await this.#add(entry, { objectClass, cn: name, ...attributes });
    return entry;
  }

  /** Gives an attribute these values alone. @returns when it was done, by the clock of `performance`. */
  async set(entry: string, type: string, ...values: string[]): Promise<number> {
    const modification = new Attribute({ type, values });
    await this.#client.modify(entry, new Change({ operation: 'replace', modification }));
    return performance.now();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const entry of this.#made) await this.#client.del(entry);
    await this.#client.unbind();
  }

  async #add(entry: string, attributes: Record<string, string | string[]>): Promise<void> {
    await this.#client.add(entry, attributes);
    this.#made.add(entry);
  }
}

async function bound(): Promise<Client> {
  const { ldap, ca, admin } = cluster();
  const client = new Client({ url: `ldap://127.0.0.1:${ldap.master.ldap}`, timeout: 5000 });
  await client.startTLS({ ca, host: 'localhost' });
  await client.bind(admin.dn, admin.password);
  return client;
}
