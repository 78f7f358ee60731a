/** Questions of operators to the proxy that runs on this machine. */
import { userInfo } from 'node:os';
import { OPERATOR_HEADER } from '../admin-access.ts';
import { loadConfig } from '../config.ts';
import { OperatorError } from './terminal.ts';

const ANSWER_MS = 10_000;

/** Ends the help of commands that ask. */
export const ASKS_PROXY =
  'Asks the proxy that runs on this machine with this configuration, which must have `admin`.';

/** A question, as the admin listener takes it. */
export interface Question {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
}

/** Asks the proxy of a configuration file. @returns its words. @throws {OperatorError} which says what is amiss. */
export async function askProxy(config: string, { method, path, query = {} }: Question): Promise<string> {
  const url = `${adminUrl(config)}${path}?${new URLSearchParams(query)}`;
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
