/** Logging in at a node as a proxy does, step by step, with nothing of the proxy but its SASL mechanisms. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SaslClient } from '../../auth/sasl.ts';
import { Wire, type WireTarget } from './wire.ts';

/** What a proxy tells a Dovecot node before it proves itself. */
export interface Announcement {
  readonly address: string;
  readonly session: string;
  /** Home, uid, gid and quota. */
  readonly forward: Readonly<Record<string, string>>;
}

/** A connection on which a login was tried, with the node's answer. Whoever tried it disposes of it. */
export interface TriedLogin extends AsyncDisposable {
  readonly wire: Wire;
  /** `closed` when the node closed the connection without an answer. */
  readonly answer: string;
}

/** Tries an IMAP login. The answer is the tagged line without its tag. */
export async function imapLogin(
  target: WireTarget,
  sasl: SaslClient,
  announced?: Announcement,
): Promise<TriedLogin> {
  const wire = await Wire.open(target);
  await wire.line();
  if (announced !== undefined) {
    const { address, session, forward } = announced;
    const fields = [
      ['x-originating-ip', address],
      ['x-session-id', session],
      ...Object.entries(forward).map(([name, value]) => [`x-forward-${name}`, value]),
    ];
    wire.send(
      `i ID (${fields
        .flat()
        .map((text) => `"${text}"`)
        .join(' ')})`,
    );
    await wire.linesUntil(/^i /);
  }
  const initial = announced === undefined ? undefined : sasl.initialResponse();
  wire.send(
    `a AUTHENTICATE ${sasl.mechanism}${initial === undefined ? '' : ` ${initial.toString('base64')}`}`,
  );
  return tried(wire, (await answered(wire, sasl, { ...LINES, final: /^a / }))?.slice(2));
}

/** Tries a POP3 login. */
export async function pop3Login(
  target: WireTarget,
  sasl: SaslClient,
  announced?: Announcement,
): Promise<TriedLogin> {
  const wire = await Wire.open(target);
  await wire.line();
  await announce(wire, announced);
  const initial = sasl.initialResponse();
  wire.send(`AUTH ${sasl.mechanism}${initial === undefined ? '' : ` ${initial.toString('base64')}`}`);
  return tried(wire, await answered(wire, sasl, { ...LINES, final: /^(?:\+OK|-ERR)/ }));
}

/** Tries a ManageSieve login. */
export async function sieveLogin(
  target: WireTarget,
  sasl: SaslClient,
  announced?: Announcement,
): Promise<TriedLogin> {
  const wire = await Wire.open(target);
  await wire.linesUntil(/^OK /);
  await settled(target);
  await announce(wire, announced);
  await settled(target);
  wire.send(`AUTHENTICATE "${sasl.mechanism}" "${sasl.initialResponse()?.toString('base64')}"`);
  return tried(
    wire,
    await answered(wire, sasl, { ...STRINGS, final: /^(?:OK|NO|BYE) /, settled: () => settled(target) }),
  );
}

/** Dovecot 2.3's managesieve-login overlooks what comes in TLS while it is still writing. */
async function settled({ ca }: WireTarget): Promise<void> {
  await sleep(ca === undefined ? 0 : 50);
}

async function announce(wire: Wire, announced: Announcement | undefined): Promise<void> {
  if (announced === undefined) {
    return;
  }
  const { address, session, forward } = announced;
  const fields = Object.entries(forward)
    .map(([name, value]) => `${name}=${value}`)
    .join('\t');
  wire.send(`XCLIENT ADDR=${address} SESSION=${session} FORWARD=${Buffer.from(fields).toString('base64')}`);
  await wire.line();
}

/** The subject of the first message, which says what node this is. */
export async function firstSubject({ wire }: TriedLogin, protocol: 'imap' | 'pop3'): Promise<string> {
  const commands = {
    imap: ['s SELECT INBOX', 'f FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]'],
    pop3: ['TOP 1 0'],
  };
  for (const command of commands[protocol]) {
    wire.send(command);
  }
  const lines = await wire.linesUntil(protocol === 'imap' ? /^f / : /^\.$/);
  return lines.find((line) => line.startsWith('Subject: ')) ?? lines.join('\n');
}

function tried(wire: Wire, answer = 'closed'): TriedLogin {
  return { wire, answer, [Symbol.asyncDispose]: () => wire[Symbol.asyncDispose]() };
}

/** How a protocol carries challenges and responses. */
interface Framing {
  readonly final: RegExp;
  /** Finds the base64 of a challenge. */
  readonly challenge: RegExp;
  readonly response: (encoded: string) => string;
  /** Waits until the peer may be spoken to. */
  readonly settled?: () => Promise<void>;
}

const LINES = { challenge: /^\+ ?(.*)$/, response: (encoded: string) => encoded };
const STRINGS = { challenge: /^"(.*)"$/, response: (encoded: string) => `"${encoded}"` };

async function answered(wire: Wire, sasl: SaslClient, framing: Framing): Promise<string | undefined> {
  for (;;) {
    const line = await wire.lineOrEnd();
    if (line === undefined || framing.final.test(line)) {
      return line;
    }
    const [, challenge] = framing.challenge.exec(line) ?? [];
    if (challenge !== undefined) {
      const response = await sasl.respond(Buffer.from(challenge.trim(), 'base64'));
      await framing.settled?.();
      wire.send(framing.response(response.toString('base64')));
    }
  }
}
