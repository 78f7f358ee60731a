import { isIPv6 } from 'node:net';

/** The parts of an address that failed logins are counted by. */
export interface AddressKeys {
  /** An IPv4 address, or the /64 of an IPv6 address: that is what one customer has at least. */
  readonly address: string;
  /** The /48 of an IPv6 address, which has 65536 of these; `undefined` for IPv4. */
  readonly network: string | undefined;
}

/** Gives the keys of an address. What is no address is a key by itself. */
export function addressKeys(ip: string): AddressKeys {
  const groups = isIPv6(ip) ? groupsOf(ip) : undefined;
  if (groups === undefined) {
    return { address: ip, network: undefined };
  }
  return { address: prefix(groups, 4), network: prefix(groups, 3) };
}

/** The eight groups of a valid IPv6 address. */
function groupsOf(ip: string): readonly number[] {
  const [plain = ''] = ip.split('%', 1);
  const [head = '', tail] = plain.split('::');
  const front = numbersIn(head);
  const back = tail === undefined ? [] : numbersIn(tail);
  const zeros = new Array<number>(Math.max(0, 8 - front.length - back.length)).fill(0);
  return [...front, ...zeros, ...back];
}

function numbersIn(part: string): number[] {
  return part === ''
    ? []
    : part
        .split(':')
        .flatMap((group) => (group.includes('.') ? ofIPv4(group) : [Number.parseInt(group, 16)]));
}

/** The two groups that an IPv4 address at the end stands for. */
function ofIPv4(text: string): number[] {
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number);
  return [a * 256 + b, c * 256 + d];
}

function prefix(groups: readonly number[], count: number): string {
  const shown = groups.slice(0, count).map((group) => group.toString(16));
  return `${shown.join(':')}::/${count * 16}`;
}
