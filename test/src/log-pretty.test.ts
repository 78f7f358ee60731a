import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Event } from '../../src/events.ts';
import { type LogOptions, makeLog } from '../../src/log.ts';
import { LogOutput } from '../../src/log-output.ts';
import { prettyLine } from '../../src/log-pretty.ts';

const TIME = new Date(2026, 0, 2, 9, 5, 7);

describe('the log on a terminal', () => {
  it('puts time, level and message first, then the fields that tell most', () => {
    const fields = { session: 'S', protocol: 'imap', client: '192.0.2.1', clientPort: 5, user: 'ann', ms: 3 };

    const line = prettyLine({ level: 'info', message: 'logged in' }, fields, { time: TIME, colour: false });

    expect(line).toBe('09:05:07 INFO  logged in user=ann protocol=imap client=192.0.2.1:5 ms=3 session=S\n');
  });

  it('writes an IPv6 client in brackets', () => {
    const fields = { client: '2001:db8::1', clientPort: 5 };

    const line = prettyLine({ level: 'info', message: 'm' }, fields, { time: TIME, colour: false });

    expect(line).toBe('09:05:07 INFO  m client=[2001:db8::1]:5\n');
  });

  it('quotes a value that has a space', () => {
    const line = prettyLine(
      { level: 'warn', message: 'm' },
      { detail: 'no route' },
      { time: TIME, colour: false },
    );

    expect(line).toBe('09:05:07 WARN  m detail="no route"\n');
  });

  it('writes the stack of a bug below its line', () => {
    const fields = { detail: 'boom', stack: 'Error: boom\n    at a.ts:1' };

    const line = prettyLine({ level: 'error', message: 'bug' }, fields, { time: TIME, colour: false });

    expect(line).toBe('09:05:07 ERROR bug detail=boom\n    Error: boom\n    at a.ts:1\n');
  });

  it('colours the level, if asked to', () => {
    const line = prettyLine({ level: 'error', message: 'm' }, {}, { time: TIME, colour: true });

    expect(line).toContain('\x1b[31mERROR\x1b[39m');
  });

  it('lets no colour of a peer through', () => {
    const text = pretty([{ event: 'bug', detail: '\x1b[31mred' }], { colour: false });

    expect(text).not.toContain('\x1b');
    expect(text).toContain('<U+001B>[31mred');
  });

  it('leaves out what is below the level', () => {
    const event: Event = { event: 'listening', protocol: 'imap', address: '::', port: 143, tls: 'starttls' };

    expect(pretty([event], { level: 'warn' })).toBe('');
    expect(pretty([event], { level: 'info' })).toContain('listening protocol=imap');
  });
});

function pretty(events: readonly Event[], options: Partial<LogOptions>): string {
  const stream = new PassThrough();
  const log = makeLog({ level: 'debug', format: 'pretty', colour: false, ...options }, new LogOutput(stream));
  for (const event of events) log(event);
  return String(stream.read() ?? '');
}
