/** A login on its way home: whose account it is, and which node let it in. */

import type { AdmittedAccount, Authentication } from '../auth/authentication.ts';
import type { Authenticator } from '../auth/authenticator.ts';
import { Deadline } from '../auth/deadline.ts';
import type { LoginContext, LoginGuard } from '../auth/directory.ts';
import { LoginFailure, type Reason } from '../auth/failure.ts';
import { FRESH_MS, type Proof } from '../auth/sasl.ts';
import type { Secret } from '../auth/secret.ts';
import type { LoginAttempt, MailProtocol, Origin } from '../protocols/protocol.ts';
import type { Hold } from './hold.ts';
import { type OpenHome, openHome } from './home.ts';
import type { HomeTerms } from './member-login.ts';
import type { KnownNode, NodeTable } from './routing/node-table.ts';
import { type Home, planRoute } from './routing/route.ts';
import type { Findings, SessionReport } from './session-report.ts';
import type { ListenerDomains } from './settings.ts';
import type { TrustWatch } from './trust-watch.ts';
import { asWrongPassword, planUnverified, requireReplay } from './unverified.ts';

/** How many proxies a login may pass, unless the client is a proxy that allows fewer. */
const FIRST_TTL = 5;

/** A login, with its proof as it is when it is judged. */
interface Judgeable {
  readonly attempt: LoginAttempt;
  readonly proofNow: (signal: AbortSignal) => Promise<Proof>;
}

/** The account is held, and its proof was right. */
class HeldFailure extends LoginFailure {
  readonly held: AdmittedAccount;

  constructor(held: AdmittedAccount, detail: string) {
    super('held', detail);
    this.held = held;
  }
}

type Admission = Extract<Authentication, { kind: 'admitted' }>;

/** Refused instead of being asked about: such a login took the directory no time. */
const NOBODY_ASKED: ReadonlySet<Reason> = new Set(['badName', 'throttled']);

/** What all logins of a proxy share. */
export interface LoginTerms extends HomeTerms {
  readonly authenticator: Authenticator;
  readonly nodes: NodeTable;
  /** Reads the nodes of a directory where a home is unknown. @returns whether to look again; left out where there are none. */
  readonly refreshNodes?: (() => Promise<boolean>) | undefined;
  /** Keeps logins from nodes that trust anyone; `undefined` where nobody looks. */
  readonly trustWatch?: Pick<TrustWatch, 'admit'> | undefined;
  /** Has logins to held accounts wait; they fail if it is left out. */
  readonly hold?: Pick<Hold, 'wait' | 'why'>;
}

/** Where a login came to. */
export interface LoginOrigin extends Pick<Origin, 'listener'> {
  readonly protocol: MailProtocol;
  readonly domains: ListenerDomains | undefined;
  /** Stands against guesses; `undefined` where nobody guesses. */
  readonly guard: LoginGuard | undefined;
}

/** The connection that a login came by. */
export interface LoginConnection extends LoginOrigin, Pick<Origin, 'client'> {
  readonly report: SessionReport;
  /** Counts the logins of this connection, from 1. */
  readonly attemptNumber: number;
  /** Counts the session of an account. @throws {LoginFailure} `tooManySessions`. */
  readonly enter: (owner: AdmittedAccount) => void;
}

/**
 * Takes a login home: the account first, then its password, then whether it may log in, then its home, so that a
 * stranger learns nothing; a node is dialled only for a right password.
 * @param findings gets all that becomes known, also when it ends in a failure.
 * @throws {LoginFailure}
 */
export async function takeHome(
  attempt: LoginAttempt,
  connection: LoginConnection,
  terms: LoginTerms,
  findings: Findings,
): Promise<OpenHome> {
  const admitted = await admit(attempt, connection, terms, findings);
  const { account, unverified } = admitted;
  const { protocol, client, listener, report } = connection;
  connection.enter(admitted);
  const plan = (homes: readonly string[]): Home => {
    const planned = planRoute({ ...account, homes }, protocol.name, terms);
    const members = terms.trustWatch?.admit(planned, protocol.name) ?? planned;
    if (unverified) requireReplay(members);
    nameNode(findings, members[0].node);
    return members;
  };
  const planNow = (): Promise<Home> => planOrRefresh(() => plan(account.homes), terms);
  const members = unverified ? await planUnverified(planNow) : await planNow();
  const startedMs = performance.now();
  const login = {
    protocol,
    user: account.name,
    password: account.nodePassword ?? ownPassword(attempt, admitted),
    origin: { client, listener, sessionId: report.id, ttl: nextTtl(attempt) },
    refer: (name: string) => plan([name])[0],
    onFailure: (node: KnownNode, failure: LoginFailure) => report.memberFailed(node, failure),
  };
  try {
    const home = await openHome(members, login, terms, attempt.abandoned);
    nameNode(findings, home.node);
    return home;
  } catch (error) {
    throw unverified ? asWrongPassword(error) : error;
  } finally {
    findings.nodeMs = performance.now() - startedMs;
  }
}

