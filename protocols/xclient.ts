import { LoginFailure } from '../auth/failure.ts';
import type { Origin } from './protocol.ts';

/** Dovecot's buffer for the XCLIENT line has room for about so many octets of forwarded data. */
const MAX_FORWARD_OCTETS = 600;

/**
 * The command by which Dovecot's POP3 and ManageSieve are told whose connection it is; IMAP has ID for that.
 * @throws {LoginFailure} directoryFault when the forwarded values are too long for it.
 */
export function xclientCommand({ client, sessionId, ttl, forwarded }: Origin): string {
  const forward = encodeForward(forwarded);
  const fields = [
    `ADDR=${client.ip}`,
    `PORT=${client.port}`,
    `SESSION=${sessionId}`,
    `TTL=${ttl}`,
    ...(forward === '' ? [] : [`FORWARD=${forward}`]),
  ];
  return `XCLIENT ${fields.join(' ')}`;
}

/** Dovecot's FORWARD: `key=value`, tab-escaped, joined by TAB, in base64. */
function encodeForward(forwarded: ReadonlyMap<string, string>): string {
  const text = [...forwarded].map(([name, value]) => `${name}=${escapeTab(value)}`).join('\t');
  if (Buffer.byteLength(text) > MAX_FORWARD_OCTETS) {
    throw new LoginFailure(
      'directoryFault',
      `the forwarded values have more than ${MAX_FORWARD_OCTETS} octets, which XCLIENT cannot carry`,
    );
  }
  return Buffer.from(text).toString('base64');
}

const TAB_ESCAPES: Readonly<Record<string, string>> = {
  '\0': '\x010',
  '\x01': '\x011',
  '\t': '\x01t',
  '\r': '\x01r',
  '\n': '\x01n',
};

function escapeTab(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is escaped.
  return value.replaceAll(/[\0\x01\t\r\n]/g, (character) => TAB_ESCAPES[character] ?? '');
}
