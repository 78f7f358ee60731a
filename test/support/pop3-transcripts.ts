import { pop3 } from '../../protocols/pop3/pop3.ts';
import { foreignOpeners, login, type Transcript } from './transcript.ts';

const CAPA =
  '+OK Capabilities follow.\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nUSER\r\nSASL PLAIN LOGIN\r\n.\r\n';
const MECHANISMS = '+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n';

/** Openings of POP3 clients. */
export const POP3_TRANSCRIPTS: readonly Transcript[] = [
  {
    name: 'T11 JavaMail POP3',
    protocol: pop3,
    steps: ['CAPA\r\n', /^\.$/, 'USER a@ex\r\nPASS p\r\n', /^\+OK Logged in/, 'STAT\r\n'],
    answers: `${CAPA}+OK\r\n+OK Logged in.\r\n`,
    logins: [login('a@ex', 'p', 'USER')],
    residual: 'STAT\r\n',
  },
  {
    name: 'T12 Outlook POP3',
    protocol: pop3,
    steps: ['AUTH\r\n', /^\.$/, 'USER a@ex\r\n', /^\+OK/, 'PASS p\r\n', /^\+OK Logged in/, 'STAT\r\n'],
    answers: `${MECHANISMS}+OK\r\n+OK Logged in.\r\n`,
    logins: [login('a@ex', 'p', 'USER')],
    residual: 'STAT\r\n',
  },
  {
    name: 'T12 Outlook POP3 that asks CAPA first',
    protocol: pop3,
    steps: [
      'CAPA\r\n',
      /^\.$/,
      'AUTH\r\n',
      /^\.$/,
      'USER a@ex\r\n',
      /^\+OK/,
      'PASS p\r\n',
      /^\+OK Logged in/,
    ],
    answers: `${CAPA}${MECHANISMS}+OK\r\n+OK Logged in.\r\n`,
    logins: [login('a@ex', 'p', 'USER')],
    residual: '',
  },
  {
    name: 'T13 POP3 password with spaces',
    protocol: pop3,
    password: ' two  sp ',
    steps: ['USER a\r\n', /^\+OK/, 'PASS  two  sp \r\n', /^\+OK Logged in/],
    answers: '+OK\r\n+OK Logged in.\r\n',
    logins: [login('a', ' two  sp ', 'USER')],
    residual: '',
  },
  {
    name: 'T14 POP3 session in one segment',
    protocol: pop3,
    steps: ['USER a\r\nPASS p\r\nSTAT\r\nRETR 1\r\nQUIT\r\n'],
    answers: '+OK\r\n+OK Logged in.\r\n',
    logins: [login('a', 'p', 'USER')],
    residual: 'STAT\r\nRETR 1\r\nQUIT\r\n',
  },
  {
    name: 'T27 one that says nothing by pop3',
    protocol: pop3,
    steps: [],
    answers: '',
    departed: 'disconnected',
  },
  ...foreignOpeners(pop3),
];
