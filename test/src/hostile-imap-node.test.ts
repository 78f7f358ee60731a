import { describe, it } from 'vitest';
import { expectWithstood, inAllModes, type Misbehaviour } from '../support/hostile-login.ts';

const IN = 'L OK [CAPABILITY IMAP4rev1 IDLE] EVIL in\r\n';
const CAPABLE = '* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=CRAM-SHA256]';
const UNTAGGED = [
  '* LIST () "/" EVIL',
  '* LSUB () "/" EVIL',
  '* STATUS EVIL (MESSAGES 1)',
  '* SEARCH 1 2',
  '* FLAGS (EVIL)',
  '* 1 EXISTS',
  '* 1 RECENT',
  '* 1 EXPUNGE',
  '* 1 FETCH (FLAGS (EVIL))',
  '* ENABLED EVIL',
]
  .map((line) => `${line}\r\n`)
  .join('');
const SIXTY = Array.from({ length: 60 }, (_, at) => `AUTH=EVIL-${at}`).join(' ');
/** SCRAM-SHA-256 without what the client said, so that its nonce is missing. */
const scram = (message: string): string => `+ ${Buffer.from(message).toString('base64')}\r\n`;

const REFUSED: readonly Misbehaviour[] = [
  {
    name: 'H1 A3 F24 offers no STARTTLS',
    modes: ['starttls'],
    greeting: '* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] EVIL\r\n',
  },
  { name: 'H2 answers NO to STARTTLS', modes: ['starttls'], on: { starttls: 'S NO EVIL\r\n' } },
  { name: 'H2 answers BAD to STARTTLS', modes: ['starttls'], on: { starttls: 'S BAD EVIL\r\n' } },
  { name: 'H2 answers + to STARTTLS', modes: ['starttls'], on: { starttls: '+ EVIL\r\n' } },
  { name: 'H3 A3 hides its capabilities', greeting: '* OK EVIL\r\n', on: { capability: 'C BAD EVIL\r\n' } },
  { name: 'H3 lists nothing', greeting: '* OK EVIL\r\n', on: { capability: 'C OK EVIL\r\n' } },
  {
    name: 'H3 is only IMAP4',
    modes: ['none', 'implicit'],
    greeting: '* OK [CAPABILITY IMAP4] EVIL\r\n',
    on: { response: 'L OK [CAPABILITY IMAP4] EVIL\r\n' },
  },
  {
    name: 'H3 is only IMAP4, without STARTTLS',
    modes: ['starttls'],
    greeting: '* OK [CAPABILITY IMAP4] EVIL\r\n',
  },
  { name: 'H4 A4 greets by PREAUTH', greeting: '* PREAUTH EVIL\r\n' },
  {
    name: 'H4 A4 greets by PREAUTH with STARTTLS',
    greeting: '* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] EVIL\r\n',
  },
  {
    name: 'H4 A4 greets by PREAUTH with mechanisms',
    greeting: '* PREAUTH [CAPABILITY IMAP4rev1 AUTH=PLAIN] EVIL\r\n',
  },
  { name: 'H5 F20 greets by BYE', greeting: '* BYE EVIL\r\n' },
  { name: 'H5 greets by NO', greeting: '* NO EVIL\r\n' },
  { name: 'H5 greets by BAD', greeting: '* BAD EVIL\r\n' },
  { name: 'H5 greets by a tag', greeting: 'L OK EVIL\r\n' },
  { name: 'H5 greets by garbage before OK', greeting: `EVIL\r\n${CAPABLE}\r\n` },
  {
    name: 'H6 A2 injects a login behind its consent to TLS, and says nothing inside',
    modes: ['starttls'],
    nodeMs: 300,
    on: {
      starttls: `S OK go\r\n* CAPABILITY IMAP4rev1 EVIL AUTH=PLAIN\r\nC OK EVIL\r\n+ PDFAbm9kZT4=\r\n${IN}`,
      capability: 'silence',
    },
  },
  { name: 'H7 says BYE before its OK', on: { response: `* BYE EVIL\r\n${IN}` } },
  { name: 'H7 says NO behind an untagged OK', on: { response: '* OK EVIL\r\n* OK L OK\r\nL NO EVIL\r\n' } },
  { name: 'H8 sends a continuation instead of an answer', on: { response: '+ RVZJTA==\r\n'.repeat(20) } },
  {
    name: 'H9 X5 refers the client elsewhere',
    on: { response: 'L NO [REFERRAL imap://;AUTH=*@evil:243/] EVIL\r\n' },
  },
  { name: 'H10 A6 says NO with an ALERT', on: { response: 'L NO [ALERT] EVIL \x1b[31m\r\n' } },
  { name: 'H10 A6 says NO with BADCHARSET', on: { authenticate: 'L NO [BADCHARSET (EVIL)] EVIL\r\n' } },
  { name: 'H11 lists without end', greeting: `* OK [CAPABILITY IMAP4rev1 ${'EVIL '.repeat(5000)}] x\r\n` },
  {
    name: 'H11 offers only PLAIN instead of SCRAM',
    trust: 'scram-sha-256',
    greeting: '* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] EVIL\r\n',
    on: {
      capability: '* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nC OK\r\n',
      authenticate: 'L NO [CANNOT] EVIL unsupported\r\n',
    },
  },
  { name: 'H12 says NO with 8-bit octets', on: { response: 'L NO EVIL \xff\xfe\xe2\x80\xae\r\n' } },
  { name: 'H13 sends a challenge that is not base64', on: { authenticate: '+ !EVIL!\r\n' } },
  {
    name: 'H13 sends an empty challenge for SCRAM',
    trust: 'scram-sha-256',
    on: { authenticate: '+ \r\n', response: '+ \r\n' },
  },
  { name: 'H13 F48 sends a challenge of 64 KiB', on: { authenticate: `+ ${'QUJD'.repeat(16_384)}\r\n` } },
  { name: 'H13 sends challenges without end', on: { authenticate: '+ PDFAbm9kZT4=\r\n'.repeat(1000) } },
  {
    name: 'H14 asks for one iteration',
    trust: 'scram-sha-256',
    on: { authenticate: '+ \r\n', response: scram('r=EVIL,s=AAAA,i=1') },
  },
  {
    name: 'H14 asks for a thousand million iterations',
    trust: 'scram-sha-256',
    on: { authenticate: '+ \r\n', response: scram('r=EVIL,s=AAAA,i=1000000000') },
  },
  {
    name: 'H14 does not go on with our nonce',
    trust: 'scram-sha-256',
    on: { authenticate: '+ \r\n', response: scram('r=EVIL,s=QUFBQUFBQUFBQUFB,i=4096') },
  },
  { name: 'H15 A5 says OK to the first message of SCRAM', trust: 'scram-sha-256', on: { authenticate: IN } },
  {
    name: 'H15 A5 says OK before it signed',
    trust: 'scram-sha-256',
    on: { authenticate: '+ \r\n', response: IN },
  },
  { name: 'H16 is slower than its time', nodeMs: 100, dribbleMs: 20 },
  { name: 'H16 F18 says nothing', nodeMs: 100, greeting: '' },
  { name: 'H16 F19 says nothing to the proof', nodeMs: 200, on: { response: 'silence' } },
  {
    name: 'H17 says OK without capabilities or an end',
    nodeMs: 200,
    on: { response: `L OK ${'EVIL'.repeat(2000)}` },
  },
  { name: 'H18 closes instead of an OK', on: { response: { say: '', ending: 'end' } } },
  { name: 'H18 resets instead of an OK', on: { response: { say: '', ending: 'reset' } } },
  { name: 'H24 is not available', on: { response: 'L NO [UNAVAILABLE] EVIL\r\n' } },
  { name: 'A5 says OKAY', on: { response: 'L OKAY EVIL\r\n' } },
  { name: 'A5 says OK by another tag', on: { response: 'LX OK EVIL\r\n' } },
  { name: 'A5 says an untagged OK alone', nodeMs: 200, on: { response: '* OK L OK EVIL\r\n' } },
  { name: 'A5 says NO with OK inside', on: { response: 'L NO [EVIL] L OK\r\n' } },
  { name: 'A5 says the OK of an older command', nodeMs: 200, on: { response: 'C OK EVIL\r\n' } },
  { name: 'H25 refuses the announcement', kind: 'dovecot', on: { announce: 'I BAD EVIL\r\n' } },
  {
    name: 'H25 has no ID to announce by',
    kind: 'dovecot',
    greeting: `${CAPABLE} EVIL\r\n`,
    on: { capability: '* CAPABILITY IMAP4rev1 AUTH=CRAM-SHA256\r\nC OK EVIL\r\n' },
  },
];

