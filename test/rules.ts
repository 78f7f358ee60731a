/** What the front end has to hold to, one line a rule. Tests name the rules that they show by their ids. */
import { FAULTS } from './fault-rules.ts';

/** One rule. */
export interface Rule {
  readonly id: string;
  /** What holds, and where it's written. */
  readonly rule: string;
  /** Why no test can show it. */
  readonly untested?: string;
}

/** A part of the table. */
export interface RuleGroup {
  readonly title: string;
  readonly rules: readonly Rule[];
}

const IMAP: readonly Rule[] = [
  { id: 'I1', rule: 'the greeting is OK with capabilities, never PREAUTH (RFC 9051 7.1)' },
  { id: 'I2', rule: 'a client that is refused gets BYE as its greeting, then FIN (7.1.5)' },
  {
    id: 'I3',
    rule: 'before login there are CAPABILITY, NOOP, LOGOUT, STARTTLS, AUTHENTICATE, LOGIN and ID (6.2)',
  },
  { id: 'I4', rule: 'tags are repeated as sent; what is no tag is never repeated (section 9)' },
  { id: 'I5', rule: 'commands and mechanisms are taken in any case' },
  { id: 'I6', rule: 'an empty line and two spaces are BAD, untagged where there is no tag (7.1.3)' },
  {
    id: 'I7',
    rule: 'quoted strings escape only quote and backslash, and hold no line end and no NUL (section 9)',
  },
  { id: 'I8', rule: 'a synchronising literal is asked for by +, and may hold all octets but NUL (4.3)' },
  { id: 'I9', rule: 'a command goes on behind a literal, to its own CRLF' },
  { id: 'I10', rule: 'the literals of a rejected command are consumed (RFC 7888 3)' },
  { id: 'I11', rule: 'a refused synchronising literal is answered instead of asked for (4.3)' },
  { id: 'I12', rule: 'lengths of literals are digits and nothing else; {0} is legal' },
  { id: 'I13', rule: 'literal8 is BAD, and consumed' },
  { id: 'I14', rule: 'capabilities are those that work at this moment (6.1.1, 11.7)' },
  {
    id: 'I15',
    rule: 'with LOGINDISABLED neither LOGIN nor AUTHENTICATE succeeds, and no directory is asked (11.7)',
  },
  { id: 'I16', rule: 'STARTTLS is BAD on a port with TLS from the start (6.2.1)' },
  { id: 'I17', rule: 'STARTTLS is BAD inside TLS, and with arguments' },
  { id: 'I18', rule: 'TLS alone logs nobody in, with or without a client certificate' },
  { id: 'I19', rule: 'what was sent in clear text behind STARTTLS is dropped (6.2.1)' },
  { id: 'I20', rule: 'unknown mechanism: NO; cancelled or bad base64: BAD; the session goes on (6.2.2)' },
  { id: 'I21', rule: 'an empty challenge is a plus and a space (6.2.2)' },
  { id: 'I22', rule: '= is an empty initial response, which is not none (RFC 4959 3)' },
  {
    id: 'I23',
    rule: 'an initial response for a mechanism in which the server speaks first is BAD (RFC 4959 3)',
  },
  { id: 'I24', rule: 'lines of 8000 octets are taken, and longer SASL messages (RFC 2683 3.2.1.5)' },
  { id: 'I25', rule: 'a line without end ends the connection by BYE, in bounded memory' },
  {
    id: 'I26',
    rule: "pipelined commands are answered in order; those behind the login are the node's (5.5)",
  },
  { id: 'I27', rule: 'time before login is limited, and said; a relayed session has no such limit (5.4)' },
  { id: 'I28', rule: 'LOGOUT: BYE, then the tagged OK, then the end (6.1.3)' },
  { id: 'I29', rule: 'unknown user and wrong password are answered alike (11.7)' },
  { id: 'I30', rule: 'failed logins are delayed (11.7)' },
  { id: 'I31', rule: 'TLS 1.2 and 1.3, nothing older (11.1)' },
  { id: 'I32', rule: 'clear text without STARTTLS only where it is asked for by name' },
  {
    id: 'I33',
    rule: 'capabilities after login stand in the tagged OK, and untagged for who asked before (7.1)',
  },
];

