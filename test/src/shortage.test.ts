import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Event } from '../../src/events.ts';
import type { Resource } from '../../src/resources.ts';
import { Shortage } from '../../src/shortage.ts';

const LOOK_MS = 1000;

beforeEach(() => {
  vi.useFakeTimers();
  return () => vi.useRealTimers();
});

/** A proxy whose resources and connections are as the test says. */
function watched() {
  const shares: Record<Resource, number | undefined> = { memory: 0, descriptors: 0 };
  const events: Event[] = [];
  const state = { open: 100 };
  const reading = (resource: Resource) => () => {
    const share = shares[resource];
    return share === undefined ? undefined : { share, detail: `${share * 100} %` };
  };
  const shortage = new Shortage({
    readings: { memory: reading('memory'), descriptors: reading('descriptors') },
    open: () => state.open,
    observe: (event) => events.push(event),
  });
  const use = (resource: Resource, share: number | undefined): void => {
    shares[resource] = share;
    vi.advanceTimersByTime(LOOK_MS);
  };
  return { shortage, shares, events, state, use };
}

describe.each([
  ['memory', 0.8, 0.9],
  ['descriptors', 0.92, 0.98],
] as const)('a shortage of %s (F34, F35)', (resource, scarce, spent) => {
  it('is none below its limit', () => {
    const { shortage, events, use } = watched();

    use(resource, scarce - 0.01);

    expect(shortage.of).toBeUndefined();
    expect(events).toEqual([]);
  });

  it('leaves room for as many connections as there are, and for no more', () => {
    const { shortage, events, state, use } = watched();

    use(resource, scarce);
    use(resource, scarce + 0.01);

    expect(shortage.of).toBe(resource);
    expect(shortage.isSpent).toBe(false);
    expect(events).toEqual([{ event: 'shortage', resource, supply: 'scarce', detail: `${scarce * 100} %` }]);
    state.open -= 1;
    expect(shortage.of).toBeUndefined();
  });

  it('has some leave before others come when nothing is left', () => {
    const { shortage, events, state, use } = watched();

    use(resource, scarce);
    use(resource, spent);

    expect(shortage.isSpent).toBe(true);
    expect(events).toMatchObject([{ supply: 'scarce' }, { supply: 'spent' }]);
    state.open = 76;
    expect(shortage.of).toBe(resource);
    state.open = 74;
    expect(shortage.of).toBeUndefined();
  });

  it('is over when clearly less is in use, and is told once', () => {
    const { shortage, events, use } = watched();

    use(resource, spent);
    use(resource, scarce - 0.01);
    expect(shortage.of).toBe(resource);
    expect(shortage.isSpent).toBe(false);
    use(resource, scarce - 0.06);
    use(resource, scarce - 0.01);

    expect(shortage.of).toBeUndefined();
    expect(events).toMatchObject([{ supply: 'spent' }, { supply: 'scarce' }, { supply: 'enough' }]);
  });

  it('refuses nobody for what is over', () => {
    const { shortage, shares, use } = watched();
    use(resource, spent);
    vi.advanceTimersByTime(LOOK_MS / 2);

    shares[resource] = 0;

    expect(shortage.of).toBeUndefined();
  });

  it('is none where the system does not tell', () => {
    const { shortage, events, use } = watched();

    use(resource, undefined);

    expect(shortage.of).toBeUndefined();
    expect(events).toEqual([]);
  });
});

it('looks at nothing any more when it is disposed of', () => {
  const { shortage, events, use } = watched();

  shortage[Symbol.dispose]();
  use('memory', 1);

  expect(events).toEqual([]);
});
