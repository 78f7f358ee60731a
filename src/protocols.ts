import { imap } from '../protocols/imap/imap.ts';
import { pop3 } from '../protocols/pop3/pop3.ts';
import type { MailProtocol } from '../protocols/protocol.ts';
import { sieve } from '../protocols/sieve/sieve.ts';
import type { ListenerTls, NodeSettings, NodeTls } from './settings.ts';

/** The mail protocols that Homing speaks, by name. Whatever depends on which there are is derived from this. */
export const PROTOCOLS: ReadonlyMap<string, MailProtocol> = new Map(
  [imap, pop3, sieve].map((protocol) => [protocol.name, protocol]),
);

/** The port that IANA gave a protocol, in TLS from the start or not; `undefined` where there is none. */
export function usualPort(name: string, mode: ListenerTls['mode']): number | undefined {
  const ports = PROTOCOLS.get(name)?.ports;
  return mode === 'implicit' ? ports?.tls : ports?.clear;
}

/** The port of a node where its configuration names none; `undefined` where its kind does not speak the protocol. */
export function usualNodePort(
  { name, ports, absentFrom }: MailProtocol,
  kind: NodeSettings['kind'],
  mode: NodeTls['mode'],
): number | undefined {
  return absentFrom.includes(kind) ? undefined : (usualPort(name, mode) ?? ports.clear);
}

/** How TLS starts on a node's port: a protocol without a port for TLS from the start does it by its command. */
export function nodeTlsAt(protocol: string, port: number, tls: NodeTls): NodeTls {
  const ports = PROTOCOLS.get(protocol)?.ports;
  const byCommand = tls.mode === 'implicit' && ports?.tls === undefined && port === ports?.clear;
  return byCommand ? { ...tls, mode: 'starttls' } : tls;
}