const IMAP_EXTENSIONS: readonly Rule[] = [
  {
    id: 'X1',
    rule: 'LITERAL-: 4096 octets unasked are taken, more are consumed and refused; no + for them (RFC 7888)',
  },
  { id: 'X2', rule: 'SASL-IR: an initial response may come with AUTHENTICATE, or behind it (RFC 4959)' },
  {
    id: 'X3',
    rule: 'ID is answered in any form and never denies anything; its text is only text (RFC 2971)',
  },
  { id: 'X4', rule: 'failures carry the response code of their kind (RFC 5530)' },
  { id: 'X5', rule: 'no login referral is advertised, given or passed on (RFC 2221)' },
  {
    id: 'X6',
    rule: 'mailbox referrals (RFC 2193)',
    untested: 'they come behind the login, where octets are relayed untouched',
  },
  {
    id: 'X7',
    rule: '8-bit octets in LOGIN are taken as they are; bad UTF-8 is a failed login, no crash (RFC 6855)',
  },
  {
    id: 'X8',
    rule: 'a node that offers UNAUTHENTICATE gets no logins, and if that is allowed it is not told to clients (RFC 8437)',
  },
  { id: 'X9', rule: 'COMPRESS is not offered before login (RFC 4978)' },
  { id: 'X10', rule: 'ENABLE before login is answered as Dovecot does, and enables nothing (RFC 5161)' },
  {
    id: 'X11',
    rule: "the name in a node's certificate is the configured one: no common name, wildcards for one label (RFC 9525)",
  },
  {
    id: 'X12',
    rule: 'SRV names and implicit TLS first (RFC 6186, 8314)',
    untested: 'records of the DNS belong to the operator; `doctor` is to look at them',
  },
  { id: 'X13', rule: 'a node whose IPv6 address is dead is reached by IPv4 without delay (RFC 8305)' },
  {
    id: 'X14',
    rule: 'other extensions (RFC 9586, 8438)',
    untested: 'they come behind the login, where octets are relayed untouched',
  },
];

const MECHANISMS: readonly Rule[] = [
  {
    id: 'M1',
    rule: 'PLAIN has two NULs; empty authcid or password fail; fields of 255 octets are taken (RFC 4616)',
  },
  { id: 'M2', rule: 'LOGIN prompts twice; the user name may come as initial response' },
  {
    id: 'M3',
    rule: 'CRAM-MD5: a new challenge each time, the user before the last space; off by default (RFC 2195)',
  },
  { id: 'M4', rule: 'APOP is offered by the greeting only where it works (RFC 1939)' },
  {
    id: 'M5',
    rule: 'SCRAM: header, nonce and proof are verified; unknown users look like known ones (RFC 5802, 7677)',
  },
  {
    id: 'M6',
    rule: "channel binding: tls-exporter, compared decoded, never behind a balancer's TLS (RFC 9266)",
  },
  {
    id: 'M7',
    rule: 'OAUTHBEARER and XOAUTH2: an error is told, any answer to it is taken, then the login fails (RFC 7628)',
  },
  { id: 'M8', rule: 'EXTERNAL takes its identity from the TLS handshake alone (RFC 4422)' },
  {
    id: 'M9',
    rule: 'no mechanism that does not work, nor GSSAPI, NTLM or DIGEST-MD5, is offered; each that is off answers NO',
  },
  {
    id: 'M10',
    rule: "names are compared prepared; a node gets the account's name, not what was typed (RFC 8265, 4013)",
  },
];

const POP3: readonly Rule[] = [
  { id: 'P1', rule: 'the greeting is +OK, or -ERR and the end for who is refused (RFC 1939 3)' },
  { id: 'P2', rule: 'keywords in any case; arguments longer than RFC 2449 4 says, up to a limit' },
  { id: 'P3', rule: 'PASS comes right behind USER, and a failed PASS forgets it (RFC 1939 7)' },
  { id: 'P4', rule: 'spaces belong to the password, all of them' },
  { id: 'P5', rule: 'USER is answered +OK for everyone' },
  { id: 'P6', rule: 'CAPA lists what both states can do, TOP and UIDL too (RFC 2449 5)' },
  {
    id: 'P7',
    rule: 'SASL stays in CAPA after the login (RFC 5034 3)',
    untested: "CAPA behind the login is the node's",
  },
  { id: 'P8', rule: 'STLS drops what was sent in clear text behind it (RFC 2595 4)' },
  { id: 'P9', rule: 'AUTH without a mechanism lists them' },
  { id: 'P10', rule: 'challenges, base64 and * as in IMAP (RFC 5034)' },
  { id: 'P11', rule: "PIPELINING: what is behind PASS is the node's, in order (RFC 2449 6.6)" },
  { id: 'P12', rule: 'failures carry the response code of their kind (RFC 2449 8, 3206)' },
  { id: 'P13', rule: 'nothing but +OK is said to USER: LOGIN-DELAY only to PASS' },
  { id: 'P14', rule: 'neither LANG nor UTF8 before login (RFC 6856)' },
  { id: 'P15', rule: 'a locked maildrop at the node is IN-USE, no wrong password' },
  { id: 'P16', rule: 'QUIT: +OK and the end' },
  { id: 'P17', rule: 'time before login is limited, to less than the ten minutes of RFC 1939 3' },
  { id: 'P18', rule: 'no line of our lists begins with a dot but the last' },
];

