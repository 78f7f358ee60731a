import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

/** Runs a command to its end, as an operator would. @param input is typed into it. */
export async function homing(args: readonly string[], input = '') {
  const child = spawn(process.execPath, ['src/main.ts', ...args]);
  child.stdin.end(input);
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { output, errors, code: child.exitCode };
}
