import type { ReadStream } from 'node:tty';
import { Secret } from '../../auth/secret.ts';
import { isKeyboard, OperatorError, type Terminal } from './terminal.ts';

const MAX_OCTETS = 4096;

/**
 * Reads a password: from a person without echo, else the first line of the input.
 * @throws {OperatorError} when there is none, or the person gave up.
 */
export async function readPassword({ input, errors }: Terminal, prompt: string): Promise<Secret> {
  if (!isKeyboard(input)) return firstLine(input);
  errors.write(prompt);
  try {
    return await readKeys(input);
  } finally {
    errors.write('\n');
  }
}

async function firstLine(input: AsyncIterable<unknown>): Promise<Secret> {
  const chunks: Buffer[] = [];
  for await (const chunk of input) {
    chunks.push(Buffer.from(String(chunk)));
    const octets = Buffer.concat(chunks);
    if (octets.includes(NEWLINE) || octets.length > MAX_OCTETS) break;
  }
  const octets = Buffer.concat(chunks);
  const end = octets.indexOf(NEWLINE);
  const line = end === -1 ? octets : octets.subarray(0, end);
  return checked(line.at(-1) === RETURN ? line.subarray(0, -1) : line);
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const CONTROL_C = 0x03;
const CONTROL_D = 0x04;
const CONTROL_U = 0x15;
const BACKSPACE = 0x08;
const DELETE = 0x7f;

async function readKeys(input: ReadStream): Promise<Secret> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly number[]>();
  let typed: readonly number[] = [];
  const onKeys = (keys: Buffer): void => {
    for (const key of keys) {
      if (key === CONTROL_C) reject(new OperatorError('interrupted'));
      else if (key === NEWLINE || key === RETURN || key === CONTROL_D) resolve(typed);
      else typed = withKey(typed, key);
    }
  };
  input.setRawMode(true);
  input.on('data', onKeys).resume();
  try {
    return checked(Buffer.from(await promise));
  } finally {
    input.off('data', onKeys);
    input.setRawMode(false);
    input.pause();
  }
}

function withKey(typed: readonly number[], key: number): readonly number[] {
  if (key === CONTROL_U) return [];
  return key === BACKSPACE || key === DELETE ? withoutLastCharacter(typed) : [...typed, key];
}

// A character of UTF-8 is its first octet and those behind it that begin with the bits 10.
function withoutLastCharacter(octets: readonly number[]): readonly number[] {
  const start = octets.findLastIndex((octet) => (octet & 0xc0) !== 0x80);
  return octets.slice(0, Math.max(start, 0));
}

function checked(octets: Buffer): Secret {
  if (octets.length === 0) throw new OperatorError('no password was given');
  if (octets.length > MAX_OCTETS) throw new OperatorError(`a password has at most ${MAX_OCTETS} octets`);
  return new Secret(Buffer.from(octets));
}
