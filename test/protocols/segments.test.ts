import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { imap } from '../../protocols/imap/imap.ts';
import { pop3 } from '../../protocols/pop3/pop3.ts';
import type { MailProtocol } from '../../protocols/protocol.ts';
import { sieve } from '../../protocols/sieve/sieve.ts';
import { converse } from '../support/conversation.ts';

const IMAP_PIECES = [
  'a NOOP\r\n',
  'a CAPABILITY\r\n',
  'a LOGIN u bad\r\n',
  'a LOGIN "u" "b\\"d"\r\n',
  'a LOGIN {1+}\r\nu {3+}\r\nbad\r\n',
  'a LOGIN u {3}\r\nbad\r\n',
  'a LOGIN u {5000+}\r\n',
  'a FOO {5+}\r\nabcde\r\n',
  'a AUTHENTICATE PLAIN AHUAYmFk\r\n',
  'a AUTHENTICATE PLAIN\r\n*\r\n',
  'a AUTHENTICATE PLAIN\r\n!\r\n',
  'a ID ("name" {1+}\r\nx "v" NIL)\r\n',
  'a ID (\r\n',
  'a LOGIN u p\r\nb SELECT INBOX\r\n',
  'a LOGOUT\r\n',
  '\r\n',
  'GET / HTTP/1.0\r\n',
  '{3+}\r\nabc\r\n',
  'a \x00\xff\r\n',
  'a NOOP\n',
  'a',
];

const POP3_PIECES = [
  'NOOP\r\n',
  'CAPA\r\n',
  'AUTH\r\n',
  'USER u\r\n',
  'PASS bad\r\n',
  'PASS p\r\nSTAT\r\n',
  'AUTH PLAIN AHUAYmFk\r\n',
  'AUTH PLAIN\r\n*\r\n',
  'AUTH LOGIN dQ==\r\n!\r\n',
  'QUIT\r\n',
  'XX\r\n',
  '\r\n',
  'EHLO x\r\n',
  'USER \xff\x00\r\n',
  'NOOP\n',
  'U',
];

const SIEVE_PIECES = [
  'NOOP\r\n',
  'NOOP "a\\"b"\r\n',
  'NOOP {4+}\r\na\r\nb\r\n',
  'CAPABILITY\r\n',
  'AUTHENTICATE "PLAIN" "AHUAYmFk"\r\n',
  'AUTHENTICATE "PLAIN" {8+}\r\nAHUAYmFk\r\n',
  'AUTHENTICATE "PLAIN"\r\n"*"\r\n',
  'AUTHENTICATE "LOGIN" "dQ=="\r\n{1+}\r\n!\r\n',
  'AUTHENTICATE "PLAIN" "AHUAcA=="\r\nLISTSCRIPTS\r\n',
  'PUTSCRIPT "x" {9+}\r\nLOGOUT\r\n\r\r\n',
  'NOOP {17000+}\r\n',
  'LOGOUT\r\n',
  '\r\n',
  'EHLO x\r\n',
  'NOOP "\xff\x00"\r\n',
  'NOOP\n',
  '"',
];

describe.each([
  ['IMAP', imap, IMAP_PIECES],
  ['POP3', pop3, POP3_PIECES],
  ['ManageSieve', sieve, SIEVE_PIECES],
] as [string, MailProtocol, string[]][])('%s input cut into segments', (_name, protocol, pieces) => {
  it('means the same in one segment, octet by octet, and cut anywhere', async () => {
    const script = fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join(''));
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(script, sizes, async (input, cuts) => {
        const one = summary(await converse(protocol, input));

        expect(summary(await converse(protocol, input, { segments: 'octets' }))).toEqual(one);
        expect(summary(await converse(protocol, input, { segments: cuts }))).toEqual(one);
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});

function summary({ transport: _transport, ...outcome }: Awaited<ReturnType<typeof converse>>) {
  return outcome;
}
