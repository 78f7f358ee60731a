import { Deadline } from '../../auth/deadline.ts';
import type { Account, Trace } from '../../auth/directory.ts';
import { LoginFailure } from '../../auth/failure.ts';
import { probeNode } from '../probe.ts';
import { ALL_USABLE, type NodeHealth } from '../routing/node-health.ts';
import type { KnownNode, NodeTable } from '../routing/node-table.ts';
import { type Home, type Member, planRoute } from '../routing/route.ts';
import { Ways } from '../routing/ways.ts';
import type { Settings } from '../settings.ts';
import { TLS_WORDS } from './check.ts';

/** What a home is explained by. */
export interface HomeTerms {
  readonly service: string;
  readonly nodes: NodeTable;
  readonly settings: Pick<Settings, 'times' | 'sourceAddresses'>;
  /** Whether the nodes are asked for their greeting first, as the choice goes by who answers. */
  readonly probe: boolean;
  readonly step: Trace;
}

/**
 * Shows the members of an account's home, best first: which are well, why each stands where it does, and what it would
 * be told.
 * @throws {LoginFailure} as {@link planRoute}, or the failure of the best node if no node of the home answers.
 */
export async function explainHome(account: Account, terms: HomeTerms): Promise<Home> {
  const { service, nodes, step } = terms;
  const failures = terms.probe ? await probeHome(account, terms) : new Map<string, LoginFailure>();
  const health: NodeHealth =
    failures.size === 0 ? ALL_USABLE : { usable: (node, name) => !failures.has(keyOf(node, name)) };
  const home = planRoute(account, service, { nodes, health, trace: step });
  for (const member of home) explainMember(member, account, step);
  const best = home[0].node;
  const failure = failures.get(keyOf(best, service));
  if (failure !== undefined) throw new LoginFailure(failure.reason, `node ${best.name}: ${failure.message}`);
  return home;
}

/**
 * Asks at once for all that the choice goes by: the service of each node, and the others too where the storage is shared.
 * @returns the failures, by {@link keyOf}.
 */
async function probeHome(
  account: Account,
  { service, nodes, settings, step }: HomeTerms,
): Promise<ReadonlyMap<string, LoginFailure>> {
  using deadline = new Deadline(settings.times.connectMs);
  const ways = new Ways(settings.sourceAddresses);
  const failures = new Map<string, LoginFailure>();
  const wanted = new Set<string>();
  const health: NodeHealth = { usable: (node, name) => wanted.add(keyOf(node, name)).size > 0 };
  const shown = planRoute(account, service, { nodes, health }).map(async ({ node }) => {
    const services = [...node.settings.ports.keys()].filter((name) => wanted.has(keyOf(node, name)));
    const findings = services.map(async (port) => {
      const failure = await failureOf(
        probeNode({ node, service: port }, { probe: 'greeting', ways, signal: deadline.signal }),
      );
      if (failure === undefined) return `${port} greets`;
      failures.set(keyOf(node, port), failure);
      return `${port}: ${failure.message}`;
    });
    return `${node.name}: ${(await Promise.all(findings)).join(', ')}`;
  });
  for (const text of await Promise.all(shown)) step('health', text);
  return failures;
}

/** @throws what is no failure of a login. */
async function failureOf(probe: Promise<void>): Promise<LoginFailure | undefined> {
  try {
    await probe;
    return undefined;
  } catch (error) {
    if (error instanceof LoginFailure) return error;
    throw error;
  }
}

function keyOf({ name }: KnownNode, service: string): string {
  return `${name} ${service}`;
}

function explainMember({ node, port, reason, tls, forwarded }: Member, account: Account, step: Trace): void {
  const { settings, host, name } = node;
  const by = settings.name === name ? '' : `, by the pattern ${settings.name}`;
  const security = TLS_WORDS[tls.mode];
  step('node', `${name}${by}: ${settings.kind} at ${host} port ${port}, ${security}`);
  step('because', reason);
  const { trust } = settings;
  step(
    'trust',
    trust.kind === 'replay' ? "replay: the user's own password" : `${trust.kind} as ${trust.name}`,
  );
  const told = [...forwarded].map(([key, value]) => `${key}=${value}`).join(', ');
  step('told', `user ${account.name}${told === '' ? '' : `, ${told}`}`);
}
