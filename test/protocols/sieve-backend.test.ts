import { describe, expect, it } from 'vitest';
import { LoginFailure } from '../../auth/failure.ts';
import { plainClient } from '../../auth/mechanisms/plain.ts';
import type { SaslClient } from '../../auth/sasl.ts';
import { Secret } from '../../auth/secret.ts';
import type { NodeTerms, Origin } from '../../protocols/protocol.ts';
import { sieve } from '../../protocols/sieve/sieve.ts';
import { type NodeReply, type NodeVisit, visit } from '../support/scripted-node.ts';

const ORIGIN: Origin = {
  client: { ip: '203.0.113.8', port: 6666 },
  listener: { ip: '198.51.100.1', port: 4190 },
  sessionId: 'abcdefghijklmnopqrstuv',
  ttl: 4,
  forwarded: new Map([
    ['home', '/srv/mail/u\tx'],
    ['uid', '5000'],
  ]),
};
const SASL = plainClient('u', 'proxy1', new Secret(Buffer.from('key')));
const TERMS: NodeTerms = { startTls: false, sasl: SASL, announce: undefined };
const STRANGER = '"IMPLEMENTATION" "Dovecot Pigeonhole"\r\n"SASL" "PLAIN"\r\n"STARTTLS"\r\nOK "ready"\r\n';
const TRUSTING = `"XCLIENT"\r\n${STRANGER}`;
const LISTED = '"SIEVE" "fileinto"\r\n"VERSION" "1.0"\r\nOK "Capability completed."\r\n';
const PROOF = `AUTHENTICATE "PLAIN" "${Buffer.from('u\0proxy1\0key').toString('base64')}"`;

/** A node that lets everybody in. */
const kind: NodeReply = (line) => (line === 'CAPABILITY' ? LISTED : 'OK "Done."\r\n');

/** A node that answers the proof with these words. */
function proofAnsweredBy(words: string): NodeReply {
  return (line, tls) => (line.startsWith('AUTHENTICATE') ? words : kind(line, tls));
}

function reason({ error }: NodeVisit): string {
  return error instanceof LoginFailure ? error.reason : String(error);
}

/** Proves itself in one message and wants to hear `v=right`. */
function mutual(): SaslClient & { readonly heard: string[] } {
  const heard: string[] = [];
  return {
    heard,
    mechanism: 'MUTUAL',
    initialResponse: () => Buffer.from('hello'),
    respond(challenge) {
      heard.push(challenge.toString());
      return Buffer.alloc(0);
    },
    get verified() {
      return heard.includes('v=right');
    },
  };
}

