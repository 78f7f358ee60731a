import { describe, expect, it } from 'vitest';
import { KnownUsers } from '../../../src/throttle/known-users.ts';

function setUp(max = 100) {
  const clock = { ms: 0 };
  return { clock, known: new KnownUsers({ forMs: 1000, max, now: () => clock.ms }) };
}

describe('the users that are known', () => {
  it('are known by each name at their address, and counted once by their account', () => {
    const { known } = setUp();
    known.add(['ann@example.org', 'ann'], '192.0.2.1');
    known.add(['ann.alias', 'ann'], '192.0.2.1');

    expect([known.has('ann', '192.0.2.1'), known.has('ann.alias', '192.0.2.1')]).toEqual([true, true]);
    expect([known.has('ann', '192.0.2.2'), known.has('bob', '192.0.2.1')]).toEqual([false, false]);
    expect(known.accountsAt('192.0.2.1')).toBe(1);
    expect(known.addressesOf(['ann', 'ann.alias'])).toEqual(['192.0.2.1']);
  });

  it('are counted for their /64 and their /48', () => {
    const { known } = setUp();
    known.add(['ann'], '2001:db8:1:1::1');
    known.add(['ann'], '2001:db8:1:2::1');
    known.add(['bob'], '2001:db8:1:2::1');

    expect(known.accountsAt('2001:db8:1:2::/64')).toBe(2);
    expect(known.accountsAt('2001:db8:1::/48')).toBe(2);
  });

  it('lose their own oldest places when they have many, and nobody else’s (A19)', () => {
    const { known } = setUp(1000);
    known.add(['bob'], '192.0.2.1');
    for (let at = 0; at < 5000; at += 1) {
      known.add([`eve+${at}`, 'eve'], `2001:db8:${Math.floor(at / 100).toString(16)}:${at}::1`);
    }

    expect(known.has('bob', '192.0.2.1')).toBe(true);
    expect(known.accountsAt('192.0.2.1')).toBe(1);
    expect(known.size).toBe(65);
    expect([known.has('eve', '2001:db8:31:4999::1'), known.has('eve', '2001:db8:0:1::1')]).toEqual([
      true,
      false,
    ]);
  });

  it('are counted no longer when their time is over, or others had to make room', () => {
    const { clock, known } = setUp(2);
    for (const user of ['ann', 'bob', 'carl']) known.add([user], '192.0.2.1');
    expect(known.accountsAt('192.0.2.1')).toBe(2);

    clock.ms += 1000;

    expect(known.accountsAt('192.0.2.1')).toBe(0);
    known.add(['ann'], '192.0.2.1');
    expect(known.accountsAt('192.0.2.1')).toBe(1);
  });
});
