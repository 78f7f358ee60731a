import { BlockList, isIP } from 'node:net';

/** Networks as `192.0.2.0/24` or `2001:db8::/32`, and single addresses. */
export class Networks {
  /** As they were written. */
  readonly written: readonly string[];
  readonly #list = new BlockList();

  /** @throws {Error} for what `isNetwork` refuses. */
  constructor(networks: readonly string[]) {
    this.written = networks;
    for (const network of networks) {
      const parsed = parseNetwork(network);
      if (parsed === undefined) throw new Error(`${network} is not a network`);
      this.#list.addSubnet(parsed.address, parsed.bits, parsed.family);
    }
  }

  /** Whether an address belongs to one of them; what is no address does not. */
  has(ip: string): boolean {
    const version = isIP(ip);
    return version !== 0 && this.#list.check(ip, version === 6 ? 'ipv6' : 'ipv4');
  }
}

/** Whether a text is an IP address, or one with the length of its prefix. */
export function isNetwork(text: string): boolean {
  return parseNetwork(text) !== undefined;
}

function parseNetwork(text: string) {
  const [address = '', length, ...rest] = text.split('/');
  const version = isIP(address);
  const most = version === 6 ? 128 : 32;
  const isLength = length === undefined || /^\d{1,3}$/.test(length);
  const bits = length === undefined ? most : Number(length);
  if (version === 0 || address.includes('%') || rest.length > 0 || !isLength || bits > most) {
    return undefined;
  }
  return { address, bits, family: version === 6 ? ('ipv6' as const) : ('ipv4' as const) };
}
