import { imap } from '../protocols/imap/imap.ts';
import { pop3 } from '../protocols/pop3/pop3.ts';
import type { MailProtocol } from '../protocols/protocol.ts';
import type { ListenerTls } from './settings.ts';

/** The mail protocols that Homing speaks, by name. Whatever depends on which there are is derived from this. */
export const PROTOCOLS: ReadonlyMap<string, MailProtocol> = new Map(
  [imap, pop3].map((protocol) => [protocol.name, protocol]),
);

/** The port that IANA gave a protocol, in TLS from the start or not; `undefined` where there is none. */
export function usualPort(name: string, mode: ListenerTls['mode']): number | undefined {
  const ports = PROTOCOLS.get(name)?.ports;
  return mode === 'implicit' ? ports?.tls : ports?.clear;
}
