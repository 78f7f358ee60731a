import { describe, expect, it } from 'vitest';
import { LoginFailure } from '../../auth/failure.ts';
import { plainClient } from '../../auth/mechanisms/plain.ts';
import { Secret } from '../../auth/secret.ts';
import { pop3 } from '../../protocols/pop3/pop3.ts';
import type { NodeTerms, Origin } from '../../protocols/protocol.ts';
import { type NodeReply, type NodeVisit, visit } from '../support/scripted-node.ts';

const ORIGIN: Origin = {
  client: { ip: '203.0.113.8', port: 6666 },
  listener: { ip: '198.51.100.1', port: 995 },
  sessionId: 'abcdefghijklmnopqrstuv',
  ttl: 4,
  forwarded: new Map([
    ['home', '/srv/mail/u\tx'],
    ['uid', '5000'],
  ]),
};
const SASL = plainClient('u', 'proxy1', new Secret(Buffer.from('key')));
const TERMS: NodeTerms = { startTls: false, sasl: SASL, announce: undefined };
const TRUSTING = '+OK [XCLIENT] node-a ready\r\n';
const kind: NodeReply = () => '+OK\r\n';

function reason({ error }: NodeVisit): string {
  return error instanceof LoginFailure ? error.reason : String(error);
}

describe('the proxy at a POP3 node', () => {
  it('announces by XCLIENT, waits for the answer, and proves itself with an initial response', async () => {
    const { heard, session } = await visit(pop3, TRUSTING, kind, { ...TERMS, announce: ORIGIN });

    expect(heard).toEqual([
      'XCLIENT ADDR=203.0.113.8 PORT=6666 SESSION=abcdefghijklmnopqrstuv TTL=4 ' +
        `FORWARD=${Buffer.from('home=/srv/mail/u\x01tx\tuid=5000').toString('base64')}`,
      `AUTH PLAIN ${Buffer.from('u\0proxy1\0key').toString('base64')}`,
    ]);
    expect(session?.welcome.capabilities).toEqual([]);
  });

  it('sends an initial response on a line of its own where it is too long for AUTH (RFC 5034 4)', async () => {
    const long = plainClient('u'.repeat(200), 'proxy1', new Secret(Buffer.from('key')));
    const { heard } = await visit(
      pop3,
      '+OK ready\r\n',
      (line) => (line === 'AUTH PLAIN' ? '+ \r\n' : '+OK\r\n'),
      { ...TERMS, sasl: long },
    );

    expect(heard[0]).toBe('AUTH PLAIN');
    expect(heard[1]).toMatch(/^[A-Za-z0-9+/=]{280,}$/);
  });

  it('starts TLS first where that is required', async () => {
    const { heard, session } = await visit(pop3, TRUSTING, kind, {
      ...TERMS,
      startTls: true,
      announce: ORIGIN,
    });

    expect(heard.map((line) => line.split(' ')[0])).toEqual(['STLS', '<TLS>', 'XCLIENT', 'AUTH']);
    expect(session?.transport.tls).toBeDefined();
  });

  it('H19 keeps what the node sends behind its +OK', async () => {
    const { session } = await visit(pop3, '+OK ready\r\n', () => '+OK Logged in.\r\n+OK 1 2\r\n', TERMS);

    expect(session?.residual.toString()).toBe('+OK 1 2\r\n');
  });
});

describe('a hostile or broken POP3 node', () => {
  it.each([
    ['H21 -ERR', '-ERR go away\r\n', 'nodeUnreachable'],
    ['an IMAP greeting', '* OK ready\r\n', 'nodeBrokeProtocol'],
    ['+OKAY', '+OKAY\r\n', 'nodeBrokeProtocol'],
  ])('with the greeting %s gets no proof', async (_what, greeting, expected) => {
    const outcome = await visit(pop3, greeting, kind, TERMS);

    expect(reason(outcome)).toBe(expected);
    expect(outcome.heard.join()).not.toContain('AUTH');
  });

  it('that does not trust this proxy (no [XCLIENT]) gets no proof, and the log says what to do', async () => {
    const outcome = await visit(pop3, '+OK ready\r\n', kind, { ...TERMS, announce: ORIGIN });

    expect(reason(outcome)).toBe('nodeRefusedProxy');
    expect(String(outcome.error)).toContain('login_trusted_networks');
    expect(outcome.heard.join()).not.toContain('AUTH ');
  });

  it('that refuses STLS where TLS is required gets nothing', async () => {
    const reply: NodeReply = (line) => (line === 'STLS' ? '-ERR no\r\n' : '+OK\r\n');
    const outcome = await visit(pop3, TRUSTING, reply, { ...TERMS, startTls: true, announce: ORIGIN });

    expect(outcome.session).toBeUndefined();
    expect(outcome.heard.join()).not.toMatch(/AUTH|XCLIENT/);
  });

  it.each([
    ['[IN-USE] (P15, F23)', '-ERR [IN-USE] locked\r\n', 'nodeInUse'],
    ['[LOGIN-DELAY] (P13)', '-ERR [LOGIN-DELAY] wait\r\n', 'nodeLimit'],
    ['[SYS/TEMP]', '-ERR [SYS/TEMP] later\r\n', 'nodeUnreachable'],
    ['[AUTH] (F21, F22)', '-ERR [AUTH] no\r\n', 'nodeRefusedProxy'],
    ['no code', '-ERR Authentication failed.\r\n', 'nodeRefusedProxy'],
    ['junk', 'what\r\n', 'nodeBrokeProtocol'],
    ['an end', 'hang up', 'nodeUnreachable'],
    ['challenges without end', '+ \r\n'.repeat(30), 'nodeBrokeProtocol'],
    ['H22 a challenge with +OK inside', '+ +OK\r\n', 'nodeBrokeProtocol'],
  ])('that answers the proof with %s lets nobody in', async (_what, words, expected) => {
    const outcome = await visit(pop3, '+OK ready\r\n', () => words, TERMS);

    expect(reason(outcome)).toBe(expected);
    expect(outcome.session).toBeUndefined();
  });

  it('is not sent forwarded data that it has no room for', async () => {
    const forwarded = new Map([['home', 'x'.repeat(601)]]);
    const outcome = await visit(pop3, TRUSTING, kind, { ...TERMS, announce: { ...ORIGIN, forwarded } });

    expect(reason(outcome)).toBe('directoryFault');
  });
});
