import { describe, expect, it } from 'vitest';
import { plainServer } from '../../auth/mechanisms/plain.ts';
import { imap } from '../../protocols/imap/imap.ts';
import { pop3 } from '../../protocols/pop3/pop3.ts';
import { converse } from '../support/conversation.ts';

/** A listener that names neither PLAIN nor LOGIN wants no passwords, by whatever command they come. */
const OTHERS = new Map([['XOAUTH2', plainServer]]);
const NO_PASSWORDS = { tls: true, terms: { mechanisms: () => OTHERS } };

describe('I14 I15 a listener without PLAIN and LOGIN', () => {
  it('says LOGINDISABLED beside its mechanisms, and refuses LOGIN and its literals', async () => {
    const { output, logins } = await converse(
      imap,
      'a CAPABILITY\r\nb LOGIN u p\r\nc LOGIN {1}\r\ne NOOP\r\n',
      NO_PASSWORDS,
    );

    expect(output).toMatch(/^\* CAPABILITY .* AUTH=XOAUTH2 LOGINDISABLED\r\n/);
    expect(output.split('\r\n').slice(2)).toEqual([
      ...['b', 'c'].map((tag) => `${tag} NO [CANNOT] LOGIN is not offered here; use another mechanism.`),
      'e OK NOOP completed.',
      '',
    ]);
    expect(logins).toEqual([]);
  });

  it('leaves USER out of CAPA, and refuses it and PASS', async () => {
    const { output, logins } = await converse(pop3, 'CAPA\r\nUSER u\r\nPASS p\r\n', NO_PASSWORDS);

    expect(output).toMatch(/\r\nSASL XOAUTH2\r\n/);
    expect(output).not.toMatch(/\r\nUSER\r\n/);
    expect(output).toContain('-ERR USER and PASS are not offered here; use another mechanism.\r\n');
    expect(logins).toEqual([]);
  });

  it('takes its own mechanisms', async () => {
    const proof = Buffer.from('\0u\0p').toString('base64');

    const { logins } = await converse(imap, `a AUTHENTICATE XOAUTH2 ${proof}\r\n`, NO_PASSWORDS);

    expect(logins.map(({ authcid }) => authcid)).toEqual(['u']);
  });
});
