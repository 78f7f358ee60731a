import type { LoginFailure, Reason } from '../../auth/failure.ts';
import type { Channel } from '../channel.ts';
import { bareWords, NodeDialogue } from '../node-dialogue.ts';
import type { NodeSession, NodeTerms, Origin } from '../protocol.ts';
import { xclientCommand } from '../xclient.ts';

/** RFC 5034 section 4: an AUTH line with its initial response has at most 255 octets, CRLF included. */
const MAX_AUTH_OCTETS = 253;
/** What a node's refusal means, by its response code (RFC 2449, RFC 3206). Without one of these it refused the proxy. */
const REFUSALS: ReadonlyMap<string, Reason> = new Map([
  ['IN-USE', 'nodeInUse'],
  ['LOGIN-DELAY', 'nodeLimit'],
  ['SYS/TEMP', 'nodeUnreachable'],
]);

/**
 * Logs in at a POP3 node: TLS, who the client is by Dovecot's XCLIENT, the proof.
 * @throws {LoginFailure}
 */
export async function loginToPop3Node(channel: Channel, terms: NodeTerms): Promise<NodeSession> {
  const dialogue = new NodeDialogue(channel, terms.sasl, bareWords);
  try {
    const greeting = await hearOk(dialogue);
    if (terms.startTls) {
      dialogue.say('asking for STLS', 'STLS');
      await hearOk(dialogue);
      await dialogue.startTls();
    }
    if (terms.announce !== undefined) {
      await announce(dialogue, terms.announce, greeting);
    }
    await prove(dialogue);
    return { ...dialogue.channel.detach(), welcome: { capabilities: [] } };
  } catch (error) {
    dialogue.channel.close('QUIT\r\n');
    throw dialogue.failureFrom(error);
  }
}

async function announce(dialogue: NodeDialogue, origin: Origin, greeting: string): Promise<void> {
  // Dovecot answers +OK to everybody's XCLIENT; only its greeting tells whether it believes us.
  if (!/^\+OK \[XCLIENT\]/i.test(greeting)) {
    if (origin.forwarded.size === 0) {
      return;
    }
    throw dialogue.failure(
      'nodeRefusedProxy',
      'the greeting has no [XCLIENT]: this proxy is not in the login_trusted_networks of the node',
    );
  }
  dialogue.say('announcing the client by XCLIENT', xclientCommand(origin));
  await hearOk(dialogue);
}

async function prove(dialogue: NodeDialogue): Promise<void> {
  dialogue.say(
    'proving',
    dialogue.openExchange(
      'AUTH',
      (initial) => initial.length + 'AUTH SCRAM-SHA-256 '.length <= MAX_AUTH_OCTETS,
    ),
  );
  for (;;) {
    const line = await dialogue.hear();
    if (/^\+OK( |$)/.test(line)) {
      dialogue.requireProof();
      return;
    }
    // A challenge is "+", a space, base64; Courier is known to omit the space before nothing.
    if (!/^\+( |$)/.test(line)) {
      const [, referred] = /^-ERR \[REFERRAL\/([^\]]*)\]/i.exec(line) ?? [];
      const referral = referred === undefined ? undefined : dialogue.referral(referred, line);
      throw referral ?? refusal(dialogue, line);
    }
    await dialogue.answerChallenge(line.slice(1).trim());
  }
}

function refusal(dialogue: NodeDialogue, line: string): LoginFailure {
  const reason = refusalOf(line);
  if (reason !== undefined) return dialogue.failure(reason, line);
  // RFC 3206: AUTH is of the credentials; Courier has no codes.
  return /^-ERR (?!\[)|^-ERR \[AUTH\]|^-ERR$/i.test(line)
    ? dialogue.refusal(line)
    : dialogue.failure('nodeRefusedProxy', line);
}

async function hearOk(dialogue: NodeDialogue): Promise<string> {
  const line = await dialogue.hear();
  if (/^\+OK( |$)/.test(line)) {
    return line;
  }
  throw dialogue.failure(
    line.startsWith('-ERR') ? (refusalOf(line) ?? 'nodeUnreachable') : 'nodeBrokeProtocol',
    line,
  );
}

function refusalOf(line: string): Reason | undefined {
  if (!/^-ERR( |$)/.test(line)) {
    return 'nodeBrokeProtocol';
  }
  const [, code] = /^-ERR \[([A-Z/-]+)\]/i.exec(line) ?? [];
  return REFUSALS.get(code?.toUpperCase() ?? '');
}
