/** A client's session by hand, in both protocols, so that one test can say what holds in both. */
import type { TlsMode } from './running-proxy.ts';
import { Wire, type WireTarget } from './wire.ts';

export type ProtocolName = 'imap' | 'pop3';

let clients = 0;

/** An address that no client had before in this file: what is throttled or counted by client starts at nothing. */
export function newClient(): string {
  clients += 1;
  return `127.1.${clients >> 8}.${clients & 0xff}`;
}

/** A connection that has been greeted, in TLS where that was asked for. */
export async function openSession(
  protocol: ProtocolName,
  target: { readonly tls: TlsMode; readonly ca: string } & WireTarget,
): Promise<Wire> {
  const { tls, ca, ...wired } = target;
  const wire = await Wire.open({ ...wired, ...(tls === 'implicit' ? { ca } : {}) });
  await wire.line();
  if (tls === 'starttls') {
    wire.send(protocol === 'imap' ? 's STARTTLS' : 'STLS');
    await wire.line();
    await wire.startTls(ca);
  }
  return wire;
}

/** Logs in by command. @returns the last line of the answer. */
export async function logIn(
  protocol: ProtocolName,
  wire: Wire,
  user: string,
  password: string,
): Promise<string> {
  if (protocol === 'pop3') {
    wire.send(`USER ${user}`);
    await wire.line();
    wire.send(`PASS ${octetsOf(password)}`);
    return await wire.line();
  }
  const literal = octetsOf(password);
  wire.send(`l LOGIN "${user}" {${literal.length}+}\r\n${literal}`);
  return (await wire.linesUntil(/^l /)).at(-1) ?? '';
}

/** Reads the subject of the first message. */
export async function firstSubject(protocol: ProtocolName, wire: Wire): Promise<string> {
  let lines: string[];
  if (protocol === 'imap') {
    wire.send('x EXAMINE INBOX');
    await wire.linesUntil(/^x OK/);
    wire.send('f FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]');
    lines = await wire.linesUntil(/^f /);
  } else {
    wire.send('TOP 1 0');
    lines = await wire.linesUntil(/^\.$/);
  }
  return lines.find((line) => /^subject:/i.test(line))?.replace(/^subject: */i, '') ?? lines.join('\n');
}

/** Wires speak latin1, so that each character of it is an octet. */
function octetsOf(text: string): string {
  return Buffer.from(text).toString('latin1');
}
