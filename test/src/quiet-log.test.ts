import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ConnectionRefused, Event, LoginEvent } from '../../src/events.ts';
import { QuietLog } from '../../src/quiet-log.ts';

const THROTTLED: LoginEvent = {
  event: 'login',
  session: 'S',
  protocol: 'imap',
  client: '192.0.2.1',
  clientPort: 1,
  result: 'throttled',
  user: '#00000000',
  mechanism: 'PLAIN',
  tls: 'TLSv1.3',
  ms: 1,
};
const REFUSED: ConnectionRefused = {
  event: 'connectionRefused',
  protocol: 'pop3',
  client: '192.0.2.2',
  why: 'tooManyConnections',
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function setUp() {
  const lines: Event[] = [];
  return { lines, quiet: new QuietLog((event) => lines.push(event)) };
}

describe('the quiet log', () => {
  it('writes the first of many like events, and how many followed, every ten seconds', () => {
    const { lines, quiet } = setUp();

    for (let count = 0; count < 500; count += 1) quiet.observe(THROTTLED);
    for (let count = 0; count < 3; count += 1) quiet.observe(REFUSED);
    expect(lines).toEqual([THROTTLED, REFUSED]);
    vi.advanceTimersByTime(10_000);

    const repeated = { event: 'repeated', protocol: 'imap', client: '192.0.2.1' };
    expect(lines.slice(2)).toEqual([
      { ...repeated, what: 'login', why: 'throttled', count: 499 },
      {
        event: 'repeated',
        protocol: 'pop3',
        client: '192.0.2.2',
        what: 'connectionRefused',
        why: 'tooManyConnections',
        count: 2,
      },
    ]);
  });

  it('goes on counting while it goes on, and begins anew after ten quiet seconds', () => {
    const { lines, quiet } = setUp();
    quiet.observe(THROTTLED);
    quiet.observe(THROTTLED);
    vi.advanceTimersByTime(10_000);
    quiet.observe(THROTTLED);
    vi.advanceTimersByTime(10_000);
    vi.advanceTimersByTime(10_000);
    quiet.observe(THROTTLED);

    expect(lines.map((line) => (line.event === 'repeated' ? line.count : line.event))).toEqual([
      'login',
      1,
      1,
      'login',
    ]);
  });

  it('holds no timer while nothing is counted', () => {
    const { quiet } = setUp();

    quiet.observe(THROTTLED);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(10_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('counts the connections that were ended in favour of others', () => {
    const { lines, quiet } = setUp();
    const end = { session: 'S', protocol: 'imap', client: '192.0.2.1', clientPort: 1, ms: 1 };

    for (const how of [
      'evicted',
      'evicted',
      'logout',
      'logout',
      'strayProxyHeader',
      'strayProxyHeader',
    ] as const) {
      quiet.observe({ event: 'connectionEnd', ...end, how });
    }
    vi.advanceTimersByTime(10_000);

    expect(lines).toMatchObject([
      { how: 'evicted' },
      { how: 'logout' },
      { how: 'logout' },
      { how: 'strayProxyHeader' },
      { event: 'repeated', what: 'connectionEnd', why: 'evicted', count: 1 },
      { event: 'repeated', what: 'connectionEnd', why: 'strayProxyHeader', count: 1 },
    ]);
  });

  it('F33 writes a few lines of connections that came to nothing, and counts the others', () => {
    const { lines, quiet } = setUp();
    const end = { session: 'S', protocol: 'imap', client: '192.0.2.1', clientPort: 1, ms: 1 };

    for (let count = 0; count < 9; count += 1) {
      quiet.observe({ event: 'connectionEnd', ...end, how: 'tlsFailed' });
    }
    vi.advanceTimersByTime(10_000);

    expect(lines.map((line) => line.event)).toEqual([...Array(5).fill('connectionEnd'), 'repeated']);
    expect(lines.at(-1)).toMatchObject({ what: 'connectionEnd', why: 'tlsFailed', count: 4 });
  });

  it.each([
    'badName',
    'channelBinding',
    'abandoned',
    'tokenExpired',
    'tokenUnfit',
    'badCertificate',
  ] as const)(
    'writes five logins that the throttle does not stop, and counts the others: %s (A19)',
    (result) => {
      const { lines, quiet } = setUp();

      for (let count = 0; count < 9; count += 1) quiet.observe({ ...THROTTLED, result });
      vi.advanceTimersByTime(10_000);

      expect(lines).toHaveLength(6);
      expect(lines.at(-1)).toMatchObject({ event: 'repeated', what: 'login', why: result, count: 4 });
    },
  );

  it('keeps no more than a thousand clients apart', () => {
    const { lines, quiet } = setUp();

    for (let count = 0; count < 1100; count += 1) quiet.observe({ ...THROTTLED, client: `c${count}` });
    vi.advanceTimersByTime(10_000);

    expect(lines).toHaveLength(1002);
    expect(lines.at(-1)).toMatchObject({ event: 'repeated', client: 'others', count: 99 });
  });

  it('writes each other event at once, and the rest when it ends', () => {
    const { lines, quiet } = setUp();
    const wrong = { ...THROTTLED, result: 'wrongPassword' } as const;

    for (const event of [wrong, wrong, THROTTLED, THROTTLED]) quiet.observe(event);
    quiet[Symbol.dispose]();

    expect(lines).toMatchObject([wrong, wrong, THROTTLED, { event: 'repeated', count: 1 }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('writes twenty users that are throttled, and counts the others', () => {
    const { lines, quiet } = setUp();
    const start = (count: number) =>
      ({ event: 'throttleStart', kind: 'user', user: `user${count}` }) as const;

    for (let count = 0; count < 500; count += 1) quiet.observe(start(count));
    quiet.observe({ event: 'throttleStart', kind: 'address', client: '192.0.2.1' });
    expect(lines).toHaveLength(21);
    expect(lines[19]).toEqual(start(19));
    vi.advanceTimersByTime(10_000);

    expect(lines.slice(21)).toEqual([
      { event: 'repeated', what: 'throttleStart', protocol: '-', client: '-', why: 'user', count: 480 },
    ]);
    vi.advanceTimersByTime(10_000);
    quiet.observe(start(500));
    expect(lines.at(-1)).toEqual(start(500));
  });
});
