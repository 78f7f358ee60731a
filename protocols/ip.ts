/** How IP addresses are written: they are keys of limits and of settings, so each has one spelling. */
import { SocketAddress } from 'node:net';

/** An address as a socket shows it, in its one spelling: IPv4 that a dual-stack socket maps into IPv6 is IPv4. */
export function plainIp(shown: string | undefined): string {
  return (shown ?? '').replace(/^::ffff:(?=\d+\.)/i, '');
}

/** The one spelling of an address that somebody else has written. @throws {Error} for what is no address. */
export function canonicalIp(ip: string): string {
  const family = ip.includes(':') ? 'ipv6' : 'ipv4';
  return plainIp(new SocketAddress({ address: ip, family }).address);
}
