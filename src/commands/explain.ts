import type { CommandModule } from 'yargs';
import { Deadline } from '../../auth/deadline.ts';
import type { Account, Trace } from '../../auth/directory.ts';
import { LoginFailure, type Reason } from '../../auth/failure.ts';
import { isClear, isComparable, splitValue } from '../../auth/passwords/schemes.ts';
import type { Secret } from '../../auth/secret.ts';
import { type Config, loadConfig } from '../config.ts';
import { type Directories, openDirectories } from '../directories.ts';
import type { DirectoryState } from '../events.ts';
import { printable } from '../printable.ts';
import { PROTOCOLS } from '../protocols.ts';
import type { NodeTable } from '../routing/node-table.ts';
import type { Home } from '../routing/route.ts';
import { requireReplay } from '../unverified.ts';
import { configOption } from './config-option.ts';
import { explainHome } from './explain-home.ts';
import { explainLogin } from './explain-login.ts';
import { readNodeTable } from './known-nodes.ts';
import { readPassword } from './read-password.ts';
import { OperatorError, type Terminal } from './terminal.ts';

interface ExplainOptions {
  readonly user: string;
  readonly config: string;
  readonly service: string;
  readonly password: boolean;
  readonly as: string | undefined;
  readonly login: boolean;
  readonly probe: boolean;
}

/** `homing explain USER`: shows each step from a login name to its node. */
export function explainCommand(terminal: Terminal): CommandModule<object, ExplainOptions> {
  return {
    command: 'explain <user>',
    describe: 'Show each step from a login name to its home node, with the time it takes',
    builder: (args) =>
      args
        .positional('user', {
          type: 'string',
          demandOption: true,
          describe: 'login name, as a client would send it',
        })
        .options(configOption)
        .option('service', { choices: [...PROTOCOLS.keys()], default: 'imap', describe: 'mail protocol' })
        .option('password', {
          type: 'boolean',
          default: false,
          describe: 'verify a password too: it is asked for, or read from standard input',
        })
        .option('as', {
          type: 'string',
          describe: 'whom USER wants to act for, as a delegate does by an authzid; needs his password',
        })
        .option('login', {
          type: 'boolean',
          default: false,
          describe: 'log in at the node too, as the proxy would; the mailbox is not touched',
        })
        .option('probe', {
          type: 'boolean',
          default: true,
          describe: 'ask the nodes of the home for their greeting; --no-probe takes all for well',
        })
        .example('homing explain ann@example.org', 'where does this user go?')
        .example('homing explain ann@example.org --login', 'does the node believe this proxy?')
        .epilogue(
          'Ends with code 1 when a login would fail. Asks directory and nodes anew, not the running proxy.',
        ),
    handler: (options) => explain(options, terminal),
  };
}

async function explain(options: ExplainOptions, terminal: Terminal): Promise<void> {
  const config = loadConfig(options.config);
  const password =
    options.password || options.as !== undefined
      ? await readPassword(terminal, `Password of ${options.user}: `)
      : undefined;
  const shown: string[] = [];
  const write = stepsTo(terminal);
  const step: Trace = (name, detail) => {
    shown.push(detail);
    write(name, detail);
  };
  await using directories = openDirectories(config.directories, config.settings, (event) => {
    if (event.event === 'directoryState') step('directory', stateText(event));
  });
  try {
    const found = await findAccount({ options, config, directories, step }, password);
    const { account, unverified } = found;
    await showStored({ options, config, directories, step });
    const { service, probe } = options;
    const { settings } = config;
    const nodes = await readNodeTable(config, NEVER, (detail) => step('nodes', detail));
    const home = await explainHome(account, { service, probe, nodes, settings, step });
    if (unverified) requireReplay(home);
    // A delegate's password is not the other user's.
    const own = account.nodePassword ?? (options.as === undefined ? password : undefined);
    if (options.login) await logIn({ options, config, step }, found, { home, nodes, password: own });
    step('result', options.login ? 'logged in' : `a login would go to ${home[0].node.name}`);
  } catch (error) {
    if (!(error instanceof LoginFailure)) throw error;
    const waits = error.reason === 'held' && (config.settings.times.holdMs ?? 0) > 0;
    step('result', waits ? 'a login would wait (times.hold): held' : `a login would fail: ${error.reason}`);
    const message = isShown(error, shown) ? 'no directory server can be used: see above' : error.message;
    throw new OperatorError(message, { cause: error });
  }
}

function stateText({ server, up, detail = 'not usable' }: DirectoryState): string {
  if (up) return `${server}: usable`;
  return detail.includes(server) ? detail : `${server}: ${detail}`;
}

