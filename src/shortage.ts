import type { Observer, ShortageEvent } from './events.ts';
import type { Readings, Resource } from './resources.ts';

const LOOK_MS = 1000;
/** Clients are refused for so long by one look. */
const REFUSING_MS = 50;
/** From here on it is kept for who is there already. Sessions alone, with those being turned away, take 90 % of the descriptors. */
const SCARCE: Readonly<Record<Resource, number>> = { memory: 0.8, descriptors: 0.92 };
/** From here on there is none left even to tell a client why. */
const SPENT: Readonly<Record<Resource, number>> = { memory: 0.9, descriptors: 0.98 };
/** It is enough again when so much less is in use. */
const MARGIN = 0.05;
/** Of the connections that there are when nothing is left, so many must go before others come. */
const LEAVING = 1 / 4;

type Supply = ShortageEvent['supply'];

interface State {
  supply: Supply;
  /**
   * The most connections meanwhile. An allocator may keep what it once had, so that in use it never seems to be less: what
   * those that left have used serves those that come.
   */
  most: number;
}

export interface ShortageTerms {
  readonly readings: Readings;
  /** How many connections there are. */
  readonly open: () => number;
  readonly observe: Observer;
}

/** Looks whether memory and descriptors are about to run out, so that new clients are refused before. */
export class Shortage implements Disposable {
  readonly #terms: ShortageTerms;
  readonly #states: Readonly<Record<Resource, State>> = {
    memory: { supply: 'enough', most: Number.POSITIVE_INFINITY },
    descriptors: { supply: 'enough', most: Number.POSITIVE_INFINITY },
  };
  readonly #timer: NodeJS.Timeout;
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(terms: ShortageTerms) {
    this.#terms = terms;
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** Of what there is too little for one more connection; `undefined` where there is enough. */
  get of(): Resource | undefined {
    const short = this.#short;
    if (short === undefined || performance.now() - this.#askedMs < REFUSING_MS) return short;
    this.#askedMs = performance.now();
    // Who waited at the door until there was enough again shall not be refused for what was a moment ago.
    this.#look();
    return this.#short;
  }

  get #short(): Resource | undefined {
    return RESOURCES.find((resource) => this.#terms.open() >= this.#states[resource].most);
  }

  /** Whether nothing is left even to tell a client why. */
  get isSpent(): boolean {
    return RESOURCES.some((resource) => this.#states[resource].supply === 'spent');
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const resource of RESOURCES) {
      const use = this.#terms.readings[resource]();
      const state = this.#states[resource];
      const supply = use === undefined ? 'enough' : supplyAt(use.share, resource, state.supply);
      if (supply === state.supply) continue;
      state.most = mostAt(supply, this.#terms.open(), state);
      state.supply = supply;
      this.#terms.observe({ event: 'shortage', resource, supply, ...(use && { detail: use.detail }) });
    }
  }
}

const RESOURCES: readonly Resource[] = ['memory', 'descriptors'];

function supplyAt(share: number, resource: Resource, before: Supply): Supply {
  const margin = before === 'enough' ? 0 : MARGIN;
  if (share >= SPENT[resource]) return 'spent';
  return share >= SCARCE[resource] - margin ? 'scarce' : 'enough';
}

function mostAt(supply: Supply, open: number, { supply: before, most }: State): number {
  switch (supply) {
    case 'enough':
      return Number.POSITIVE_INFINITY;
    case 'scarce':
      return before === 'spent' ? most : open;
    case 'spent':
      return Math.floor(open * (1 - LEAVING));
  }
}