/** What the directories are told of a login besides its proof. */
export function contextOf({ protocol, listener, domains, guard }: LoginOrigin): LoginContext {
  return {
    service: protocol.name,
    defaultDomain: domains?.byAddress.get(listener.ip) ?? domains?.default,
    ...(guard !== undefined && { guard }),
  };
}

/** Who acts for another has proved who he is himself: no password of his is the other's. */
function ownPassword({ proof }: LoginAttempt, { delegate }: AdmittedAccount): Secret | undefined {
  return proof.kind === 'password' && delegate === undefined ? proof.password : undefined;
}

function nameNode(findings: Findings, { name, settings }: KnownNode): void {
  findings.node = name;
  findings.nodeEntry = settings.name;
}

/**
 * Admits a login, and tells its client so where its mechanism does that. A client may take its time to hear it: then
 * what bars the account and where its home is are asked again, lest it come in by what was true before.
 */
async function admit(
  attempt: LoginAttempt,
  connection: LoginConnection,
  terms: LoginTerms,
  findings: Findings,
): Promise<Admission> {
  const { proof } = attempt;
  const admitted = await authenticateOrHold(
    { attempt, proofNow: async () => proof },
    connection,
    terms,
    findings,
  );
  const toldMs = performance.now();
  await conclude(attempt);
  return proof.kind !== 'proved' || proof.renew === undefined || performance.now() - toldMs < FRESH_MS
    ? admitted
    : await authenticateOrHold({ attempt, proofNow: proof.renew }, connection, terms, findings);
}

/** Has a right login wait while its account is held. */
async function authenticateOrHold(
  judgeable: Judgeable,
  connection: LoginConnection,
  terms: LoginTerms,
  findings: Findings,
): Promise<Admission> {
  try {
    return await authenticate(judgeable, connection, terms, findings);
  } catch (error) {
    if (!(error instanceof HeldFailure) || terms.hold === undefined) throw error;
    const { attempt } = judgeable;
    const { held } = error;
    const startedMs = performance.now();
    const login = {
      service: connection.protocol.name,
      byOwnPassword: held.delegate === undefined,
      abandoned: attempt.abandoned,
      tell: () => attempt.waiting(),
    };
    try {
      const account = await terms.hold.wait(held, login);
      return { kind: 'admitted', ...held, account, unverified: false };
    } finally {
      findings.heldMs = performance.now() - startedMs;
    }
  }
}

async function authenticate(
  { attempt, proofNow }: Judgeable,
  connection: LoginConnection,
  { authenticator, times, hold }: LoginTerms,
  findings: Findings,
): Promise<Admission> {
  const startedMs = performance.now();
  const earlierMs = findings.directoryMs ?? attempt.proof.judgedMs ?? 0;
  using deadline = new Deadline(times.directoryMs, attempt.abandoned);
  let asked = true;
  try {
    const { attemptNumber, client } = connection;
    const from = { ip: client.ip, attempt: attemptNumber, tls: attempt.tls };
    const context = { ...contextOf(connection), client: from };
    const result = await authenticator.authenticate(
      await proofNow(deadline.signal),
      context,
      deadline.signal,
    );
    if (result.kind === 'refused') {
      findings.actedBy = result.actedBy;
      findings.user = result.known;
      const { reason, detail = '', held } = result;
      throw held === undefined ? new LoginFailure(reason, detail) : new HeldFailure(held, detail);
    }
    findings.actedBy = result.delegate?.account.name;
    findings.user = result.account.name;
    const why = hold?.why(result.account);
    if (why === undefined) return result;
    throw result.unverified ? new LoginFailure('held', why) : new HeldFailure(result, why);
  } catch (error) {
    asked = !(error instanceof LoginFailure && NOBODY_ASKED.has(error.reason));
    throw error;
  } finally {
    if (asked) findings.directoryMs = performance.now() - startedMs + earlierMs;
  }
}

/** Tells the client that its proof is right, where its mechanism does so: not before the throttle and the account's state let it in. */
async function conclude(attempt: LoginAttempt): Promise<void> {
  switch (await attempt.conclude()) {
    case 'received':
      return;
    case 'cancelled':
      throw new LoginFailure('cancelled', 'the client did not take what the mechanism says last');
    case 'gone':
      throw new LoginFailure(
        'abandoned',
        'the client left when the mechanism had said that its proof is right',
      );
  }
}

function nextTtl({ ttl = FIRST_TTL }: LoginAttempt): number {
  const left = Math.min(FIRST_TTL, ttl) - 1;
  if (left < 1) {
    throw new LoginFailure(
      'loop',
      'the login came through too many proxies: they seem to lead to each other',
    );
  }
  return left;
}

/** A user may be moved to a node that came a moment ago, of which nobody told yet. */
async function planOrRefresh(plan: () => Home, { refreshNodes }: LoginTerms): Promise<Home> {
  try {
    return plan();
  } catch (error) {
    const isUnknown = error instanceof LoginFailure && error.reason === 'homeNotAllowed';
    if (!isUnknown || refreshNodes === undefined || !(await refreshNodes())) throw error;
    return plan();
  }
}
