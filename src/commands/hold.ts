import type { CommandModule } from 'yargs';
import { ASKS_PROXY, askProxy } from './ask-proxy.ts';
import { configOption } from './config-option.ts';
import { type Terminal, UsageError } from './terminal.ts';

interface HoldOptions {
  readonly user: string | undefined;
  readonly config: string;
  readonly for: number;
}

/** `homing hold [USER]`: has a user's logins wait at this proxy, or shows who is held. */
export function holdCommand({ output }: Terminal): CommandModule<object, HoldOptions> {
  return {
    command: 'hold [user]',
    describe: "Have a user's logins wait, as while his mailbox is moved, or show who is held",
    builder: (args) =>
      args
        .positional('user', { type: 'string', describe: 'login name; who is held is shown without one' })
        .option('for', {
          type: 'number',
          default: 10,
          describe: 'minutes, at the most 1440, after which he is released by himself',
        })
        .options(configOption)
        .example('homing hold ann@example.org', 'her sessions end as soon as they are quiet')
        .example('homing release ann@example.org', 'and those who waited go on')
        .epilogue(
          `${ASKS_PROXY} To hold a user at all proxies, change his entry: a status that means \`held\`.`,
        ),
    handler: async ({ user, config, for: minutes }) => {
      if (!(minutes > 0 && minutes <= 1440)) throw new UsageError('for how long? --for 10, in minutes');
      const question =
        user === undefined
          ? ({ method: 'GET', path: '/hold' } as const)
          : ({ method: 'POST', path: '/hold', query: { user, seconds: String(minutes * 60) } } as const);
      output.write(await askProxy(config, question));
    },
  };
}

/** `homing release USER`: lets a user go on whom `homing hold` holds. */
export function releaseCommand({
  output,
}: Terminal): CommandModule<object, { user: string; config: string }> {
  return {
    command: 'release <user>',
    describe: 'Let a user go on whom `homing hold` holds',
    builder: (args) =>
      args
        .positional('user', { type: 'string', demandOption: true, describe: 'login name, or the account' })
        .options(configOption)
        .epilogue(ASKS_PROXY),
    handler: async ({ user, config }) => {
      output.write(await askProxy(config, { method: 'DELETE', path: '/hold', query: { user } }));
    },
  };
}
