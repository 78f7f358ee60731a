import type { CommandModule } from 'yargs';
import { ASKS_PROXY, askProxy } from './ask-proxy.ts';
import { configOption } from './config-option.ts';
import { type Terminal, UsageError } from './terminal.ts';

interface ThrottleOptions {
  readonly config: string;
  readonly user: string | undefined;
  readonly address: string | undefined;
  readonly forget: boolean;
}

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
        .epilogue(ASKS_PROXY),
    handler: async ({ user, address, forget, config }) => {
      const asked = { ...(user !== undefined && { user }), ...(address !== undefined && { address }) };
      if (Object.keys(asked).length !== 1) {
        throw new UsageError('which one? --user ann@example.org or --address 192.0.2.7');
      }
      const method = forget ? 'DELETE' : 'GET';
      terminal.output.write(await askProxy(config, { method, path: '/throttle', query: asked }));
    },
  };
}
