import type { CommandModule } from 'yargs';
import { Deadline } from '../../auth/deadline.ts';
import type { Account } from '../../auth/directory.ts';
import { LoginFailure } from '../../auth/failure.ts';
import type { MailProtocol } from '../../protocols/protocol.ts';
import { type Config, loadConfig } from '../config.ts';
import { openDirectories } from '../directories.ts';
import { printable } from '../printable.ts';
import { PROTOCOLS } from '../protocols.ts';
import { type KnownNode, NodeTable } from '../routing/node-table.ts';
import { planRoute } from '../routing/route.ts';
import {
  bareMember,
  type Finding,
  type Trial,
  tryRightProof,
  tryUntold,
  tryWrongProof,
} from '../trust-check.ts';
import { configOption } from './config-option.ts';
import { readNodeTable } from './known-nodes.ts';
import { OperatorError, type Terminal } from './terminal.ts';

interface DoctorOptions {
  readonly nodes: readonly string[];
  readonly config: string;
  readonly user: string | undefined;
}

/** `homing doctor`: tries at each node whether it trusts this proxy, and nobody else. */
export function doctorCommand(terminal: Terminal): CommandModule<object, DoctorOptions> {
  return {
    command: 'doctor [nodes..]',
    describe: 'Try at each node whether it trusts this proxy, and nobody else',
    builder: (args) =>
      args
        .positional('nodes', {
          type: 'string',
          array: true,
          default: [],
          describe: 'names of nodes; all of configuration and directory but patterns if there are none',
        })
        .options(configOption)
        .option('user', {
          type: 'string',
          describe: 'login name of an account for tests, to be let in at each node',
        })
        .example('homing doctor', 'does each node refuse a wrong proof?')
        .example('homing doctor --user test@example.org', 'and take the right one, with what it is told?')
        .epilogue(
          'Ends with code 1 when something is wrong or could not be told. With --user the account is logged in at each ' +
            'node, where a mailbox may be made for it.',
        ),
    handler: (options) => examine(options, terminal),
  };
}

async function examine(
  { nodes: names, config: file, user }: DoctorOptions,
  { output }: Terminal,
): Promise<void> {
  const config = loadConfig(file);
  const table = await readNodeTable(config, NEVER, (detail) =>
    output.write(`nodes    ${printable(detail, 1000)}\n`),
  );
  const nodes = names.length === 0 ? table.all : names.map((name) => requireNode(name, table));
  if (nodes.length === 0) throw new OperatorError('no node is known but by a pattern: homing doctor NODE');
  let amiss = 0;
  for (const node of nodes) {
    const protocols = [...PROTOCOLS.values()].filter(({ name }) => node.settings.ports.has(name));
    // At the same time: nodes answer wrong proofs late.
    const examined = await Promise.all(
      protocols.map(async (protocol) => {
        const account = user === undefined ? undefined : await findAccount(user, protocol, config);
        return { protocol, findings: await findingsAt(node, protocol, { config, account }) };
      }),
    );
    for (const { protocol, findings } of examined) {
      for (const { verdict, detail } of findings) {
        if (verdict !== 'right') amiss += 1;
        output.write(`${MARK[verdict]}  ${node.name} ${protocol.name}: ${printable(detail, 1000)}\n`);
      }
    }
  }
  if (amiss > 0)
    throw new OperatorError(`${amiss} of the checks above ${amiss === 1 ? 'is' : 'are'} not right`);
}

const MARK: Readonly<Record<Finding['verdict'], string>> = {
  right: 'ok     ',
  wrong: 'WRONG  ',
  unknown: 'unknown',
};
/** Nobody leaves before the end: whoever waits here presses Ctrl-C. */
const NEVER = new AbortController().signal;

function requireNode(name: string, table: NodeTable): KnownNode {
  const node = table.find(name);
  if (node === undefined) throw new OperatorError(`${name} is not in the node table: logins can't go there`);
  return node;
}

async function findAccount(user: string, { name: service }: MailProtocol, config: Config): Promise<Account> {
  await using directories = openDirectories(config.directories, config.settings, () => undefined);
  using deadline = new Deadline(config.settings.times.directoryMs, NEVER);
  const account = await directories.authenticator.lookup(Buffer.from(user), { service }, deadline.signal);
  if (account === undefined) throw new OperatorError(`no directory has an account of the name ${user}`);
  return account;
}

async function findingsAt(
  node: KnownNode,
  protocol: MailProtocol,
  { config, account }: { readonly config: Config; readonly account: Account | undefined },
): Promise<readonly Finding[]> {
  const bare = bareMember(node, protocol);
  if (bare === undefined) return [];
  const trial: Trial = {
    protocol,
    terms: { times: config.settings.times, leadsToUs: () => false },
    signal: NEVER,
  };
  if (account === undefined || node.settings.trust.kind === 'replay')
    return [await tryWrongProof(bare, trial)];
  const told = memberFor(account, node, protocol);
  if (told instanceof LoginFailure)
    return [await tryWrongProof(bare, trial), { verdict: 'wrong', detail: told.message }];
  const wrong = await tryWrongProof(told, trial, account.name);
  if (wrong.verdict === 'unknown') return [wrong];
  const right = await tryRightProof(told, account, trial);
  return right.verdict === 'right' ? [wrong, right, await tryUntold(told, account, trial)] : [wrong, right];
}

/** The node as the account's only home, wherever that is and whatever the node's state. @returns what the entry lacks. */
function memberFor(account: Account, { name, settings }: KnownNode, { name: service }: MailProtocol) {
  try {
    const nodes = new NodeTable([{ ...settings, state: 'up' }]);
    return planRoute({ ...account, homes: [name] }, service, { nodes })[0];
  } catch (error) {
    if (error instanceof LoginFailure) return error;
    throw error;
  }
}
