import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { MAX_ITERATIONS, MIN_ITERATIONS } from '../../auth/mechanisms/scram-keys.ts';
import { hashScram } from '../../auth/passwords/scram.ts';
import { Secret } from '../../auth/secret.ts';
import { proxyName } from '../config/values.ts';
import { OperatorError, type Terminal, UsageError } from './terminal.ts';

const KEY_OCTETS = 32;

interface SecretOptions {
  readonly name: string;
  readonly decoys: boolean;
  readonly out: string | undefined;
  readonly show: string | undefined;
  readonly iterations: number;
  readonly force: boolean;
}

/** `homing secret`: makes the key of a proxy, or the secret of decoys, and says what goes where. */
export function secretCommand({ output }: Terminal): CommandModule<object, SecretOptions> {
  return {
    command: 'secret',
    describe:
      "Make this proxy's key, and print the line that each kind of node needs; or the secret of decoys",
    builder: (args) =>
      args
        .option('name', {
          type: 'string',
          default: 'proxy1',
          describe: "the proxy's name, as the nodes know it",
        })
        .option('decoys', {
          type: 'boolean',
          default: false,
          describe: 'make the secret for scramDecoys instead, which all proxies share',
        })
        .option('out', {
          type: 'string',
          describe: 'file to write to; NAME.key or decoys.secret if it is left out',
        })
        .option('show', {
          type: 'string',
          describe: 'print the lines for the key in this file, and make none',
        })
        .option('iterations', {
          type: 'number',
          default: MIN_ITERATIONS,
          describe: 'of PBKDF2 for SCRAM; a random key needs no more than the default',
        })
        .option('force', { type: 'boolean', default: false, describe: 'overwrite the file' })
        .conflicts('show', 'out')
        .example('homing secret --name proxy1', 'makes proxy1.key')
        .example('homing secret --decoys', 'makes decoys.secret')
        .example('homing secret --name proxy1 --show proxy1.key', 'prints the lines again')
        .epilogue(
          'Each proxy has a name and a key of its own, so that one that was lost is locked out by removing one ' +
            'line on each node. The key file is for the proxy only. A Dovecot node stores what can verify the key ' +
            'and not the key; a Courier node stores the key itself.',
        ),
    handler: async (options) => {
      checkOptions(options);
      if (options.decoys) {
        const file = resolve(options.out ?? 'decoys.secret');
        makeKey(file, options.force);
        output.write(`wrote ${file} (mode 600)\n\n${decoyInstructions(file)}`);
        return;
      }
      const file = resolve(options.show ?? options.out ?? `${options.name}.key`);
      const key = options.show === undefined ? makeKey(file, options.force) : readKey(file);
      const made = options.show === undefined ? `wrote ${file} (mode 600)\n\n` : '';
      output.write(`${made}${await instructions(options, file, key)}`);
    },
  };
}

function checkOptions({ name, iterations, decoys, show }: SecretOptions): void {
  if (decoys && show !== undefined) throw new UsageError('--decoys: there is nothing to show of this secret');
  const wrong = proxyName.safeParse(name).error?.issues[0];
  if (wrong !== undefined) throw new UsageError(`--name ${JSON.stringify(name)}: ${wrong.message}`);
  if (Number.isInteger(iterations) && iterations >= MIN_ITERATIONS && iterations <= MAX_ITERATIONS) return;
  throw new UsageError(`--iterations: a whole number from ${MIN_ITERATIONS} to ${MAX_ITERATIONS}`);
}

function makeKey(file: string, force: boolean): Secret {
  const key = randomBytes(KEY_OCTETS).toString('base64url');
  try {
    // Opened anew rather than written over: the mode counts for files that are made only.
    if (force) rmSync(file, { force });
    writeFileSync(file, `${key}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    throw fileError(error, `write ${file}`, {
      EEXIST: 'it exists; --force overwrites it, --show prints its lines',
    });
  }
  return new Secret(Buffer.from(key));
}

function readKey(file: string): Secret {
  try {
    const descriptor = openSync(file, 'r');
    try {
      if ((fstatSync(descriptor).mode & 0o077) !== 0) {
        throw new OperatorError(
          `others than its owner can get at ${file}: chmod 600 ${file}, or make a new key`,
        );
      }
      const key = readFileSync(descriptor, 'latin1').replace(/\r?\n$/, '');
      if (/^[\x21-\x7e]{16,1024}$/.test(key)) return new Secret(Buffer.from(key));
      throw new OperatorError(`${file} has no key: one line of at least 16 characters is expected`);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw fileError(error, `read ${file}`, { ENOENT: 'there is no such file' });
  }
}

function fileError(error: unknown, what: string, known: Readonly<Record<string, string>>): Error {
  if (!(error instanceof Error) || !('code' in error))
    return error instanceof Error ? error : new Error(what);
  const code = String(error.code);
  return new OperatorError(`can't ${what}: ${known[code] ?? code}`, { cause: error });
}

function decoyInstructions(file: string): string {
  return `In the configuration of each proxy, which all need a copy of this file:

    scramDecoys: { secretFile: ${file} }
`;
}

async function instructions({ name, iterations }: SecretOptions, file: string, key: Secret): Promise<string> {
  return `In the configuration of this proxy:

    name: ${name}
    keyFile: ${file}

On each Dovecot node, a line in /etc/dovecot/homing-proxies (root:dovecot, mode 640):

    ${name}:${await hashScram(key, iterations)}::::::

On each Courier node, a line in /etc/courier/homing-proxies (root:root, mode 600); this is the key itself:

    ${name}:${key.octets.toString('latin1')}
`;
}
