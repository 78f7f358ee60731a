import { describe, expect, it } from 'vitest';
import { LoginFailure } from '../../auth/failure.ts';
import { plainClient } from '../../auth/mechanisms/plain.ts';
import { type SaslClient, SaslError } from '../../auth/sasl.ts';
import { Secret } from '../../auth/secret.ts';
import { imap } from '../../protocols/imap/imap.ts';
import type { NodeTerms, Origin } from '../../protocols/protocol.ts';
import { type NodeReply, type NodeVisit, visit } from '../support/scripted-node.ts';

const ORIGIN: Origin = {
  client: { ip: '203.0.113.7', port: 5555 },
  listener: { ip: '198.51.100.1', port: 993 },
  sessionId: 'abcdefghijklmnopqrstuv',
  ttl: 4,
  forwarded: new Map([
    ['home', '/srv/mail/"u"'],
    ['uid', '5000'],
  ]),
};
const SASL = plainClient('u', 'proxy1', new Secret(Buffer.from('key')));
const TERMS: NodeTerms = { startTls: false, sasl: SASL, announce: undefined };
const DOVECOT =
  '* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE STARTTLS AUTH=PLAIN] ready\r\n';
const OK = 'L OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n';

const kind: NodeReply = (line) => {
  if (line.startsWith('I ID')) {
    return '* ID ("name" "Dovecot")\r\nI OK ID completed.\r\n';
  }
  if (line === 'S STARTTLS') {
    return 'S OK Begin TLS negotiation now.\r\n';
  }
  if (line === 'C CAPABILITY') {
    return '* CAPABILITY IMAP4rev1 SASL-IR ID AUTH=PLAIN\r\nC OK done\r\n';
  }
  return line.startsWith('L AUTHENTICATE') ? OK : undefined;
};

function reason({ error }: NodeVisit): string {
  return error instanceof LoginFailure ? error.reason : String(error);
}

describe('the proxy at an IMAP node', () => {
  it('proves itself with an initial response and learns the capabilities from the OK', async () => {
    const { session, heard } = await visit(imap, DOVECOT, kind, TERMS);

    expect(heard).toEqual([`L AUTHENTICATE PLAIN ${Buffer.from('u\0proxy1\0key').toString('base64')}`]);
    expect(session?.welcome.capabilities).toEqual(['IMAP4rev1', 'IDLE']);
  });

  it('announces the client and the account by ID, and waits for the answer before it proves itself', async () => {
    const { heard } = await visit(imap, DOVECOT, kind, { ...TERMS, announce: ORIGIN });

    expect(heard[0]).toBe(
      'I ID ("x-session-id" "abcdefghijklmnopqrstuv" "x-originating-ip" "203.0.113.7" "x-originating-port" "5555" ' +
        '"x-connected-ip" "198.51.100.1" "x-connected-port" "993" "x-proxy-ttl" "4" ' +
        '"x-forward-home" "/srv/mail/\\"u\\"" "x-forward-uid" "5000")',
    );
    expect(heard[1]).toMatch(/^L AUTHENTICATE/);
  });

  it('sends no initial response to a node without SASL-IR (Courier)', async () => {
    const { heard, session } = await visit(
      imap,
      '* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] Courier-IMAP ready.\r\n',
      (line) => {
        if (line === 'L AUTHENTICATE PLAIN') {
          return '+\r\n';
        }
        return line === 'C CAPABILITY'
          ? '* CAPABILITY IMAP4rev1 SORT\r\nC OK done\r\n'
          : 'L OK LOGIN Ok.\r\n';
      },
      TERMS,
    );

    expect(heard).toEqual([
      'L AUTHENTICATE PLAIN',
      Buffer.from('u\0proxy1\0key').toString('base64'),
      'C CAPABILITY',
    ]);
    expect(session?.welcome.capabilities).toEqual(['IMAP4rev1', 'SORT']);
  });

  it('takes capabilities from an untagged answer', async () => {
    const { session } = await visit(
      imap,
      DOVECOT,
      () => '* CAPABILITY IMAP4rev1 SORT\r\nL OK Logged in\r\n',
      TERMS,
    );

    expect(session?.welcome.capabilities).toEqual(['IMAP4rev1', 'SORT']);
  });

  it('tells the client nothing that belongs before the login, nor UNAUTHENTICATE (A40)', async () => {
    const node: NodeReply = () =>
      'L OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED AUTH=PLAIN SASL-IR UNAUTHENTICATE IDLE] hi\r\n';
    const allowed = await visit(imap, DOVECOT, node, { ...TERMS, allowUnauthenticate: true });

    expect(allowed.session?.welcome.capabilities).toEqual(['IMAP4rev1', 'IDLE']);
  });

  it('does not stay where clients could leave their login by UNAUTHENTICATE (A40, RFC 8437)', async () => {
    const refused = await visit(imap, DOVECOT, () => OK.replace('IDLE', 'UNAUTHENTICATE'), TERMS);

    expect(reason(refused)).toBe('homeNotAllowed');
    expect(refused.session).toBeUndefined();
  });

  it('H19 keeps what the node sends behind its OK', async () => {
    const { session } = await visit(imap, DOVECOT, () => `${OK}* 3 EXISTS\r\n`, TERMS);

    expect(session?.residual.toString()).toBe('* 3 EXISTS\r\n');
  });

  it('starts TLS first where that is required, and asks for capabilities again', async () => {
    const { heard, session } = await visit(imap, DOVECOT, kind, {
      ...TERMS,
      startTls: true,
      announce: ORIGIN,
    });

    expect(heard.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      'S STARTTLS',
      '<TLS>',
      'C CAPABILITY',
      'I ID',
      'L AUTHENTICATE',
    ]);
    expect(session?.transport.tls).toBeDefined();
  });
});

