import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Choosable, orderHome, orderMembers, scoreOf } from '../../src/routing/choice.ts';

const WEIGHTS = [1, 2, 3, 1, 2];
const FIVE = WEIGHTS.map((weight, index) => member(`node-${index}`, { weight }));
const USERS = Array.from({ length: 10_000 }, (_, index) => `user${index}@example.org`);

function member(name: string, changes: Partial<Choosable> = {}): Choosable {
  return { name, weight: 1, priority: 1, fitness: 'whole', ...changes };
}

function namesFor(user: string, members: readonly Choosable[]): readonly string[] {
  return orderMembers(user, members).map(({ name }) => name);
}

describe('orderMembers', () => {
  it('gives each member as many of 10,000 users as its weight says, within 5 %', () => {
    const counts = Map.groupBy(USERS, (user) => namesFor(user, FIVE)[0]);

    const sum = WEIGHTS.reduce((all, weight) => all + weight);
    for (const { name, weight } of FIVE) {
      const share = (counts.get(name)?.length ?? 0) / USERS.length;
      expect(Math.abs(share / (weight / sum) - 1), name).toBeLessThan(0.05);
    }
  });

  it('moves only the users of a member that is lost, and its return brings them back', () => {
    const lost = FIVE.map((one) => (one.name === 'node-2' ? { ...one, fitness: 'unusable' as const } : one));

    for (const user of USERS) {
      const [before, second] = namesFor(user, FIVE);

      expect(namesFor(user, lost)[0]).toBe(before === 'node-2' ? second : before);
    }
  });

  it('is the same in whatever order the members are written, and for whatever case of the name', () => {
    fc.assert(
      fc.property(fc.string(), fc.shuffledSubarray(FIVE, { minLength: 5 }), (user, shuffled) => {
        expect(namesFor(user.toUpperCase().toLowerCase(), shuffled)).toEqual(
          namesFor(user.toUpperCase(), FIVE),
        );
      }),
    );
  });

  it('takes the best priority that has a usable member', () => {
    const spare = member('spare', { priority: 2, weight: 100 });

    expect(namesFor('ann', [spare, member('node-a')])).toEqual(['node-a', 'spare']);
    expect(namesFor('ann', [spare, member('node-a', { fitness: 'unusable' })])).toEqual(['spare', 'node-a']);
  });
});

describe('orderHome', () => {
  it('leaves out what drains while another node may serve, and takes it where none may', () => {
    const draining = member('node-a', { fitness: 'draining' });
    const dead = member('node-c', { fitness: 'unusable' });

    expect(orderHome([draining, member('node-b')]).map(({ name }) => name)).toEqual(['node-b']);
    expect(orderHome([dead, draining]).map(({ name }) => name)).toEqual(['node-a', 'node-c']);
  });
});

describe('scoreOf', () => {
  it.each([
    ['ann', 'node-a', 1, 1.6958166580718264],
    ['ann', 'node-b', 1, 0.6688137136819158],
    ['ann@example.org', 'node-a', 2, 7.006120173119356],
  ] as const)('gives %s on %s with weight %d what every version gives', (user, name, weight, score) => {
    expect(scoreOf(user, { name, weight })).toBeCloseTo(score, 12);
  });
});
