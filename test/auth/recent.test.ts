import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Recent } from '../../auth/recent.ts';

/** The same, by a list that is searched from end to end. */
class Plain {
  entries: { name: string; value: number; untilMs: number }[] = [];

  set(name: string, value: number, untilMs: number): void {
    this.delete(name);
    this.entries = [...this.entries, { name, value, untilMs }].slice(-3);
  }

  get(name: string, nowMs: number): number | undefined {
    const found = this.entries.find((entry) => entry.name === name);
    if (found !== undefined && found.untilMs <= nowMs) this.delete(name);
    return this.entries.find((entry) => entry.name === name)?.value;
  }

  delete(name: string): void {
    this.entries = this.entries.filter((entry) => entry.name !== name);
  }
}

const anyName = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const step = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), name: anyName, ms: fc.integer({ min: 0, max: 5 }) }),
  fc.record({ kind: fc.constant('delete' as const), name: anyName, ms: fc.constant(0) }),
  fc.record({ kind: fc.constant('get' as const), name: anyName, ms: fc.integer({ min: 0, max: 2 }) }),
);

describe('what happened lately', () => {
  it('is what a plain list of the last ones says, whatever is done', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let nowMs = 0;
        const recent = new Recent<number>(3, () => nowMs);
        const plain = new Plain();
        for (const [value, { kind, name: key, ms }] of steps.entries()) {
          if (kind === 'set') {
            recent.set(key, value, ms);
            plain.set(key, value, nowMs + ms);
          } else if (kind === 'delete') {
            recent.delete(key);
            plain.delete(key);
          } else {
            nowMs += ms;
            expect(recent.get(key)).toBe(plain.get(key, nowMs));
          }
          expect(recent.size).toBe(plain.entries.length);
        }
      }),
    );
  });

  it('never remembers more than its bound', () => {
    const full = new Recent<number>(1000, () => 0);
    for (let at = 0; at < 5000; at += 1) full.set(`name ${at}`, at, 1);

    expect(full.size).toBe(1000);
    expect(full.get('name 3999')).toBe(undefined);
    expect(full.get('name 4000')).toBe(4000);
  });
});
