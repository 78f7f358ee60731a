import { inspect } from 'node:util';
import yargs from 'yargs';
import { checkCommand } from './commands/check.ts';
import { demoCommand } from './commands/demo.ts';
import { doctorCommand } from './commands/doctor.ts';
import { explainCommand } from './commands/explain.ts';
import { hashCommand } from './commands/hash.ts';
import { holdCommand, releaseCommand } from './commands/hold.ts';
import { secretCommand } from './commands/secret.ts';
import { serveCommand } from './commands/serve.ts';
import { OperatorError, type Terminal, UsageError } from './commands/terminal.ts';
import { throttleCommand } from './commands/throttle.ts';
import { describeProblem } from './config/excerpt.ts';
import { ConfigError } from './config.ts';

/**
 * Runs one command of `homing`.
 * @returns the exit code: 0, 1 when the command failed, 2 when the command line makes no sense.
 */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    terminal.output.write(await parse(args, terminal));
    return 0;
  } catch (error) {
    terminal.errors.write(describeFailure(error));
    return error instanceof UsageError ? 2 : 1;
  }
}

/** @returns the text of `--help` and `--version`; empty when a command ran. */
async function parse(args: readonly string[], terminal: Terminal): Promise<string> {
  let text = '';
  await yargs()
    .scriptName('homing')
    .usage(
      '$0 <command>\n\nAn authenticating proxy for IMAP, POP3 and ManageSieve that takes every login to its home node.',
    )
    .command(serveCommand(terminal))
    .command(checkCommand(terminal))
    .command(explainCommand(terminal))
    .command(doctorCommand(terminal))
    .command(throttleCommand(terminal))
    .command(holdCommand(terminal))
    .command(releaseCommand(terminal))
    .command(demoCommand(terminal))
    .command(secretCommand(terminal))
    .command(hashCommand(terminal))
    .demandCommand(1, 1, 'which command?')
    .strict()
    .recommendCommands()
    .example('homing secret --name proxy1', "1. make this proxy's key, and let the nodes know it")
    .example('homing check homing.yaml', '2. check the configuration')
    .example('homing explain ann@example.org -c homing.yaml --login', '3. see where a user would go')
    .example('homing doctor -c homing.yaml', '4. see that the nodes trust this proxy alone')
    .example('homing serve -c homing.yaml', '5. run')
    .epilogue(
      'Exit codes: 0 done; 1 failed, with the reason on standard error; 2 not a command line of homing.',
    )
    .wrap(100)
    .version()
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError(missingOf(args, message) ?? message);
    })
    .parseAsync([...args], {}, (_error, _parsed, output) => {
      text = output === '' ? '' : `${output}\n`;
    });
  return text;
}

/** What each command can't do without. */
const NEEDED: Readonly<Record<string, string>> = {
  check: 'which file? homing check FILE',
  explain: 'which user? homing explain USER',
};

function missingOf(args: readonly string[], message: string): string | undefined {
  // yargs has neither a class nor a code for it.
  if (!message.startsWith('Not enough non-option arguments')) return undefined;
  return NEEDED[args.find((arg) => Object.hasOwn(NEEDED, arg)) ?? ''];
}

function describeFailure(error: unknown): string {
  if (error instanceof ConfigError) {
    const { file, problems } = error;
    return problems.map((problem) => describeProblem(file, problem)).join('');
  }
  if (error instanceof UsageError) return `homing: ${error.message}\nSee: homing --help\n`;
  if (error instanceof OperatorError || isSystemError(error)) return `homing: ${error.message}\n`;
  if (error instanceof Error && isSystemError(error.cause)) return `homing: ${error.message}\n`;
  return `homing: bug: ${inspect(error)}\nThis is homing's mistake and not yours: please report it with these lines.\n`;
}

/** What the system refuses of files and ports is the operator's to put right, and its message says what that is. */
const SYSTEM_CALLS = new Set([
  'open',
  'read',
  'write',
  'stat',
  'lstat',
  'fstat',
  'mkdir',
  'rename',
  'rm',
  'unlink',
  'listen',
]);

/** Told by its system call and number: an error of Node's own (`ERR_INVALID_ARG_TYPE`) has a code too. */
function isSystemError(error: unknown): error is Error {
  return (
    error instanceof Error &&
    'errno' in error &&
    'syscall' in error &&
    SYSTEM_CALLS.has(String(error.syscall))
  );
}
