import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Says who is at the keyboard; it's the header that no page of another site can have a browser send. */
export const OPERATOR_HEADER = 'x-homing-operator';

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4');
LOOPBACK.addAddress('::1', 'ipv6');
/** What a proxy adds that speaks for somebody else, who may be anywhere. */
const BY_PROXY = ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'];
/** What browsers add for pages, and nobody else. */
const BY_BROWSER = ['origin', 'sec-fetch-site'];

/** What is looked at of a request. */
interface Origin extends Pick<IncomingMessage, 'headers'> {
  readonly socket: {
    readonly remoteAddress?: string | undefined;
    readonly localAddress?: string | undefined;
  };
}

/**
 * Says why a request may not see or change what is of users: the listener asks nobody for a password, so it has to come
 * from this machine, and from a program rather than from a page that an operator's browser shows.
 * @returns `undefined` where it may.
 */
export function whyNotLocal({ headers, socket }: Origin): string | undefined {
  if (!isHere(socket.remoteAddress ?? '', socket.localAddress)) {
    return 'this is answered on the machine of the proxy only: use `homing` there';
  }
  const foreign = [...BY_PROXY, ...BY_BROWSER].find((name) => headers[name] !== undefined);
  if (foreign !== undefined) {
    return `this is not for browsers, nor for proxies: the request has the header ${foreign}`;
  }
  // A name that an attacker's DNS points here would let his page in (DNS rebinding).
  if (!isOwnName(headers.host ?? '')) return 'the Host must be an IP address or localhost';
  return undefined;
}

/** Says why a request may not change anything, though it may see it; `undefined` where it may. */
export function whyNoChange({ headers }: Origin): string | undefined {
  return headers[OPERATOR_HEADER] === undefined
    ? `changes need the header ${OPERATOR_HEADER} with your name; \`homing\` sends it`
    : undefined;
}

function isHere(remote: string, local: string | undefined): boolean {
  if (remote === '') return false;
  const ip = remote.replace(/^::ffff:(?=\d+\.)/, '');
  return remote === local || LOOPBACK.check(ip, isIP(ip) === 6 ? 'ipv6' : 'ipv4');
}

function isOwnName(host: string): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return name.toLowerCase() === 'localhost' || isIP(name) !== 0;
}
