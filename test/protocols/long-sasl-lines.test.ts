import { describe, expect, it } from 'vitest';
import type { SaslServer } from '../../auth/sasl.ts';
import { imap } from '../../protocols/imap/imap.ts';
import { pop3 } from '../../protocols/pop3/pop3.ts';
import { longestSaslLine } from '../../src/mechanisms.ts';
import { type ConversationOptions, converse, PAUSE } from '../support/conversation.ts';

/** A mechanism that proves whoever sends so many octets. */
function counting(): SaslServer {
  return {
    step: (response) =>
      response === undefined
        ? { kind: 'challenge', challenge: Buffer.alloc(0) }
        : {
            kind: 'proof',
            proof: { kind: 'proved', authcid: Buffer.from(`${response.length}`), authzid: Buffer.alloc(0) },
          },
  };
}

const PROTOCOLS = [
  ['IMAP', imap, 'a AUTHENTICATE XOAUTH2'],
  ['POP3', pop3, 'AUTH XOAUTH2'],
] as const;

function options(maxSaslOctets: number): ConversationOptions {
  const mechanisms = new Map([['XOAUTH2', counting]]);
  return { tls: true, judge: () => 'ok', terms: { mechanisms: () => mechanisms, maxSaslOctets } };
}

const LONG = longestSaslLine(['PLAIN', 'XOAUTH2']);
const SHORT = longestSaslLine(['PLAIN', 'SCRAM-SHA-256']);
/** 65 KiB on the line. */
const TOKEN = 'A'.repeat(65 * 1024);
const TOKEN_OCTETS = String((TOKEN.length / 4) * 3);

describe.each(PROTOCOLS)('I24 a token of 65 KiB in %s', (_, protocol, command) => {
  it.each([
    ['in one segment', 'one'],
    ['in segments of a TLS record', [16_384]],
    ['in small segments', [100]],
  ] as const)('is taken as initial response, %s', async (_how, segments) => {
    const { logins, residual } = await converse(protocol, `${command} ${TOKEN}\r\nNOOP\r\n`, {
      ...options(LONG),
      segments,
    });

    expect(logins.map(({ authcid }) => authcid)).toEqual([TOKEN_OCTETS]);
    expect(residual).toBe('NOOP\r\n');
  });

  it('is taken behind a challenge, by a transport that was told to stop at 64 KiB', async () => {
    const { logins, transport } = await converse(
      protocol,
      [`${command}\r\n`, PAUSE, TOKEN, PAUSE, '\r\n', PAUSE],
      options(LONG),
    );

    expect(logins.map(({ authcid }) => authcid)).toEqual([TOKEN_OCTETS]);
    expect(transport.closedBy).toBeUndefined();
  });

  it('ends the connection where no mechanism needs as much', async () => {
    const { logins, departed } = await converse(protocol, `${command} ${TOKEN}\r\n`, options(SHORT));

    expect([logins, departed]).toEqual([[], 'tooLong']);
  });

  it('ends the connection above the limit, without waiting for the end of the line', async () => {
    const { departed } = await converse(protocol, `${command} ${'A'.repeat(LONG)}`, options(LONG));

    expect(departed).toBe('tooLong');
  });

  it('does not let other commands be longer', async () => {
    const { departed } = await converse(protocol, `a ${TOKEN}\r\n`, options(LONG));

    expect(departed).toBe('tooLong');
  });
});
