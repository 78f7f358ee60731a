import { BlockList, isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

/** Whether a host, by name or address, is this machine talking to itself, where nobody can listen in. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return /^localhost\.?$/i.test(host);
  return LOOPBACK.check(host, family === 6 ? 'ipv6' : 'ipv4');
}

/** Whether connecting to a host leads to a listener at an address; as far as it can be told without DNS. */
export function leadsTo(host: string, listening: string): boolean {
  const everywhere = listening === '::' || listening === '0.0.0.0';
  if (everywhere)
    return isLoopback(host) || isWildcard(host) || isOwnName(host) || ownAddresses().includes(host);
  if (isIP(host) !== 0) return host === listening;
  if (isLoopback(host)) return isLoopback(listening);
  return isOwnName(host) && (ownAddresses().includes(listening) || isLoopback(listening));
}

/** Whether two listeners at these addresses would take each other's port; `::` is every address, IPv4 too. */
export function overlaps(one: string, other: string): boolean {
  if (one === other || one === '::' || other === '::') return true;
  return (one === '0.0.0.0' && isIP(other) === 4) || (other === '0.0.0.0' && isIP(one) === 4);
}

function isWildcard(host: string): boolean {
  return host === '::' || host === '0.0.0.0';
}

function isOwnName(host: string): boolean {
  return host.replace(/\.$/, '').toLowerCase() === hostname().toLowerCase();
}

function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).map(({ address }) => address),
  );
}
