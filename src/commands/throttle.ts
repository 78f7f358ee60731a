import { userInfo } from 'node:os';
import type { CommandModule } from 'yargs';
import { OPERATOR_HEADER } from '../admin-access.ts';
import { loadConfig } from '../config.ts';
import { configOption } from './config-option.ts';
import { OperatorError, type Terminal, UsageError } from './terminal.ts';

interface ThrottleOptions {
  readonly config: string;
  readonly user: string | undefined;
  readonly address: string | undefined;
  readonly forget: boolean;
}

const ANSWER_MS = 5000;

/** `homing throttle`: shows what the running proxy counts of a user or an address, and has it forgotten. */
export function throttleCommand(terminal: Terminal): CommandModule<object, ThrottleOptions> {
  return {
    command: 'throttle',
    describe: 'Show, or forget, the failed logins of a user or an address',
    builder: (args) =>
      args
        .option('user', { type: 'string', describe: 'login name, or the account as the log shows it' })
        .option('address', {
          type: 'string',
          describe: 'IP address of clients, or a network as the log shows it',
        })
        .option('forget', {
          type: 'boolean',
          default: false,
          describe: 'forget them: logins are let in again',
        })
        .options(configOption)
        .example('homing throttle --user ann@example.org', 'why is she refused?')
        .example('homing throttle --address 192.0.2.7 --forget', 'let this office in again')
        .epilogue(
          'Asks the proxy that runs on this machine with this configuration, which must have `admin`.',
        ),
    handler: async ({ user, address, forget, config }) => {
      const asked = { ...(user !== undefined && { user }), ...(address !== undefined && { address }) };
      if (Object.keys(asked).length !== 1) {
        throw new UsageError('which one? --user ann@example.org or --address 192.0.2.7');
      }
      const query = new URLSearchParams(asked);
      terminal.output.write(await ask(`${adminUrl(config)}/throttle?${query}`, forget ? 'DELETE' : 'GET'));
    },
  };
}

function adminUrl(config: string): string {
  const { admin } = loadConfig(config);
  if (admin === undefined) {
    throw new OperatorError(
      `${config} has no admin listener to ask: add \`admin: {}\`, and restart the proxy`,
    );
  }
  const near = { '0.0.0.0': '127.0.0.1', '::': '::1' }[admin.address] ?? admin.address;
  return `http://${near.includes(':') ? `[${near}]` : near}:${admin.port}`;
}

/** Who is at the keyboard, as far as this machine knows. */
function operatorName(): string {
  try {
    return encodeURIComponent(userInfo().username);
  } catch {
    // Containers run as users without a name.
    return `uid ${process.getuid?.()}`;
  }
}

async function ask(url: string, method: 'GET' | 'DELETE'): Promise<string> {
  const headers = { [OPERATOR_HEADER]: operatorName() };
  const signal = AbortSignal.timeout(ANSWER_MS);
  try {
    const response = await fetch(url, { method, headers, signal, redirect: 'error' });
    const text = await response.text();
    if (response.ok) return text;
    throw new OperatorError(text.trim());
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    const { host } = new URL(url);
    throw new OperatorError(
      `no proxy answers on ${host}: does \`homing serve\` run with this configuration?`,
      {
        cause: error,
      },
    );
  }
}
