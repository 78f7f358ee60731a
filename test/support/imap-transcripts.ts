import { imap } from '../../protocols/imap/imap.ts';
import { foreignOpeners, login, plain, TLS_HANDSHAKE, type Transcript } from './transcript.ts';

/** The capabilities of an IMAP connection in TLS. */
const CAPABILITY = '* CAPABILITY IMAP4rev1 LITERAL- SASL-IR ID ENABLE IDLE AUTH=PLAIN AUTH=LOGIN\r\n';
const LISTED = 'OK Capabilities before login listed.\r\n';
/** What the node of these transcripts can do after the login. */
const IN = 'OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n';
const REFUSED = 'NO [AUTHENTICATIONFAILED] Authentication failed.\r\n';
const ID = '* ID ("name" "Homing")\r\n';
const IPHONE_ID =
  'ID ("name" "iPhone Mail" "version" "22C161" "os" "iOS" "os-version" "18.2.1 (22C161)")\r\n';

/** Openings of IMAP clients. */
export const IMAP_TRANSCRIPTS: readonly Transcript[] = [
  {
    name: 'T1 Thunderbird',
    protocol: imap,
    steps: [
      '1 authenticate PLAIN\r\n',
      /^\+ $/,
      `${plain('', 'a@ex', 'p')}\r\n`,
      /^1 OK /,
      '2 ID ("name" "Thunderbird" "version" "128.0")\r\n',
    ],
    answers: `+ \r\n1 ${IN}`,
    logins: [login('a@ex', 'p', 'PLAIN')],
    residual: '2 ID ("name" "Thunderbird" "version" "128.0")\r\n',
  },
  {
    name: 'T2 K-9 with a wrong password',
    protocol: imap,
    steps: [
      '1 AUTHENTICATE PLAIN\r\n',
      /^\+ $/,
      `${plain('', 'a@ex', 'bad')}\r\n`,
      /^1 NO /,
      '2 LOGIN "a@ex" "bad"\r\n',
      /^2 NO /,
    ],
    answers: `+ \r\n1 ${REFUSED}2 ${REFUSED}`,
    logins: [login('a@ex', 'bad', 'PLAIN'), login('a@ex', 'bad', 'LOGIN command')],
    departed: 'disconnected',
  },
  {
    name: 'T2 K-9 with the right password',
    protocol: imap,
    steps: [
      '1 AUTHENTICATE PLAIN\r\n',
      /^\+ $/,
      `${plain('', 'a@ex', 'p')}\r\n`,
      /^1 OK /,
      '2 ID ("name" "K-9 Mail")\r\n',
    ],
    answers: `+ \r\n1 ${IN}`,
    logins: [login('a@ex', 'p', 'PLAIN')],
    residual: '2 ID ("name" "K-9 Mail")\r\n',
  },
  {
    name: 'T3 iPhone',
    protocol: imap,
    steps: [`1 AUTHENTICATE PLAIN ${plain('', 'a@ex', 'p')}\r\n`, /^1 OK /, `2 ${IPHONE_ID}`],
    answers: `1 ${IN}`,
    logins: [login('a@ex', 'p', 'PLAIN')],
    residual: `2 ${IPHONE_ID}`,
  },
  {
    name: 'T4 iOS probe',
    protocol: imap,
    clear: true,
    steps: [
      'A1 STARTTLS\r\n',
      TLS_HANDSHAKE,
      'A2 CAPABILITY\r\n',
      /^A2 OK /,
      `A3 AUTHENTICATE PLAIN ${plain('', 'a@ex', 'p')}\r\n`,
      /^A3 OK /,
      `A4 ${IPHONE_ID}`,
      'A5 NAMESPACE\r\nA6 LIST "" "*" RETURN (SPECIAL-USE)\r\n',
    ],
    answers: `A1 OK Begin TLS negotiation now.\r\n<TLS>${CAPABILITY}A2 ${LISTED}* CAPABILITY IMAP4rev1 IDLE\r\nA3 ${IN}`,
    logins: [login('a@ex', 'p', 'PLAIN')],
    residual: `A4 ${IPHONE_ID}A5 NAMESPACE\r\nA6 LIST "" "*" RETURN (SPECIAL-USE)\r\n`,
  },
  {
    name: 'T5 New Outlook',
    protocol: imap,
    steps: [
      'A1 ID ("name" {23+}\r\nMicrosoft.Exchange.Imap "version" {6+}\r\n16.0.0)\r\n' +
        'A2 LOGIN {4+}\r\na@ex {1+}\r\np\r\n',
      /^A2 OK /,
    ],
    answers: `${ID}A1 OK ID completed.\r\nA2 ${IN}`,
    logins: [login('a@ex', 'p', 'LOGIN command')],
    residual: '',
  },
  {
    name: 'T7 NeoMutt',
    protocol: imap,
    steps: [
      'a0000 CAPABILITY\r\n',
      /^a0000 OK /,
      `a0001 AUTHENTICATE PLAIN ${plain('a@ex', 'a@ex', 'p')}\r\n`,
      /^a0001 OK /,
      'a0002 LIST "" ""\r\n',
    ],
    answers: `${CAPABILITY}a0000 ${LISTED}* CAPABILITY IMAP4rev1 IDLE\r\na0001 ${IN}`,
    logins: [{ authzid: 'a@ex', authcid: 'a@ex', password: 'p', mechanism: 'PLAIN' }],
    residual: 'a0002 LIST "" ""\r\n',
  },
  {
    name: 'T9 imaplib',
    protocol: imap,
    password: 'p"w\\x',
    steps: ['KJDH1 CAPABILITY\r\n', /^KJDH1 OK /, 'KJDH2 LOGIN a@ex "p\\"w\\\\x"\r\n', /^KJDH2 OK /],
    answers: `${CAPABILITY}KJDH1 ${LISTED}* CAPABILITY IMAP4rev1 IDLE\r\nKJDH2 ${IN}`,
    logins: [login('a@ex', 'p"w\\x', 'LOGIN command')],
    residual: '',
  },
  {
    name: 'T9 imaplib with signs in the user name',
    protocol: imap,
    steps: ['KJDH1 LOGIN o\'neil+tag@ex "p"\r\n', /^KJDH1 OK /],
    answers: `KJDH1 ${IN}`,
    logins: [login("o'neil+tag@ex", 'p', 'LOGIN command')],
    residual: '',
  },
  {
    name: 'T9 imaplib with a space in the user name',
    protocol: imap,
    steps: ['KJDH1 LOGIN a b@ex "p"\r\n', /^KJDH1 BAD /, 'KJDH2 NOOP\r\n'],
    answers: 'KJDH1 BAD LOGIN takes a user name and a password.\r\nKJDH2 OK NOOP completed.\r\n',
    departed: 'disconnected',
  },
  {
    name: 'T15 IMAP session in one segment',
    protocol: imap,
    steps: ['a01 LOGIN a p\r\na02 LOGOUT\r\n'],
    answers: `a01 ${IN}`,
    logins: [login('a', 'p', 'LOGIN command')],
    residual: 'a02 LOGOUT\r\n',
  },
  {
    name: 'T15 IMAP session in one segment, first with a wrong password',
    protocol: imap,
    steps: ['a LOGIN a bad\r\nb LOGIN a p\r\nc NOOP\r\n'],
    answers: `a ${REFUSED}b ${IN}`,
    logins: [login('a', 'bad', 'LOGIN command'), login('a', 'p', 'LOGIN command')],
    residual: 'c NOOP\r\n',
  },
  {
    name: 'T16 synchronising literals',
    protocol: imap,
    password: 'se\\"cret',
    steps: ['a01 LOGIN {18}\r\n', /^\+ /, 'te\\"st@example.com {8}\r\n', /^\+ /, 'se\\"cret\r\n', /^a01 OK /],
    answers: `+ OK\r\n+ OK\r\na01 ${IN}`,
    logins: [login('te\\"st@example.com', 'se\\"cret', 'LOGIN command')],
    residual: '',
  },
  {
    name: 'T16 a non-synchronising literal and a quoted string',
    protocol: imap,
    password: 'se\\"cret',
    steps: ['a01 LOGIN {18+}\r\nte\\"st@example.com "se\\\\\\"cret"\r\n', /^a01 OK /],
    answers: `a01 ${IN}`,
    logins: [login('te\\"st@example.com', 'se\\"cret', 'LOGIN command')],
    residual: '',
  },
  {
    name: 'T17 a rejected literal',
    protocol: imap,
    steps: ['a03 FOOBAR {10+}\r\ntest test \r\na04 NOOP\r\n'],
    answers: 'a03 BAD Unknown command, or one without literals.\r\na04 OK NOOP completed.\r\n',
    departed: 'disconnected',
  },
  {
    name: 'T21 LF alone',
    protocol: imap,
    steps: ['1 login a p\n2 logout\n'],
    answers: `1 ${IN}`,
    logins: [login('a', 'p', 'LOGIN command')],
    residual: '2 logout\n',
  },
  {
    name: 'T22 LOGIN without a tag',
    protocol: imap,
    steps: ['LOGIN a p\r\n'],
    answers: 'LOGIN BAD The first word of a line is a tag of your choice, then comes the command.\r\n',
    departed: 'disconnected',
  },
  {
    name: 'T26 8-bit LOGIN',
    protocol: imap,
    password: 'p\xc3\xa4ss',
    steps: ['1 LOGIN "us\xc3\xa9r" "p\xc3\xa4ss"\r\n', /^1 OK /],
    answers: `1 ${IN}`,
    logins: [login('us\xc3\xa9r', 'p\xc3\xa4ss', 'LOGIN command')],
    residual: '',
  },
  {
    name: 'T27 a fast closer by imap',
    protocol: imap,
    steps: ['1 LOGOUT\r\n'],
    answers: '* BYE Logging out\r\n1 OK LOGOUT completed.\r\n',
    departed: 'logout',
  },
  ...foreignOpeners(imap),
];
