import { describe, expect, it, vi } from 'vitest';
import { imap } from '../../protocols/imap/imap.ts';
import { pop3 } from '../../protocols/pop3/pop3.ts';
import type { MailProtocol } from '../../protocols/protocol.ts';
import { sieve } from '../../protocols/sieve/sieve.ts';
import { WireBuffer } from '../../protocols/wire-buffer.ts';
import { converse } from '../support/conversation.ts';

const PROTOCOLS: readonly [string, MailProtocol][] = [
  ['imap', imap],
  ['pop3', pop3],
  ['sieve', sieve],
];
/** What each protocol parses, around octets of an attacker's choice. */
const PLACES: Readonly<Record<string, readonly ((octets: string) => string)[]>> = {
  imap: [
    (octets) => `${octets}\r\n`,
    (octets) => `a ${octets}\r\n`,
    (octets) => `a LOGIN ${octets}\r\n`,
    (octets) => `a LOGIN "${octets}" "${octets}"\r\n`,
    (octets) => `a ID (${octets}\r\n`,
    (octets) => `a ID ("${octets}" ${octets}\r\n`,
    (octets) => `a AUTHENTICATE PLAIN ${octets}\r\n`,
    (octets) => `a AUTHENTICATE ${octets}\r\n`,
    (octets) => `a ENABLE ${octets}\r\n`,
    (octets) => `a LOGIN {${octets}}\r\n`,
  ],
  pop3: [
    (octets) => `${octets}\r\n`,
    (octets) => `USER ${octets}\r\nPASS ${octets}\r\n`,
    (octets) => `AUTH PLAIN ${octets}\r\n`,
    (octets) => `AUTH ${octets}\r\n`,
    (octets) => `APOP ${octets}\r\n`,
  ],
  sieve: [
    (octets) => `${octets}\r\n`,
    (octets) => `AUTHENTICATE "${octets}"\r\n`,
    (octets) => `AUTHENTICATE "PLAIN" "${octets}"\r\n`,
    (octets) => `NOOP "${octets}"\r\n`,
  ],
};
const HOSTILE = ['a', '(', '\\', '"', '=', ' ', '{', '1', '%', '+', '\r', 'A ', '\\"', '(" "', '{1+}'];

describe.each(PROTOCOLS)('A16 A22 %s input', (name, protocol) => {
  // Work that grows with the square of 11 KiB, or of 64 KiB, does not end within the time of this test.
  it.each(HOSTILE)(
    'of nothing but %j is answered at once, and bounded',
    async (octets) => {
      for (const place of PLACES[name] ?? []) {
        for (const size of [11 * 1024, 64 * 1024]) {
          const script = place(octets.repeat(size / octets.length));
          const { output, departed, logins } = await converse(protocol, script);

          // NOOP of ManageSieve repeats its argument (RFC 5804 section 2.13); nothing else repeats anything.
          expect(output.length).toBeLessThan(1024 + (name === 'sieve' ? script.length : 0));
          expect(departed).toMatch(/^(?:disconnected|tooLong|tooManyBadCommands|tooManyFailures)$/);
          expect(logins.length).toBeLessThan(3);
        }
      }
    },
    4000,
  );

  it('of 10 MiB without a line end is refused after its first octets', async () => {
    const { departed, output } = await converse(protocol, 'x'.repeat(10 * 1024 * 1024));

    expect(departed).toBe('tooLong');
    expect(output.length).toBeLessThan(100);
  });

  it('of commands without end ends at a limit', async () => {
    const command = { imap: 'a NOOP\r\n', pop3: 'NOOP\r\n', sieve: 'NOOP\r\n' }[name] ?? '';
    const { departed, output } = await converse(protocol, command.repeat(20_000));

    expect(departed).toBe('tooManyBadCommands');
    expect(output.length).toBeLessThan(64 * 1024);
  });
});

describe('A22 IMAP literals', () => {
  it.each([
    ['of a thousand million octets', 'a LOGIN {1000000000+}\r\nxxx'],
    ['one behind the other', `a LOGIN ${'{4096+}\r\n'.concat('x'.repeat(4096), ' ').repeat(20)}`],
    ['of nothing, thousands of them', `a LOGIN ${'{0+}\r\n'.repeat(30_000)}`],
    ['in an ID of 30 pairs and more', `a ID (${`"k" {1024+}\r\n${'x'.repeat(1024)} `.repeat(60)})\r\n`],
  ])('%s end the connection or are refused, in bounded memory', async (_what, script) => {
    const { output, departed, logins } = await converse(imap, script);

    expect(logins).toEqual([]);
    expect(departed).toMatch(/^(?:tooLong|disconnected)$/);
    expect(output).toMatch(/^(?:a BAD |\* BYE \[TOOBIG\])/);
  });
});

describe('A17 a line in segments of one octet', () => {
  it('is copied no more often than its length allows', () => {
    const copy = vi.spyOn(Buffer.prototype, 'copy');
    const buffer = new WireBuffer();
    for (let count = 0; count < 64 * 1024; count += 1) {
      buffer.push(Buffer.of(0x61));
      buffer.takeLine();
    }

    const copied = copy.mock.results.reduce((sum, { value }) => sum + Number(value), 0);

    expect(copied).toBeLessThan(4 * 64 * 1024);
  });
});
