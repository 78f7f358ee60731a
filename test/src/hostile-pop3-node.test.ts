import { describe, it } from 'vitest';
import { expectWithstood, inAllModes, type Misbehaviour } from '../support/hostile-login.ts';

const REFUSED: readonly Misbehaviour[] = [
  { name: 'H1 H2 A3 refuses STLS', modes: ['starttls'], on: { starttls: '-ERR EVIL\r\n' } },
  { name: 'H2 answers + to STLS', modes: ['starttls'], on: { starttls: '+ EVIL\r\n' } },
  { name: 'H5 greets by IMAP', greeting: '* OK EVIL\r\n' },
  { name: 'H5 greets by garbage before +OK', greeting: 'EVIL\r\n+OK\r\n' },
  {
    name: 'H6 A2 injects a login behind its consent to TLS, and says nothing inside',
    modes: ['starttls'],
    nodeMs: 300,
    on: { starttls: '+OK go\r\n+ PDFAbm9kZT4=\r\n+OK EVIL\r\n', authenticate: 'silence' },
  },
  { name: 'H10 A6 refuses with a text for the user', on: { response: '-ERR [ALERT] EVIL \x1b[31m\xff\r\n' } },
  { name: 'H13 sends a challenge that is not base64', on: { authenticate: '+ !EVIL!\r\n' } },
  { name: 'H13 F48 sends a challenge of 64 KiB', on: { authenticate: `+ ${'QUJD'.repeat(16_384)}\r\n` } },
  { name: 'H13 sends challenges without end', on: { authenticate: '+ PDFAbm9kZT4=\r\n'.repeat(1000) } },
  { name: 'H15 A5 says +OK before it signed', trust: 'scram-sha-256', on: { authenticate: '+OK EVIL\r\n' } },
  { name: 'H16 F18 says nothing', nodeMs: 100, greeting: '' },
  { name: 'H16 F19 says nothing to the proof', nodeMs: 200, on: { response: 'silence' } },
  { name: 'H16 is slower than its time', nodeMs: 100, dribbleMs: 20 },
  { name: 'H17 says +OK without an end', nodeMs: 200, on: { response: `+OK ${'EVIL'.repeat(2000)}` } },
  { name: 'H18 closes instead of +OK', on: { response: { say: '', ending: 'end' } } },
  { name: 'H18 resets instead of +OK', on: { response: { say: '', ending: 'reset' } } },
  { name: 'H21 F20 greets by -ERR', greeting: '-ERR EVIL\r\n' },
  { name: 'H21 H24 greets by -ERR [SYS/TEMP]', greeting: '-ERR [SYS/TEMP] EVIL\r\n' },
  { name: 'H21 H24 refuses the proof by -ERR [SYS/TEMP]', on: { response: '-ERR [SYS/TEMP] EVIL\r\n' } },
  { name: 'H21 refuses the mechanism', on: { authenticate: '-ERR [AUTH] EVIL\r\n' } },
  { name: 'H21 answers the proof by dot-stuffed junk', on: { response: '..EVIL\r\n.\r\n+OK\r\n' } },
  { name: 'H22 A5 has +OK inside a challenge', on: { authenticate: '+ +OK EVIL\r\n' } },
  { name: 'H22 A5 has +OK inside a refusal', on: { response: '-ERR +OK EVIL\r\n' } },
  { name: 'H22 A5 says +OKAY', on: { response: '+OKAY EVIL\r\n' } },
  { name: 'H22 A5 says a spaced +OK', on: { response: ' +OK EVIL\r\n' } },
  { name: 'H25 does not believe the proxy', kind: 'dovecot', on: { announce: '-ERR EVIL\r\n' } },
];

const HELD_BACK: readonly Misbehaviour[] = [
  { name: 'H10 A6 has a text for the user in its greeting', greeting: '+OK [ALERT] EVIL\r\n' },
  { name: 'H12 has 8-bit octets in its greeting', greeting: '+OK EVIL \xff\xe9\r\n' },
  { name: 'H16 is slow within its time', dribbleMs: 1 },
  { name: 'H17 A6 says its +OK with 9 KiB of text', on: { response: `+OK ${'EVIL'.repeat(2304)}\r\n` } },
  { name: 'H17 A6 says its +OK with NUL and a bare CR', on: { response: '+OK EVIL\0\r+OK EVIL\r\n' } },
  { name: 'H17 ends its lines by LF alone', on: { response: '+OK EVIL\n' } },
];

describe('F25 a login at a POP3 node', () => {
  it.each(inAllModes(REFUSED))('that %s fails, by TLS %s', async (_name, mode, row) => {
    await expectWithstood('pop3', mode, row);
  });

  it.each(inAllModes(HELD_BACK))(
    'that %s succeeds without a word of it, by TLS %s',
    async (_name, mode, row) => {
      await expectWithstood('pop3', mode, { ...row, answer: 'in' });
    },
  );

  it.each(
    inAllModes([{ name: 'H21 P15 F23 has the maildrop in use', on: { response: '-ERR [IN-USE] EVIL\r\n' } }]),
  )('that %s is no wrong password, by TLS %s', async (_name, mode, row) => {
    await expectWithstood('pop3', mode, { ...row, answer: 'inUse' });
  });
});
