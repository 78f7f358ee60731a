import { describe, expect, it } from 'vitest';
import { Secret } from '../../../auth/secret.ts';
import { KnownWrong } from '../../../src/throttle/known-wrong.ts';

const MINUTE_MS = 60_000;
const tried = (password: string, version = '20260101000000Z', entry = 'uid=ann,dc=x') => ({
  entry,
  version,
  password: new Secret(Buffer.from(password)),
});

function setUp(forMs = MINUTE_MS, max = 1000) {
  const clock = { ms: 0 };
  return { clock, wrong: new KnownWrong({ forMs, againMs: 15 * MINUTE_MS, max, now: () => clock.ms }) };
}

describe('passwords that are known to be wrong', () => {
  it('are known for a minute, of their entry, and until its password changes', () => {
    const { clock, wrong } = setUp();
    wrong.add(tried('old'));

    expect(wrong.has(tried('old'))).toBe(true);
    expect(wrong.has(tried('new'))).toBe(false);
    expect(wrong.has(tried('old', '20260101000001Z'))).toBe(false);
    expect(wrong.has(tried('old', undefined, 'uid=bob,dc=x'))).toBe(false);
    clock.ms += MINUTE_MS;
    expect(wrong.has(tried('old'))).toBe(false);
  });

  it('are known for an hour once they were found wrong again', () => {
    const { clock, wrong } = setUp();
    wrong.add(tried('old'));
    clock.ms += MINUTE_MS;
    wrong.add(tried('old'));

    clock.ms += 59 * MINUTE_MS;
    expect(wrong.has(tried('old'))).toBe(true);
    clock.ms += MINUTE_MS;
    expect(wrong.has(tried('old'))).toBe(false);
  });

  it('take a client that tries for a day every minute to the directory once an hour', () => {
    const { clock, wrong } = setUp();
    let asked = 0;
    for (; clock.ms < 24 * 60 * MINUTE_MS; clock.ms += MINUTE_MS) {
      if (!wrong.has(tried('old'))) {
        asked += 1;
        wrong.add(tried('old'));
      }
    }

    expect(asked).toBe(25);
  });

  it('are known for as long as failures count once they were found wrong again, where no change would show (A19)', () => {
    const { clock, wrong } = setUp();
    wrong.add(tried('old', ''));
    clock.ms += MINUTE_MS;
    wrong.add(tried('old', ''));

    clock.ms += 14 * MINUTE_MS;
    expect(wrong.has(tried('old', ''))).toBe(true);
    clock.ms += MINUTE_MS;
    expect(wrong.has(tried('old', ''))).toBe(false);
  });

  it('take who tries four of them again and again to the directory eight times in 15 minutes (A19)', () => {
    const { clock, wrong } = setUp();
    let asked = 0;
    for (; clock.ms < 15 * MINUTE_MS; clock.ms += MINUTE_MS + 1000) {
      for (const password of ['a', 'b', 'c', 'd']) {
        if (wrong.has(tried(password, ''))) continue;
        asked += 1;
        wrong.add(tried(password, ''));
      }
    }

    expect(asked).toBe(8);
  });

  it('are known for no longer by what was said from here', () => {
    const { clock, wrong } = setUp();
    wrong.add(tried('old'));
    clock.ms += MINUTE_MS / 2;
    wrong.add(tried('old'));
    clock.ms += MINUTE_MS / 2;

    expect(wrong.has(tried('old'))).toBe(false);
  });

  it('are not remembered where that is off, and never more than a number of them', () => {
    const off = setUp(0).wrong;
    const { wrong } = setUp(MINUTE_MS, 10);
    off.add(tried('old'));
    for (let count = 0; count <= 10; count += 1) wrong.add(tried(`p${count}`));

    expect(off.has(tried('old'))).toBe(false);
    expect(wrong.has(tried('p0'))).toBe(false);
    expect(wrong.has(tried('p10'))).toBe(true);
  });

  it('are counted each time that the directory is spared', () => {
    const { wrong } = setUp();
    wrong.add(tried('old'));
    wrong.has(tried('old'));
    wrong.has(tried('new'));

    expect(wrong.hits).toBe(1);
  });
});
