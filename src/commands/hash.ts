import type { CommandModule } from 'yargs';
import { type HashScheme, hashPassword } from '../../auth/passwords/schemes.ts';
import { readPassword } from './read-password.ts';
import { isKeyboard, OperatorError, type Terminal } from './terminal.ts';

const SCHEMES: readonly HashScheme[] = ['ARGON2', 'SSHA512', 'SCRAM-SHA-256'];

interface HashOptions {
  readonly scheme: HashScheme;
  readonly attribute: string;
}

/** `homing hash`: makes the line that stores a user's password in LDAP or an LDIF file. */
export function hashCommand(terminal: Terminal): CommandModule<object, HashOptions> {
  return {
    command: 'hash',
    describe: "Hash a user's password for LDAP or an LDIF file",
    builder: (args) =>
      args
        .option('scheme', {
          choices: SCHEMES,
          default: 'ARGON2' as const,
          describe:
            'ARGON2 is the hardest to guess; slapd needs a module for it (argon2), and for SSHA512 (pw-sha2); ' +
            'SCRAM-SHA-256 lets clients log in that do not send their password',
        })
        .option('attribute', {
          type: 'string',
          default: 'userPassword',
          describe: 'attribute to write it for',
        })
        .example('homing hash', 'asks for the password twice, without echo')
        .example('homing hash --scheme SSHA512 < password.txt', 'takes the first line of the file')
        .epilogue('Prints one line for an entry, as userPassword: {ARGON2}…'),
    handler: async ({ scheme, attribute }) => {
      const password = await readPassword(terminal, 'Password: ');
      if (isKeyboard(terminal.input)) {
        const again = await readPassword(terminal, 'Again: ');
        if (!password.equals(again.octets)) throw new OperatorError('the two passwords differ');
      }
      terminal.output.write(`${attribute}: ${await hashPassword(scheme, password)}\n`);
    },
  };
}