describe('the proxy at a ManageSieve node', () => {
  it('announces by XCLIENT, waits for the answer, and proves itself with an initial response', async () => {
    const { heard, session } = await visit(sieve, TRUSTING, kind, { ...TERMS, announce: ORIGIN });

    expect(heard).toEqual([
      'XCLIENT ADDR=203.0.113.8 PORT=6666 SESSION=abcdefghijklmnopqrstuv TTL=4 ' +
        `FORWARD=${Buffer.from('home=/srv/mail/u\x01tx\tuid=5000').toString('base64')}`,
      PROOF,
      'CAPABILITY',
    ]);
    expect(session?.welcome.capabilities).toEqual([]);
  });

  it('starts TLS first where that is required, and hears the capabilities again (RFC 5804 2.2)', async () => {
    const { heard, session } = await visit(sieve, STRANGER, kind, {
      ...TERMS,
      startTls: true,
      announce: ORIGIN,
      inTls: TRUSTING,
    });

    expect(heard.map((line) => line.split(' ')[0])).toEqual([
      'STARTTLS',
      '<TLS>',
      'XCLIENT',
      'AUTHENTICATE',
      'CAPABILITY',
    ]);
    expect(session?.transport.tls).toBeDefined();
  });

  it('leaves a node in TLS alone for a moment behind each thing that it said, as Dovecot 2.3 needs it', async () => {
    const startedMs = performance.now();
    await visit(sieve, STRANGER, kind, TERMS);
    const inClearMs = performance.now() - startedMs;
    await visit(sieve, STRANGER, kind, { ...TERMS, tls: true });

    // Before AUTHENTICATE and before CAPABILITY.
    expect(performance.now() - startedMs - inClearMs).toBeGreaterThan(95);
  });

  it('answers challenges in quoted strings and in literals', async () => {
    const reply: NodeReply = (line, tls) => {
      if (line.startsWith('AUTHENTICATE')) return '"b25l"\r\n';
      return line === '""' ? '{4}\r\ndHdv\r\nOK "in"\r\n' : kind(line, tls);
    };
    const sasl = { ...mutual(), verified: true };
    const { heard, session } = await visit(sieve, STRANGER, reply, { ...TERMS, sasl });

    expect(heard).toEqual(['AUTHENTICATE "MUTUAL" "aGVsbG8="', '""', '""', 'CAPABILITY']);
    expect(sasl.heard).toEqual(['one', 'two']);
    expect(session).toBeDefined();
  });

  it('sends a long initial response as a literal (RFC 5804 4)', async () => {
    const long = plainClient('u'.repeat(900), 'proxy1', new Secret(Buffer.from('key')));
    const { heard } = await visit(sieve, STRANGER, kind, { ...TERMS, sasl: long });

    expect(heard[0]).toBe('AUTHENTICATE "PLAIN" {1216+}');
    expect(heard[1]).toMatch(/^[A-Za-z0-9+/=]{1216}$/);
  });

  it('hears the last word of the mechanism in OK (SASL "…")', async () => {
    const sasl = mutual();
    const words = `OK (SASL "${Buffer.from('v=right').toString('base64')}") "in"\r\n`;
    const { session } = await visit(sieve, STRANGER, proofAnsweredBy(words), { ...TERMS, sasl });

    expect(sasl.heard).toEqual(['v=right']);
    expect(session).toBeDefined();
  });

  it('H19 keeps what the node sends behind its last OK', async () => {
    const reply: NodeReply = (line) => (line === 'CAPABILITY' ? `${LISTED}BYE "later"\r\n` : 'OK\r\n');
    const { session } = await visit(sieve, STRANGER, reply, TERMS);

    expect(session?.residual.toString()).toBe('BYE "later"\r\n');
  });

  it('needs no XCLIENT where there is nothing that the node must be told', async () => {
    const announce = { ...ORIGIN, forwarded: new Map() };
    const { heard } = await visit(sieve, STRANGER, kind, { ...TERMS, announce });

    expect(heard).toEqual([PROOF, 'CAPABILITY']);
  });
});

