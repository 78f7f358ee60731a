/** Sessions of both protocols at a proxy in clear text, for tests of what happens to them. */
import { accounts } from './accounts.ts';
import { logIn, openSession, type ProtocolName } from './mail-session.ts';
import type { RunningProxy } from './running-proxy.ts';
import type { Wire } from './wire.ts';

/** The answer to a right password. */
export const LOGGED_IN = /^(?:l |\+)OK/;

/** What a client hears that is told to come back, before it could say anything. */
export const TURNED_AWAY = { imap: /^\* BYE \[UNAVAILABLE\]/, pop3: /^-ERR \[SYS\/TEMP\]/ } as const;

/** Connects; the caller disposes of it. */
export async function greeted(proxy: RunningProxy, protocol: ProtocolName): Promise<Wire> {
  return await openSession(protocol, { port: proxy.port(protocol, 'none'), tls: 'none', ca: '' });
}

/** Logs in. @throws {Error} with the answer where that fails. */
export async function liveSession(
  proxy: RunningProxy,
  protocol: ProtocolName,
  user: 'alice' | 'bob',
): Promise<Wire> {
  const wire = await greeted(proxy, protocol);
  const answer = await logIn(protocol, wire, accounts[user].mail, accounts[user].password);
  if (!LOGGED_IN.test(answer)) {
    await wire[Symbol.asyncDispose]();
    throw new Error(answer);
  }
  return wire;
}

/** The text of the metrics of a proxy with an admin listener. */
export async function metricsOf(proxy: RunningProxy): Promise<string> {
  const { port } = await proxy.event('adminListening');
  return await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}
