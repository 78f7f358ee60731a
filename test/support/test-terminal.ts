import { PassThrough } from 'node:stream';
import { runCli } from '../../src/cli.ts';

/** What a command printed, and how it ended. */
export interface Ran {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

/** Runs a command as a shell would, with its input. */
export async function run(args: readonly string[], input = ''): Promise<Ran> {
  const terminal = { input: new PassThrough(), output: new PassThrough(), errors: new PassThrough() };
  terminal.input.end(input);
  const code = await runCli(args, terminal);
  const text = (stream: PassThrough) => String(stream.read() ?? '');
  return { code, output: text(terminal.output), errors: text(terminal.errors) };
}
