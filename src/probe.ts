/** Whether a node answers, as far as that can be told without a login. */
import { LoginFailure } from '../auth/failure.ts';
import { Channel } from '../protocols/channel.ts';
import type { MailProtocol } from '../protocols/protocol.ts';
import type { Transport } from '../protocols/transport.ts';
import { dial } from './dial.ts';
import { PROTOCOLS } from './protocols.ts';
import type { Breakers, DownNode } from './routing/breakers.ts';
import type { KnownNode, NodeTable } from './routing/node-table.ts';
import { Probes } from './routing/probes.ts';
import type { Ways } from './routing/ways.ts';
import type { HealthSettings } from './settings.ts';
import { bareMember } from './trust-check.ts';

const MAX_GREETING_OCTETS = 4096;

/** What probes share with logins. */
export interface ProbeParts {
  readonly breakers: Breakers;
  readonly nodes: NodeTable;
  readonly ways: Ways;
  readonly connectMs: number;
}

/** Begins to probe nodes; `undefined` where that is not wanted. */
export function startProbes(
  health: HealthSettings,
  { breakers, nodes, ways, connectMs }: ProbeParts,
): Probes | undefined {
  const { probe, everyMs, all } = health;
  if (probe === 'off') return undefined;
  return new Probes({
    breakers,
    always: () => (all ? nodes.all.filter(isWanted).flatMap(portsOf) : []),
    everyMs,
    probeMs: connectMs,
    check: (place, signal) => probeNode(place, { probe, ways, signal }),
  });
}

function isWanted({ settings }: KnownNode): boolean {
  return settings.state !== 'down';
}

function portsOf(node: KnownNode): readonly DownNode[] {
  return [...node.settings.ports.keys()].map((service) => ({ node, service }));
}

interface ProbeTerms {
  readonly probe: 'tcp' | 'greeting';
  readonly ways: Ways;
  readonly signal: AbortSignal;
}

/**
 * Connects to a node, and hears its greeting if asked to.
 * @throws {LoginFailure} nodeUnreachable, nodeTlsFailed, nodeBrokeProtocol.
 */
export async function probeNode({ node, service }: DownNode, terms: ProbeTerms): Promise<void> {
  const protocol = PROTOCOLS.get(service);
  const member = protocol && bareMember(node, protocol);
  if (protocol === undefined || member === undefined) {
    throw new LoginFailure('nodeUnreachable', `${node.name} has no ${service} port`);
  }
  const { host } = node;
  const { port } = member;
  const tls = terms.probe === 'tcp' ? ({ mode: 'none' } as const) : member.tls;
  const transport = await dial({ host, port, tls }, terms.signal, terms.ways);
  if (terms.probe === 'tcp') transport.destroy();
  else await hearGreeting(transport, protocol, terms.signal);
}

async function hearGreeting(
  transport: Transport,
  { name, isGreeting }: MailProtocol,
  signal: AbortSignal,
): Promise<void> {
  const channel = new Channel(transport);
  const giveUp = (): void => channel.close();
  signal.addEventListener('abort', giveUp);
  try {
    const line = await channel.readLine(MAX_GREETING_OCTETS);
    if (!isGreeting(line.toString('latin1'))) {
      throw new LoginFailure('nodeBrokeProtocol', `its ${name} greeting is no welcome`);
    }
  } catch (error) {
    throw error instanceof LoginFailure ? error : noGreeting(name, error);
  } finally {
    signal.removeEventListener('abort', giveUp);
    channel.close();
  }
}

function noGreeting(protocol: string, cause: unknown): LoginFailure {
  return new LoginFailure('nodeUnreachable', `no ${protocol} greeting came`, { cause });
}