describe('a hostile or broken IMAP node', () => {
  it.each([
    ['H4 PREAUTH', '* PREAUTH hello\r\n', 'nodeBrokeProtocol'],
    ['H5 BYE', '* BYE too busy\r\n', 'nodeUnreachable'],
    ['H5 NO', '* NO hello\r\n', 'nodeBrokeProtocol'],
    ['H5 a tagged greeting', 'L OK hello\r\n', 'nodeBrokeProtocol'],
    ['H5 garbage', 'garbage\r\n* OK ready\r\n', 'nodeBrokeProtocol'],
    ['H5 POP3', '+OK ready\r\n', 'nodeBrokeProtocol'],
    ['H11 a line without end', `* OK ${'x'.repeat(20_000)}`, 'nodeBrokeProtocol'],
  ])('%s is refused before any proof is sent', async (_what, greeting, expected) => {
    const outcome = await visit(imap, greeting, kind, TERMS);

    expect(reason(outcome)).toBe(expected);
    expect(outcome.heard.join()).not.toContain('AUTHENTICATE');
  });

  it.each([
    ['H1 does not offer it', '* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n', 'S OK go\r\n'],
    ['H2 answers NO', DOVECOT, 'S NO not now\r\n'],
    ['H2 answers BAD', DOVECOT, 'S BAD what\r\n'],
    ['H2 answers +', DOVECOT, '+ go on\r\n'],
    ['H6 answers with another tag', DOVECOT, 'L OK go\r\n'],
  ])('gets no proof when TLS is required and it %s', async (_what, greeting, answer) => {
    const reply: NodeReply = (line, tls) => (line === 'S STARTTLS' ? answer : kind(line, tls));
    const outcome = await visit(imap, greeting, reply, { ...TERMS, startTls: true, announce: ORIGIN });

    expect(reason(outcome)).toBe('nodeBrokeProtocol');
    expect(outcome.heard.join()).not.toMatch(/AUTHENTICATE|I ID/);
  });

  it('A2 H6 cannot inject answers behind its consent to STARTTLS', async () => {
    const reply: NodeReply = (line, tls) =>
      line === 'S STARTTLS'
        ? `S OK go\r\n* CAPABILITY IMAP4rev1 INJECTED\r\nC OK x\r\n${OK}`
        : kind(line, tls);
    const { session, heard } = await visit(imap, DOVECOT, reply, { ...TERMS, startTls: true });

    expect(heard.at(-1)).toMatch(/^L AUTHENTICATE/);
    expect(session?.welcome.capabilities).toEqual(['IMAP4rev1', 'IDLE']);
  });

  it.each([
    ['A5 OKAY', 'L OKAY\r\n', 'nodeBrokeProtocol'],
    ['A5 another tag', 'LX OK\r\n', 'nodeBrokeProtocol'],
    ['A5 an untagged OK, then nothing', '* OK L OK\r\n', 'nodeUnreachable'],
    ['A5 NO with OK inside', 'L NO [X] L OK\r\n', 'nodeRefusedProxy'],
    ['F21 F22 AUTHENTICATIONFAILED', 'L NO [AUTHENTICATIONFAILED] no\r\n', 'nodeRefusedProxy'],
    ['F21 no code', 'L NO Login failed.\r\n', 'nodeRefusedProxy'],
    ['BAD', 'L BAD what\r\n', 'nodeRefusedProxy'],
    ['F23 LIMIT', 'L NO [LIMIT] too many\r\n', 'nodeLimit'],
    ['INUSE', 'L NO [INUSE] locked\r\n', 'nodeInUse'],
    ['H24 UNAVAILABLE', 'L NO [UNAVAILABLE] later\r\n', 'nodeUnreachable'],
    ['H9 REFERRAL', 'L NO [REFERRAL imap://;AUTH=*@evil:243/] go\r\n', 'nodeRefusedProxy'],
    ['BYE instead of an answer (Courier)', '* BYE Temporary problem\r\n', 'nodeUnreachable'],
    ['an end instead of an answer', 'hang up', 'nodeUnreachable'],
    ['H13 a challenge that is not base64', '+ !!!\r\n', 'nodeBrokeProtocol'],
    ['H13 challenges without end', '+ \r\n'.repeat(30), 'nodeBrokeProtocol'],
    ['talk without end', '* OK x\r\n'.repeat(300), 'nodeBrokeProtocol'],
  ])('%s is no success', async (_what, words, expected) => {
    const outcome = await visit(imap, DOVECOT, () => words, TERMS);

    expect(reason(outcome)).toBe(expected);
    expect(outcome.session).toBeUndefined();
  });

  it('H3 is refused when what it can is no IMAP, and its list is bounded', async () => {
    const none = await visit(imap, DOVECOT, () => 'L OK [CAPABILITY STARTTLS AUTH=PLAIN] in\r\n', TERMS);
    const long = await visit(
      imap,
      DOVECOT,
      () => `L OK [CAPABILITY IMAP4rev1 ${'X'.repeat(9000)}] in\r\n`,
      TERMS,
    );

    expect(reason(none)).toBe('nodeBrokeProtocol');
    expect(long.session?.welcome.capabilities).toEqual(['IMAP4rev1']);
  });

  it('H15 is refused when it says OK before it proved itself', async () => {
    const unproved: SaslClient = { ...SASL, mechanism: 'SCRAM-SHA-256', verified: false };

    expect(reason(await visit(imap, DOVECOT, () => OK, { ...TERMS, sasl: unproved }))).toBe(
      'nodeBrokeProtocol',
    );
  });

  it('H14 is refused when it breaks the mechanism', async () => {
    const strict: SaslClient = {
      ...SASL,
      respond: () => {
        throw new SaslError('bad nonce');
      },
    };

    const outcome = await visit(imap, DOVECOT, () => '+ cj14\r\n', { ...TERMS, sasl: strict });

    expect(reason(outcome)).toBe('nodeBrokeProtocol');
    expect(String(outcome.error)).toContain('bad nonce');
  });

  it('H25 gets no login that it was not told of: an ID that is refused or missing fails closed', async () => {
    const refusing: NodeReply = (line, tls) =>
      line.startsWith('I ID') ? 'I BAD Invalid ID\r\n' : kind(line, tls);
    const without = '* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready\r\n';
    const refused = await visit(imap, DOVECOT, refusing, { ...TERMS, announce: ORIGIN });
    const missing = await visit(imap, without, kind, { ...TERMS, announce: ORIGIN });

    expect([reason(refused), reason(missing)]).toEqual(['nodeBrokeProtocol', 'nodeBrokeProtocol']);
    expect([...refused.heard, ...missing.heard].join()).not.toContain('AUTHENTICATE');
  });

  it('H18 F18 that says nothing fails when the time is up', async () => {
    const outcome = await visit(imap, '', kind, { ...TERMS, clockMs: 0 });

    expect(reason(outcome)).toBe('nodeUnreachable');
  });

  it('H10 H12 cannot put its text anywhere but cleaned into the log', async () => {
    const outcome = await visit(imap, DOVECOT, () => 'L NO [ALERT] \x1b[31mhi \xff\r\n', TERMS);

    expect(String(outcome.error)).toContain('L NO [ALERT] ?[31mhi ?');
  });

  it('A11 is never sent a line end inside a value', async () => {
    const forwarded = new Map([['home', 'a\r\nL LOGIN x y']]);
    const outcome = await visit(imap, DOVECOT, kind, { ...TERMS, announce: { ...ORIGIN, forwarded } });

    expect(reason(outcome)).toBe('directoryFault');
    expect(outcome.heard.filter((line) => line !== 'Q LOGOUT')).toEqual([]);
  });
});
