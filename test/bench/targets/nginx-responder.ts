/** What nginx asks about each login (auth_http): `node nginx-responder.ts TERMS`, with the terms as JSON. */
import { createServer, type IncomingMessage } from 'node:http';
import { AndFilter, Client, EqualityFilter, InvalidCredentialsError, OrFilter } from 'ldapts';
import { BASE } from '../directory.ts';

export interface ResponderTerms {
  readonly port: number;
  /** Ports of the node. */
  readonly imap: number;
  readonly pop3: number;
  /** Where passwords are verified; everybody's is right without it. */
  readonly ldap: { readonly port: number; readonly bindDn: string; readonly password: string } | undefined;
}

type Verify = (user: string, password: string) => Promise<boolean>;

/** As many as Homing has. A connection verifies one password at a time. */
const BINDERS = 16;

const terms = JSON.parse(process.argv[2] ?? '{}') as ResponderTerms;
const verify = terms.ldap === undefined ? () => Promise.resolve(true) : await ldapVerifier(terms.ldap);

createServer((request, response) => {
  const user = headerOf(request, 'auth-user');
  const password = headerOf(request, 'auth-pass');
  const port = headerOf(request, 'auth-protocol') === 'pop3' ? terms.pop3 : terms.imap;
  verify(user, password).then(
    (right) => {
      const yes = { 'Auth-Status': 'OK', 'Auth-Server': '127.0.0.1', 'Auth-Port': String(port) };
      response.writeHead(200, right ? yes : { 'Auth-Status': 'Authentication failed.' }).end();
    },
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      response.writeHead(500).end();
    },
  );
}).listen(terms.port, '127.0.0.1');

function headerOf({ headers }: IncomingMessage, name: string): string {
  const value = headers[name];
  return decodeURIComponent(typeof value === 'string' ? value : '');
}

async function ldapVerifier({
  port,
  bindDn,
  password: service,
}: NonNullable<ResponderTerms['ldap']>): Promise<Verify> {
  const url = `ldap://127.0.0.1:${port}`;
  const searcher = new Client({ url });
  await searcher.bind(bindDn, service);
  const idle = Array.from({ length: BINDERS }, () => new Client({ url }));
  const waiting: ((client: Client) => void)[] = [];
  const release = (client: Client): void => {
    const next = waiting.shift();
    if (next === undefined) idle.push(client);
    else next(client);
  };
  return async (user, password) => {
    const { searchEntries } = await searcher.search(BASE, {
      filter: filterFor(user),
      attributes: ['uid', 'mailHost', 'accountStatus'],
    });
    const dn = searchEntries[0]?.dn;
    if (dn === undefined || searchEntries.length > 1) return false;
    const client = idle.pop() ?? (await new Promise<Client>((resolve) => waiting.push(resolve)));
    try {
      await client.bind(dn, password);
      return true;
    } catch (error) {
      if (error instanceof InvalidCredentialsError) return false;
      throw error;
    } finally {
      release(client);
    }
  };
}

function filterFor(user: string): AndFilter {
  const named = ['uid', 'mail', 'mailAlternateAddress'].map(
    (attribute) => new EqualityFilter({ attribute, value: user }),
  );
  const known = new EqualityFilter({ attribute: 'objectClass', value: 'qmailUser' });
  return new AndFilter({ filters: [known, new OrFilter({ filters: named })] });
}