const BALANCERS: readonly Rule[] = [
  {
    id: 'B1',
    rule: 'the PROXY header is on or off per listener, never guessed; only balancers are believed',
  },
  { id: 'B2', rule: 'nothing is said before the whole header came; there is a time for it' },
  { id: 'B3', rule: 'version 1: one form, 107 octets, no leading zeros, ports up to 65535, CRLF' },
  { id: 'B4', rule: "version 1 UNKNOWN is taken, with the socket's addresses" },
  { id: 'B5', rule: 'version 2: signature, version, command, family and lengths are checked' },
  { id: 'B6', rule: 'version 2 TLVs: overruns are refused, unknown types ignored, sizes limited' },
  { id: 'B7', rule: 'the CRC32C of a header is checked' },
  { id: 'B8', rule: 'a balancer that ended the TLS makes the connection a secured one' },
  { id: 'B9', rule: 'the header stands before the TLS handshake' },
  { id: 'B10', rule: 'health checks of balancers are no errors' },
];

const TRANSCRIPTS: readonly Rule[] = [
  { id: 'T1', rule: 'Thunderbird: authenticate PLAIN in lower case, no initial response' },
  { id: 'T2', rule: 'K-9: AUTHENTICATE PLAIN refused, then LOGIN with the same password' },
  { id: 'T3', rule: 'iPhone: AUTHENTICATE PLAIN with initial response as first command' },
  { id: 'T4', rule: 'iOS probe: STARTTLS as first octets, later two commands in a segment' },
  { id: 'T5', rule: 'New Outlook: ID and LOGIN by non-synchronising literals in one write' },
  { id: 'T7', rule: 'NeoMutt: PLAIN with authzid equal to authcid' },
  { id: 'T9', rule: 'imaplib: LOGIN with the user as an atom, the password quoted' },
  { id: 'T11', rule: 'JavaMail POP3: CAPA, then USER and PASS in one segment' },
  { id: 'T12', rule: 'Outlook POP3: bare AUTH, then USER and PASS' },
  { id: 'T13', rule: 'POP3 password with spaces before, inside and behind' },
  { id: 'T14', rule: 'POP3 session in one segment' },
  { id: 'T15', rule: 'IMAP LOGIN with commands behind it, refused and accepted' },
  { id: 'T16', rule: 'LOGIN by synchronising and non-synchronising literals' },
  { id: 'T17', rule: 'a rejected command with a literal' },
  { id: 'T20', rule: 'HTTP, SMTP, TLS and PROXY on a mail port' },
  { id: 'T21', rule: 'lines that end in LF alone' },
  { id: 'T22', rule: 'LOGIN without a tag' },
  { id: 'T24', rule: 'a command behind STARTTLS in its segment' },
  { id: 'T26', rule: 'LOGIN with 8-bit octets' },
  { id: 'T27', rule: 'clients that leave at once' },
];