const HELD_BACK: readonly Misbehaviour[] = [
  {
    name: 'H6 A2 injects capabilities behind its consent to TLS',
    modes: ['starttls'],
    on: { starttls: `S OK go\r\n* CAPABILITY IMAP4rev1 EVIL\r\nC OK EVIL\r\n${IN}` },
  },
  { name: 'H7 has untagged text before its OK', on: { response: `* OK [ALERT] EVIL\r\n* NO EVIL\r\n${IN}` } },
  { name: 'H8 sends answers of other states before its OK', on: { response: `${UNTAGGED}${IN}` } },
  {
    name: 'H8 sends answers of other states before its challenge',
    on: { authenticate: `${UNTAGGED}+ PDFAbm9kZT4=\r\n` },
  },
  {
    name: 'H8 sends answers of other states before STARTTLS',
    modes: ['starttls'],
    on: { starttls: `${UNTAGGED}S OK\r\n` },
  },
  { name: 'H8 sends answers of other states behind its greeting', greeting: `${CAPABLE} x\r\n${UNTAGGED}` },
  {
    name: 'H9 X5 has a referral in its OK',
    on: {
      response: 'L OK [REFERRAL imap://evil/EVIL] EVIL\r\n',
      capability: '* CAPABILITY IMAP4rev1 IDLE LOGIN-REFERRALS STARTTLS\r\nC OK EVIL\r\n',
    },
  },
  { name: 'H10 A6 has an ALERT in its greeting', greeting: '* OK [ALERT] EVIL\r\n' },
  {
    name: 'H10 A6 has an ALERT in its consent to TLS',
    modes: ['starttls'],
    on: { starttls: 'S OK [ALERT] EVIL\r\n' },
  },
  {
    name: 'H11 offers sixty mechanisms',
    greeting: `* OK [CAPABILITY IMAP4rev1 STARTTLS ${SIXTY} AUTH=CRAM-SHA256] x\r\n`,
  },
  {
    name: 'H12 says UTF8=ONLY, and 8-bit octets in its greeting',
    greeting: '* OK [CAPABILITY IMAP4rev1 STARTTLS UTF8=ONLY] EVIL \xff\xe9\r\n',
  },
  { name: 'H13 sends an empty challenge for CRAM', on: { authenticate: '+ \r\n' } },
  { name: 'H16 is slow within its time', dribbleMs: 1 },
  {
    name: 'H17 A6 says its OK with 9 KiB of text',
    on: { response: `L OK [CAPABILITY IMAP4rev1 IDLE] ${'EVIL'.repeat(2304)}\r\n` },
  },
  {
    name: 'H17 A6 says its OK with NUL',
    on: { response: 'L OK [CAPABILITY IMAP4rev1 IDLE] EVIL\0EVIL\r\n' },
  },
  {
    name: 'H17 A6 says its OK with a bare CR',
    on: { response: 'L OK [CAPABILITY IMAP4rev1 IDLE] x\rb OK EVIL\r\n' },
  },
  { name: 'H17 ends its lines by LF alone', on: { response: 'L OK [CAPABILITY IMAP4rev1 IDLE] EVIL\n' } },
  {
    name: 'H17 A6 has octets in its capabilities that are none',
    on: { response: 'L OK [CAPABILITY IMAP4rev1 \0EVIL EV\rIL EVIL\xff IDLE] x\r\n' },
  },
];

