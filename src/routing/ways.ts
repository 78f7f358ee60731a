import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { Addresses } from './addresses.ts';

/** How connections to nodes leave this machine, and where to. */
export class Ways {
  readonly #addresses: Addresses;
  readonly #sources: readonly { readonly address: string; readonly family: number }[];
  #turn = 0;

  /** @param sources IP addresses of ours that connections leave from in turn; the system chooses where there are none. */
  constructor(sources: readonly string[] = [], addresses = new Addresses()) {
    this.#sources = sources.map((address) => ({ address, family: isIP(address) }));
    this.#addresses = addresses;
  }

  /** How many sources there are to try; at least one. */
  get sources(): number {
    return Math.max(1, this.#sources.length);
  }

  /** The addresses of a host. @throws the resolver's error, or the signal's reason. */
  to(host: string, signal: AbortSignal): Promise<readonly LookupAddress[]> {
    return this.#addresses.of(host, signal);
  }

  /** The source of the next connection to an address of this family; `undefined` lets the system choose. */
  from(family: number): string | undefined {
    const fitting = this.#sources.filter((source) => source.family === family);
    this.#turn = (this.#turn + 1) % Number.MAX_SAFE_INTEGER;
    return fitting[this.#turn % fitting.length]?.address;
  }
}