const ATTACKS: readonly Rule[] = [
  { id: 'A1', rule: 'commands injected behind STARTTLS and STLS are neither answered nor run' },
  { id: 'A2', rule: 'answers that a node injects behind its consent to TLS count for nothing' },
  { id: 'A3', rule: 'a node that hides STARTTLS gets no credentials' },
  { id: 'A4', rule: 'a node that greets by PREAUTH is left' },
  { id: 'A5', rule: 'only the exact tagged OK, or +OK to the last step, is a success' },
  { id: 'A6', rule: 'no text of a node reaches the client before the relay' },
  { id: 'A7', rule: 'other protocols get nothing said, by ALPN or by their first line' },
  { id: 'A8', rule: 'an empty password or DN never reaches a directory' },
  { id: 'A9', rule: 'no name changes an LDAP filter or DN, or the header of a request' },
  { id: 'A10', rule: 'separators of master users in a name, and an authzid without a right, are refused' },
  { id: 'A11', rule: 'line ends, NUL, TAB and control characters reach neither node nor log' },
  { id: 'A12', rule: 'x-* of ID and XCLIENT from clients are not believed' },
  { id: 'A13', rule: 'the session id is always our own' },
  { id: 'A14', rule: 'passwords stand in no log, metric, process argument or heap name, in no encoding' },
  { id: 'A15', rule: 'names such as __proto__ change nothing' },
  { id: 'A16', rule: 'no input makes parsing more than linear work' },
  { id: 'A17', rule: 'input in segments of one octet is linear work' },
  { id: 'A18', rule: 'who exists can be told neither by text nor by the time of the answer' },
  { id: 'A19', rule: 'guesses are limited by address, network, user and both' },
  { id: 'A20', rule: 'shared addresses of large providers can be exempt' },
  { id: 'A21', rule: "slow clients are let go in each phase, by a clock that they can't set back" },
  { id: 'A22', rule: 'memory of a connection is bounded before and after login' },
  { id: 'A23', rule: 'who does not read stops the other side; who vanished is found' },
  { id: 'A24', rule: 'a client that leaves at any step leaves nothing open' },
  { id: 'A25', rule: 'no renegotiation, no old TLS, no growth by SNI' },
  { id: 'A26', rule: 'loops of proxies are refused' },
  { id: 'A27', rule: 'the directory can aim only at nodes of the table' },
  { id: 'A28', rule: "parallel sessions never get each other's octets" },
  {
    id: 'A29',
    rule: 'octets behind a login are used once, by the proxy if refused, by the node if accepted',
  },
  { id: 'A30', rule: 'what a client sends early never enters the dialogue with the node' },
  {
    id: 'A31',
    rule: "secrets stand in files of the owner's alone, not in arguments or environment; no inspector",
  },
  { id: 'A32', rule: 'a proof is worth nothing in another session or at another node' },
  { id: 'A33', rule: 'directory servers are verified, and referrals never followed with credentials' },
  { id: 'A34', rule: 'the entry that was found is the one that is bound and authorised' },
  { id: 'A35', rule: 'only attributes that are needed are asked for, no password' },
  { id: 'A36', rule: 'the admin listener is on the loopback address and gives no more than it must' },
  { id: 'A37', rule: 'dependencies are few, locked, and run no script when installed' },
  { id: 'A38', rule: "one slow directory operation delays nobody else's" },
  { id: 'A39', rule: "a storm of logins after a node's restart is smoothed" },
  { id: 'A40', rule: 'no client can leave its login by UNAUTHENTICATE and speak on as the proxy' },
];

const HOSTILE_NODES: readonly Rule[] = [
  { id: 'H1', rule: 'greets without the STARTTLS that is required' },
  { id: 'H2', rule: 'refuses STARTTLS, or answers it by +' },
  { id: 'H3', rule: 'hides its capabilities, or is no IMAP4rev1' },
  { id: 'H4', rule: 'greets by PREAUTH' },
  { id: 'H5', rule: 'greets by BYE, NO, BAD, a tag or garbage' },
  { id: 'H6', rule: 'puts answers behind its consent to TLS' },
  { id: 'H7', rule: 'puts untagged text, ALERT or BYE around its OK' },
  { id: 'H8', rule: 'sends untagged answers of other states' },
  { id: 'H9', rule: 'refers the client elsewhere' },
  { id: 'H10', rule: "writes texts for the user's eyes" },
  { id: 'H11', rule: 'offers sixty mechanisms, unknown or weaker ones, or a list without end' },
  { id: 'H12', rule: 'says UTF8=ONLY, or 8-bit octets' },
  { id: 'H13', rule: 'sends challenges that are none, too long or without end' },
  { id: 'H14', rule: 'repeats challenges, breaks SCRAM, or asks for endless work' },
  { id: 'H15', rule: 'says OK before it proved itself' },
  { id: 'H16', rule: 'is slow' },
  { id: 'H17', rule: 'says its OK with 9 KiB of text, NUL, bare CR or LF' },
  { id: 'H18', rule: 'closes or resets behind its OK' },
  { id: 'H19', rule: 'sends data right behind its OK' },
  { id: 'H20', rule: 'has a certificate of another name, CA or time' },
  { id: 'H21', rule: 'POP3: refuses in the greeting or at a later step' },
  { id: 'H22', rule: 'POP3: has +OK inside other lines' },
  {
    id: 'H23',
    rule: 'is another node than dialled, by a wire that is swapped in between',
    untested: 'TLS with a verified name shows it (H20); without TLS nothing could',
  },
  { id: 'H24', rule: 'says UNAVAILABLE' },
  { id: 'H25', rule: 'refuses to be told whose login it is' },
  {
    id: 'H26',
    rule: 'trusts everyone',
    untested:
      'a wrong proof on purpose would count as an attack at an honest node: `doctor` is to try it when an operator asks',
  },
];

/** All rules, in the order of the table. */
export const RULES: readonly RuleGroup[] = [
  { title: 'IMAP', rules: IMAP },
  { title: 'IMAP extensions', rules: IMAP_EXTENSIONS },
  { title: 'SASL mechanisms', rules: MECHANISMS },
  { title: 'POP3', rules: POP3 },
  { title: 'PROXY protocol', rules: BALANCERS },
  { title: 'Clients', rules: TRANSCRIPTS },
  { title: 'Attacks', rules: ATTACKS },
  { title: 'Hostile nodes', rules: HOSTILE_NODES },
  { title: 'Faults', rules: FAULTS },
];