describe('a hostile or broken ManageSieve node', () => {
  it.each([
    ['BYE', 'BYE "go away"\r\n', 'nodeUnreachable'],
    ['BYE (REFERRAL …)', 'BYE (REFERRAL "sieve://evil.example.org") "there"\r\n', 'nodeUnreachable'],
    ['NO (TRYLATER)', 'NO (TRYLATER) "later"\r\n', 'nodeUnreachable'],
    ['an IMAP greeting', '* OK ready\r\n', 'nodeBrokeProtocol'],
    ['OKAY', 'OKAY\r\n', 'nodeBrokeProtocol'],
    ['octets without a line', 'x'.repeat(17_000), 'nodeBrokeProtocol'],
    ['a literal without measure', '{4294967295}\r\n', 'nodeBrokeProtocol'],
    ['capabilities without end', '"A"\r\n'.repeat(300), 'nodeBrokeProtocol'],
  ])('with the greeting %s gets no proof', async (_what, greeting, expected) => {
    const outcome = await visit(sieve, greeting, kind, TERMS);

    expect(reason(outcome)).toBe(expected);
    expect(outcome.heard.join()).not.toContain('AUTHENTICATE');
  });

  it('that does not trust this proxy (no XCLIENT) gets no proof, and the log says what to do', async () => {
    const outcome = await visit(sieve, STRANGER, kind, { ...TERMS, announce: ORIGIN });

    expect(reason(outcome)).toBe('nodeRefusedProxy');
    expect(String(outcome.error)).toContain('login_trusted_networks');
    expect(outcome.heard.join()).not.toContain('AUTHENTICATE');
  });

  it('that takes the trust back in TLS gets no proof', async () => {
    const terms = { ...TERMS, startTls: true, announce: ORIGIN, inTls: STRANGER };
    const outcome = await visit(sieve, TRUSTING, kind, terms);

    expect(reason(outcome)).toBe('nodeRefusedProxy');
  });

  it.each([
    ['offers no STARTTLS', 'OK "ready"\r\n', kind],
    [
      'refuses STARTTLS',
      TRUSTING,
      ((line) => (line === 'STARTTLS' ? 'NO "no"\r\n' : kind(line, false))) as NodeReply,
    ],
  ])('that %s where TLS is required gets nothing', async (_what, greeting, reply) => {
    const outcome = await visit(sieve, greeting, reply, { ...TERMS, startTls: true, announce: ORIGIN });

    expect(outcome.session).toBeUndefined();
    expect(outcome.heard.join()).not.toMatch(/AUTHENTICATE|XCLIENT/);
  });

  it('that answered STARTTLS and more in clear text is heard anew in TLS', async () => {
    const reply: NodeReply = (line) =>
      line === 'STARTTLS' ? `OK "go"\r\n${TRUSTING}OK "Updated"\r\nOK "in"\r\n` : undefined;
    const outcome = await visit(sieve, TRUSTING, reply, { ...TERMS, startTls: true, announce: ORIGIN });

    expect(outcome.session).toBeUndefined();
    expect(outcome.heard.join()).not.toMatch(/AUTHENTICATE|XCLIENT/);
  });

  it.each([
    ['NO', 'NO "Authentication failed."\r\n', 'nodeRefusedProxy'],
    ['NO (AUTH-TOO-WEAK)', 'NO (AUTH-TOO-WEAK) "no"\r\n', 'nodeRefusedProxy'],
    ['NO (REFERRAL …)', 'NO (REFERRAL sieve://u@evil.example.org) "there"\r\n', 'nodeRefusedProxy'],
    ['NO (TRYLATER)', 'NO (TRYLATER) "later"\r\n', 'nodeUnreachable'],
    ['NO and a literal', 'NO {5}\r\nOK in\r\n', 'nodeRefusedProxy'],
    ['BYE', 'BYE "bye"\r\n', 'nodeUnreachable'],
    ['junk', 'what\r\n', 'nodeBrokeProtocol'],
    ['OK and junk', 'OK "in\r\n', 'nodeBrokeProtocol'],
    ['H22 a challenge with OK inside', '"OK"\r\n', 'nodeBrokeProtocol'],
    ['challenges without end', '""\r\n'.repeat(30), 'nodeBrokeProtocol'],
  ])('that answers the proof with %s lets nobody in', async (_what, words, expected) => {
    const outcome = await visit(sieve, STRANGER, proofAnsweredBy(words), TERMS);

    expect(reason(outcome)).toBe(expected);
    expect(outcome.session).toBeUndefined();
  });

  it('that hangs up at the proof lets nobody in', async () => {
    const reply: NodeReply = (line, tls) => (line.startsWith('AUTHENTICATE') ? 'hang up' : kind(line, tls));

    expect(reason(await visit(sieve, STRANGER, reply, TERMS))).toBe('nodeUnreachable');
  });

  it.each([
    ['no proof of its own', 'OK "in"\r\n'],
    ['a wrong one', `OK (SASL "${Buffer.from('v=wrong').toString('base64')}") "in"\r\n`],
    ['one that is not base64', 'OK (SASL "*") "in"\r\n'],
    ['one that is no string', 'OK (SASL dj1yaWdodA==) "in"\r\n'],
  ])('H15 that says OK with %s gets no session', async (_what, words) => {
    const outcome = await visit(sieve, STRANGER, proofAnsweredBy(words), { ...TERMS, sasl: mutual() });

    expect(reason(outcome)).toBe('nodeBrokeProtocol');
    expect(outcome.session).toBeUndefined();
  });

  it('that offers UNAUTHENTICATE gets no session, since a client could leave its login there', async () => {
    const reply: NodeReply = (line) =>
      line === 'CAPABILITY' ? `"unauthenticate"\r\n${LISTED}` : 'OK "Done."\r\n';
    const outcome = await visit(sieve, STRANGER, reply, TERMS);

    expect(reason(outcome)).toBe('homeNotAllowed');
    expect(outcome.heard.at(-1)).toBe('LOGOUT');
  });

  it('is not sent forwarded data that it has no room for', async () => {
    const forwarded = new Map([['home', 'x'.repeat(601)]]);
    const outcome = await visit(sieve, TRUSTING, kind, { ...TERMS, announce: { ...ORIGIN, forwarded } });

    expect(reason(outcome)).toBe('directoryFault');
  });

  it('can say nothing that a log would take for more than text', async () => {
    const outcome = await visit(sieve, STRANGER, proofAnsweredBy('NO "\x1b[31mhi \xff"\r\n'), TERMS);

    expect(String(outcome.error)).toContain('NO "?[31mhi ?"');
  });
});
