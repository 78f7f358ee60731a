import { describe, expect, it } from 'vitest';
import { oauthBearerServer, xoauth2Server } from '../../auth/oauth/mechanisms.ts';
import { badToken, type TokenVerdict } from '../../auth/oauth/token.ts';
import { imap } from '../../protocols/imap/imap.ts';
import { pop3 } from '../../protocols/pop3/pop3.ts';
import { type ConversationOptions, converse } from '../support/conversation.ts';

const b64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');

function options(verdict: TokenVerdict): ConversationOptions {
  const tokens = { guide: {}, judge: async () => ({ verdict, guide: { scope: 'mail' } }) };
  const terms = { tokens, hosts: [], judgeMs: 1000, admit: async () => undefined };
  const mechanisms = new Map([
    ['OAUTHBEARER', () => oauthBearerServer(terms)],
    ['XOAUTH2', () => xoauth2Server(terms)],
  ]);
  // The authenticator would pass on what the mechanism found.
  const judge = () => (verdict.kind === 'valid' ? 'ok' : verdict.reason);
  return { tls: true, judge, terms: { mechanisms: () => mechanisms } };
}

const VALID = options({ kind: 'valid', user: 'ann' });
const REFUSED = options(badToken('it expired'));
const DOWN = options({ ...badToken('no answer'), reason: 'providerDown' });

const MESSAGES = {
  OAUTHBEARER: b64('n,a=ann,\x01host=mail.example.org\x01port=993\x01auth=Bearer token\x01\x01'),
  XOAUTH2: b64('user=ann\x01auth=Bearer token\x01\x01'),
};
const ERRORS = {
  OAUTHBEARER: b64('{"status":"invalid_token","scope":"mail"}'),
  XOAUTH2: b64('{"status":"400","schemes":"Bearer","scope":"mail"}'),
};
const MECHANISMS = ['OAUTHBEARER', 'XOAUTH2'] as const;

describe.each(MECHANISMS)('%s in IMAP', (name) => {
  it.each([
    ['as initial response', `a AUTHENTICATE ${name} ${MESSAGES[name]}\r\n`, ''],
    ['behind a challenge', `a AUTHENTICATE ${name}\r\n${MESSAGES[name]}\r\n`, '+ \r\n'],
  ])('takes a token %s', async (_how, script, challenge) => {
    const { output, logins } = await converse(imap, script, VALID);

    expect(output).toBe(`${challenge}a OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n`);
    expect(logins).toEqual([{ authzid: 'ann', authcid: 'ann', password: '', mechanism: name }]);
  });

  it.each([
    ['^A', 'AQ=='],
    ['an empty line', ''],
    ['*', '*'],
  ])('says an error, takes %s for its receipt, and then says NO', async (_what, receipt) => {
    const script = `a AUTHENTICATE ${name} ${MESSAGES[name]}\r\n${receipt}\r\nb NOOP\r\n`;
    const { output, logins } = await converse(imap, script, REFUSED);

    expect(output).toBe(
      `+ ${ERRORS[name]}\r\na NO [AUTHENTICATIONFAILED] Authentication failed.\r\nb OK NOOP completed.\r\n`,
    );
    expect(logins).toHaveLength(1);
  });

  it('says at once that it is not available when the provider is away', async () => {
    const { output } = await converse(imap, `a AUTHENTICATE ${name} ${MESSAGES[name]}\r\n`, DOWN);

    expect(output).toMatch(/^a NO \[UNAVAILABLE\] /);
  });

  it('answers BAD to what breaks its grammar', async () => {
    const { output, logins } = await converse(imap, `a AUTHENTICATE ${name} ${b64('\0u\0p')}\r\n`, VALID);

    expect([output, logins]).toEqual([`a BAD This is no message of ${name}.\r\n`, []]);
  });
});

describe.each(MECHANISMS)('%s in POP3', (name) => {
  it.each([
    ['as initial response', `AUTH ${name} ${MESSAGES[name]}\r\n`, ''],
    ['behind a challenge', `AUTH ${name}\r\n${MESSAGES[name]}\r\n`, '+ \r\n'],
  ])('takes a token %s', async (_how, script, challenge) => {
    const { output } = await converse(pop3, script, VALID);

    expect(output).toBe(`${challenge}+OK Logged in.\r\n`);
  });

  it.each([
    ['^A', 'AQ=='],
    ['an empty line', ''],
    ['*', '*'],
  ])('says an error, takes %s for its receipt, and then says -ERR', async (_what, receipt) => {
    const { output } = await converse(
      pop3,
      `AUTH ${name} ${MESSAGES[name]}\r\n${receipt}\r\nNOOP\r\n`,
      REFUSED,
    );

    expect(output).toBe(`+ ${ERRORS[name]}\r\n-ERR [AUTH] Authentication failed.\r\n+OK\r\n`);
  });

  it('says at once that it is not available when the provider is away', async () => {
    const { output } = await converse(pop3, `AUTH ${name} ${MESSAGES[name]}\r\n`, DOWN);

    expect(output).toMatch(/^-ERR \[SYS\/TEMP\] /);
  });
});
