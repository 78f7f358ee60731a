import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import { runCli } from '../../src/cli.ts';
import { ConfigFolder, good } from '../support/config-folder.ts';
import { run } from '../support/test-terminal.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

/** Runs a command while each write of its output throws. */
async function runThrowing(error: unknown): Promise<string> {
  const terminal = { input: new PassThrough(), output: new PassThrough(), errors: new PassThrough() };
  terminal.output.write = () => {
    throw error;
  };
  expect(await runCli(['--version'], terminal)).toBe(1);
  return String(terminal.errors.read());
}

function nodesOwnError(): unknown {
  try {
    return Buffer.from(Number.NaN as unknown as string);
  } catch (error) {
    return error;
  }
}

describe('what homing says of a failure', () => {
  it.each([
    ['an exception', new TypeError('x is not a function')],
    ["an error of Node's own, which has a code", nodesOwnError()],
    ['an error with a cause', new Error('outer', { cause: new Error('inner') })],
  ])('shows the stack of %s, and asks for a report', async (_, error) => {
    const text = await runThrowing(error);

    expect(text).toContain('homing: bug: ');
    expect(text).toContain('cli.test.ts:');
    expect(text).toMatch(/\nThis is homing's mistake and not yours: please report it with these lines\.\n$/);
  });

  it('shows the cause of a bug too', async () => {
    expect(await runThrowing(new Error('outer', { cause: new Error('inner') }))).toContain('inner');
  });

  it('is one line for a port that is taken', async () => {
    await using taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;

    const { code, errors } = await run(['serve', '-c', folder.write('a.yaml', good('1143', String(port)))]);

    expect([code, errors]).toEqual([
      1,
      `homing: 127.0.0.1:${port} is taken: another program listens there; stop it, or choose another port\n`,
    ]);
  });

  it('is one line for an admin port that is taken', async () => {
    await using taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const text = `${good('1143', '0')}admin: { port: ${port} }\n`;

    const { code, errors } = await run(['serve', '-c', folder.write('b.yaml', text)]);

    expect(code).toBe(1);
    expect(errors).toMatch(/^homing: the admin listener on 127\.0\.0\.1:\d+: listen EADDRINUSE.*\n$/);
  });

  it('is one line for a folder that can not be made', async () => {
    const { code, errors } = await run(['demo', '--folder', folder.write('file', '')]);

    expect(code).toBe(1);
    expect(errors).toMatch(/^homing: EEXIST: file already exists, mkdir .*\n$/);
  });

  it('is one line for an input that can not be read', async () => {
    const terminal = { input: new PassThrough(), output: new PassThrough(), errors: new PassThrough() };
    const error = Object.assign(new Error('EISDIR: illegal operation on a directory, read'), {
      errno: -21,
      code: 'EISDIR',
      syscall: 'read',
    });
    terminal.input.destroy(error);

    expect(await runCli(['hash'], terminal)).toBe(1);
    expect(String(terminal.errors.read())).toBe('homing: EISDIR: illegal operation on a directory, read\n');
  });
});
