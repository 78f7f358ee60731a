import { randomBytes } from 'node:crypto';
import type { Account, Trace } from '../../auth/directory.ts';
import { LoginFailure } from '../../auth/failure.ts';
import type { Secret } from '../../auth/secret.ts';
import type { MailProtocol } from '../../protocols/protocol.ts';
import { openHome } from '../home.ts';
import type { KnownNode, NodeTable } from '../routing/node-table.ts';
import { type Home, type Member, planRoute } from '../routing/route.ts';
import type { TimeSettings } from '../settings.ts';
import { bareMember, tryWrongProof } from '../trust-check.ts';
import { requireReplay } from '../unverified.ts';

/** How the login of an account is tried. */
export interface LoginTerms {
  readonly protocol: MailProtocol;
  readonly nodes: NodeTable;
  readonly times: TimeSettings;
  /** The user's own, if it is known. */
  readonly password: Secret | undefined;
  /** Whether the directory leaves the password to the node. */
  readonly unverified: boolean;
  readonly step: Trace;
}

/**
 * Logs an account in at its home as the proxy would: to no node that trusts anyone, and on to where a node refers to.
 * @throws {LoginFailure}
 */
export async function explainLogin(account: Account, home: Home, terms: LoginTerms): Promise<void> {
  const { protocol, nodes, times, password, unverified, step } = terms;
  const members = await withoutTrusting(home, terms);
  const sessionId = randomBytes(16).toString('base64url');
  const login = {
    protocol,
    user: account.name,
    password,
    origin: { client: HERE, listener: HERE, sessionId, ttl: 1 },
    refer: (name: string): Member => {
      step('refers', `the user to ${name}`);
      const [first, ...others] = planRoute({ ...account, homes: [name] }, protocol.name, { nodes });
      if (unverified) requireReplay([first, ...others]);
      return first;
    },
    onFailure: ({ name }: KnownNode, { message }: LoginFailure): void =>
      step('login', `${name} failed, so the next: ${message}`),
  };
  const opened = await openHome(members, login, { times, leadsToUs }, NEVER);
  opened.session.transport.destroy();
  step('login', `${opened.node.name} let ${account.name} in; its log has the session id ${sessionId}`);
}

/** The members that refuse a wrong proof, or could not be asked: others get no logins of the proxy either. */
async function withoutTrusting(home: Home, { protocol, times, step }: LoginTerms): Promise<Home> {
  if (times.trustCheckMs === undefined) return home;
  const trial = { protocol, terms: { times, leadsToUs }, signal: NEVER };
  const findings = await Promise.all(
    home.map(async (member) => {
      const bare = bareMember(member.node, protocol);
      return { member, finding: bare && (await tryWrongProof(bare, trial)) };
    }),
  );
  for (const { member, finding } of findings) {
    if (finding?.verdict === 'wrong') step('trusts', `${member.node.name} gets no logins: ${finding.detail}`);
  }
  const [first, ...others] = findings
    .filter(({ finding }) => finding?.verdict !== 'wrong')
    .map(({ member }) => member);
  if (first !== undefined) return [first, ...others];
  throw new LoginFailure('homeNotAllowed', 'each node of the home takes wrong proofs for right');
}

const leadsToUs = (): boolean => false;
/** Stands for the port of a client that there is none of; Dovecot takes no 0. */
const DISCARD_PORT = 9;
const HERE = { ip: '127.0.0.1', port: DISCARD_PORT };
/** Nobody leaves before the end: whoever waits here presses Ctrl-C. */
const NEVER = new AbortController().signal;