const CAN_UNAUTHENTICATE: Misbehaviour = {
  name: 'A40 X8 can UNAUTHENTICATE',
  on: { response: 'L OK [CAPABILITY IMAP4rev1 UNAUTHENTICATE IDLE] EVIL\r\n' },
  answer: 'notAllowed',
};

describe('F25 a login at an IMAP node', () => {
  it.each(inAllModes([CAN_UNAUTHENTICATE]))('that %s is refused, by TLS %s', async (_name, mode, row) => {
    await expectWithstood('imap', mode, row);
  });

  it.each(inAllModes(REFUSED))('that %s fails, by TLS %s', async (_name, mode, row) => {
    await expectWithstood('imap', mode, row);
  });

  it.each(inAllModes(HELD_BACK))(
    'that %s succeeds without a word of it, by TLS %s',
    async (_name, mode, row) => {
      await expectWithstood('imap', mode, { ...row, answer: 'in' });
    },
  );

  it.each(
    inAllModes([{ name: 'P15 H24 F23 has too many sessions', on: { response: 'L NO [LIMIT] EVIL\r\n' } }]),
  )('that %s is a limit to the client, by TLS %s', async (_name, mode, row) => {
    await expectWithstood('imap', mode, { ...row, answer: 'tooMany' });
  });
});