/** Whether the steps have said already what is wrong with each server: it is a long text. */
function isShown({ reason, message }: LoginFailure, steps: readonly string[]): boolean {
  if (reason !== 'directoryDown') return false;
  return message.split('; ').every((part) => steps.some((step) => step.includes(part)));
}

interface Explanation {
  readonly options: ExplainOptions;
  readonly config: Config;
  readonly step: Trace;
}

interface FoundAccount {
  readonly account: Account;
  /** Whether the directory leaves the password to the node. */
  readonly unverified: boolean;
}

async function findAccount(
  { options, config, directories, step }: Explanation & { readonly directories: Directories },
  password: Secret | undefined,
): Promise<FoundAccount> {
  using deadline = new Deadline(config.settings.times.directoryMs);
  const { authenticator } = directories;
  const name = Buffer.from(options.user);
  const client = { ip: HERE.ip, attempt: 1, tls: undefined };
  const context = { service: options.service, trace: step, client };
  if (password === undefined) {
    const account = await authenticator.lookup(name, context, deadline.signal);
    if (account === undefined)
      throw new LoginFailure('unknownUser', 'no directory has an account of this name');
    if (account.bar !== undefined) throw new LoginFailure(account.bar.reason, account.bar.detail);
    const unverified = config.directories.every(
      (directory) => directory.kind === 'ldap' && directory.options.verify === 'node',
    );
    return { account, unverified };
  }
  const proof = {
    kind: 'password',
    authzid: Buffer.from(options.as ?? ''),
    authcid: name,
    password,
  } as const;
  const result = await authenticator.authenticate(proof, context, deadline.signal);
  if (result.kind === 'admitted') return result;
  throw new LoginFailure(result.reason, result.detail ?? REFUSED[result.reason] ?? 'the login is refused');
}

/** Shows what SCRAM and its like have to work with, where they may: kinds, and never a value. */
async function showStored({
  options,
  config,
  directories,
  step,
}: Explanation & { readonly directories: Directories }): Promise<void> {
  using deadline = new Deadline(config.settings.times.directoryMs);
  const context = { service: options.service };
  const found = await directories.authenticator.credentials(
    Buffer.from(options.user),
    context,
    deadline.signal,
  );
  if (found.kind === 'none') return;
  const kinds = new Set(found.values.map(kindOfValue));
  step(
    'stored',
    kinds.size === 0
      ? 'no readable password: the entry has none, or bindDn may not read it'
      : [...kinds].join(', '),
  );
}

/** A scheme that nobody knows may be a part of a password. */
function kindOfValue(value: string): string {
  const stored = splitValue(value);
  if (isClear(stored.scheme)) return 'clear text';
  return isComparable(stored) ? (stored.scheme ?? 'unknown') : 'unknown';
}

/** What a directory means that says no more than this. */
const REFUSED: { readonly [Key in Reason]?: string } = {
  unknownUser: 'no directory has an account of this name',
  wrongPassword: 'the password is wrong',
  expired: 'the password has expired (change it in the directory)',
  mustChange: 'the password must be changed first (in the directory)',
  locked: 'the directory has locked the account',
  disabled: 'the directory says that the account may not log in',
};

/** @throws {OperatorError} where a password is needed that was not given. */
async function logIn(
  { options, config, step }: Explanation,
  found: FoundAccount,
  { home, nodes, password }: { home: Home; nodes: NodeTable; password: Secret | undefined },
): Promise<void> {
  const protocol = PROTOCOLS.get(options.service);
  if (protocol === undefined) throw new OperatorError(`there is no protocol ${options.service}`);
  if (password === undefined && home.some(({ node }) => node.settings.trust.kind === 'replay')) {
    const instead = options.as === undefined ? '--login needs --password' : 'nobody can act for a user there';
    throw new OperatorError(`a node takes the user's own password, so ${instead}`);
  }
  const { account, unverified } = found;
  const { times } = config.settings;
  await explainLogin(account, home, { protocol, nodes, times, password, unverified, step });
}

/** Stands for the port of a client that there is none of; Dovecot takes no 0. */
const DISCARD_PORT = 9;
const HERE = { ip: '127.0.0.1', port: DISCARD_PORT };

/** Nobody leaves before the end: whoever waits here presses Ctrl-C. */
const NEVER = new AbortController().signal;

/** Writes each step with the time since the one before. */
function stepsTo({ output }: Terminal): Trace {
  let beforeMs = performance.now();
  return (step, detail) => {
    const nowMs = performance.now();
    const time = `${(nowMs - beforeMs).toFixed(1)} ms`;
    beforeMs = nowMs;
    output.write(`${time.padStart(10)}  ${step.padEnd(9)}  ${printable(detail, 1000)}\n`);
  };
}
