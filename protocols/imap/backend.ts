import { LoginFailure, type Reason } from '../../auth/failure.ts';
import type { Channel } from '../channel.ts';
import { bareWords, NodeDialogue, offersUnauthenticate } from '../node-dialogue.ts';
import type { NodeSession, NodeTerms, Origin } from '../protocol.ts';

/** Dovecot takes no longer field values; Dovecot 2.3 drops all fields where one name is longer. */
const MAX_ID_VALUE_OCTETS = 1024;
const CAPABILITY = /^[\x21\x23\x24\x26\x27\x2b-\x5b\x5e-\x7a\x7c-\x7e]+$/;
const MAX_CAPABILITIES = 200;
const MAX_CAPABILITY_OCTETS = 64;
/** Behind the login they mean nothing, or would let a client leave its identity under the proxy's trust (RFC 8437). */
const NOT_FOR_CLIENTS = /^(?:AUTH=.*|STARTTLS|LOGINDISABLED|SASL-IR|LOGIN-REFERRALS|UNAUTHENTICATE)$/i;
/** What a node's refusal means, by its response code (RFC 5530). Without one of these it refused the proxy. */
const REFUSALS: ReadonlyMap<string, Reason> = new Map([
  ['LIMIT', 'nodeLimit'],
  ['INUSE', 'nodeInUse'],
  ['UNAVAILABLE', 'nodeUnreachable'],
  ['SERVERBUG', 'nodeUnreachable'],
]);
/** Of the proof; Courier has no codes. */
const OF_PROOF: readonly (string | undefined)[] = ['AUTHENTICATIONFAILED', 'AUTHORIZATIONFAILED', undefined];

/**
 * Logs in at an IMAP node: TLS, who the client is by ID (RFC 2971), the proof. Nothing is pipelined: what a node must
 * know of the account has to be taken before the proof is given.
 * @throws {LoginFailure}
 */
export async function loginToImapNode(channel: Channel, terms: NodeTerms): Promise<NodeSession> {
  const dialogue = new NodeDialogue(channel, terms.sasl, bareWords);
  try {
    let capabilities = await hearGreeting(dialogue);
    if (terms.startTls) {
      capabilities = await startTls(dialogue, capabilities);
    }
    if (terms.announce !== undefined) {
      await announce(dialogue, terms.announce, capabilities);
    }
    const welcome = await prove(dialogue, capabilities);
    requireImap(dialogue, welcome);
    if (welcome.includes('UNAUTHENTICATE') && terms.allowUnauthenticate !== true) {
      // RFC 8437.
      throw offersUnauthenticate(dialogue);
    }
    const { transport, residual } = dialogue.channel.detach();
    return {
      transport,
      residual,
      welcome: { capabilities: welcome.filter((name) => !NOT_FOR_CLIENTS.test(name)) },
    };
  } catch (error) {
    dialogue.channel.close('Q LOGOUT\r\n');
    throw dialogue.failureFrom(error);
  }
}

async function hearGreeting(dialogue: NodeDialogue): Promise<readonly string[]> {
  const greeting = await dialogue.hear();
  // PREAUTH would be somebody's mailbox, and nobody asked whose.
  if (!/^\* OK( |$)/i.test(greeting)) {
    const reason = /^\* BYE( |$)/i.test(greeting) ? 'nodeUnreachable' : 'nodeBrokeProtocol';
    throw dialogue.failure(reason, greeting);
  }
  return capabilityCode(greeting) ?? (await askCapabilities(dialogue));
}

/** A node's list is said to the client as it is, so it must be one. */
function requireImap(dialogue: NodeDialogue, capabilities: readonly string[]): void {
  if (!capabilities.some((name) => /^IMAP4rev[12]$/i.test(name))) {
    throw dialogue.failure('nodeBrokeProtocol', 'the node names neither IMAP4rev1 nor IMAP4rev2');
  }
}

async function startTls(dialogue: NodeDialogue, offered: readonly string[]): Promise<readonly string[]> {
  if (!offered.includes('STARTTLS')) {
    throw dialogue.failure('nodeBrokeProtocol', 'the node offers no STARTTLS, and TLS is required');
  }
  dialogue.say('asking for STARTTLS', 'S STARTTLS');
  const { ok, line } = await hearTagged(dialogue, 'S');
  if (!ok) {
    throw dialogue.failure('nodeBrokeProtocol', line);
  }
  await dialogue.startTls();
  return await askCapabilities(dialogue);
}

async function announce(
  dialogue: NodeDialogue,
  origin: Origin,
  capabilities: readonly string[],
): Promise<void> {
  if (!capabilities.includes('ID')) {
    throw dialogue.failure('nodeBrokeProtocol', 'the node has no ID, so it cannot be told whose login it is');
  }
  const fields = [
    ['x-session-id', origin.sessionId],
    ['x-originating-ip', origin.client.ip],
    ['x-originating-port', String(origin.client.port)],
    ['x-connected-ip', origin.listener.ip],
    ['x-connected-port', String(origin.listener.port)],
    ['x-proxy-ttl', String(origin.ttl)],
    ...[...origin.forwarded].map(([name, value]) => [`x-forward-${name}`, value] as const),
  ] as const;
  const list = fields.map(([name, value]) => `"${name}" ${quote(name, value)}`).join(' ');
  dialogue.say('announcing the client by ID', `I ID (${list})`);
  const { ok, line } = await hearTagged(dialogue, 'I');
  if (!ok) {
    throw dialogue.failure('nodeBrokeProtocol', line);
  }
}

async function prove(dialogue: NodeDialogue, capabilities: readonly string[]): Promise<readonly string[]> {
  const saslIr = capabilities.includes('SASL-IR');
  dialogue.say(
    'proving',
    dialogue.openExchange('L AUTHENTICATE', () => saslIr),
  );
  let untagged: readonly string[] | undefined;
  for (;;) {
    const line = await dialogue.hear();
    if (line.startsWith('+')) {
      await dialogue.answerChallenge(line.slice(1).trim());
    } else if (/^L OK( |$)/i.test(line)) {
      dialogue.requireProof();
      return capabilityCode(line) ?? untagged ?? (await askCapabilities(dialogue));
    } else if (/^L (?:NO|BAD)( |$)/i.test(line)) {
      throw refusal(dialogue, line);
    } else {
      untagged = hearUntagged(dialogue, line) ?? untagged;
    }
  }
}

function refusal(dialogue: NodeDialogue, line: string): LoginFailure {
  const [, said, argument = ''] = /^L NO \[([A-Z-]+)(?: ([^\]]*)\])?/i.exec(line) ?? [];
  const code = said?.toUpperCase();
  const referral = code === 'REFERRAL' ? dialogue.referral(argument, line) : undefined;
  if (referral !== undefined) return referral;
  // BAD is said to what the node can't read (RFC 9051 section 7.1.3).
  if (OF_PROOF.includes(code) && /^L NO/i.test(line)) return dialogue.refusal(line);
  return dialogue.failure(REFUSALS.get(code ?? '') ?? 'nodeRefusedProxy', line);
}

async function askCapabilities(dialogue: NodeDialogue): Promise<readonly string[]> {
  dialogue.say('asking for capabilities', 'C CAPABILITY');
  const { ok, line, capabilities } = await hearTagged(dialogue, 'C');
  if (!ok || capabilities === undefined) {
    throw dialogue.failure('nodeBrokeProtocol', line);
  }
  return capabilities;
}

async function hearTagged(dialogue: NodeDialogue, tag: string) {
  let capabilities: readonly string[] | undefined;
  for (;;) {
    const line = await dialogue.hear();
    const [, status] = new RegExp(`^${tag} (OK|NO|BAD)(?: |$)`, 'i').exec(line) ?? [];
    if (status !== undefined) {
      return { ok: status.toUpperCase() === 'OK', line, capabilities };
    }
    capabilities = hearUntagged(dialogue, line) ?? capabilities;
  }
}

/** Takes the only untagged answer that matters before the relay; the others are dropped (RFC 9051 section 7). */
function hearUntagged(dialogue: NodeDialogue, line: string): readonly string[] | undefined {
  if (/^\* BYE( |$)/i.test(line)) {
    throw dialogue.failure('nodeUnreachable', line);
  }
  if (!line.startsWith('* ')) {
    throw dialogue.failure('nodeBrokeProtocol', line);
  }
  const [, list] = /^\* CAPABILITY (.+)$/i.exec(line) ?? [];
  return list === undefined ? undefined : splitCapabilities(list);
}

function capabilityCode(line: string): readonly string[] | undefined {
  const [, list] = /^\S+ OK \[CAPABILITY ([^\]]+)\]/i.exec(line) ?? [];
  return list === undefined ? undefined : splitCapabilities(list);
}

// Only what the grammar allows (RFC 9051 section 9), since it is said to the client again.
function splitCapabilities(list: string): readonly string[] {
  return list
    .split(' ', MAX_CAPABILITIES)
    .filter((name) => name.length <= MAX_CAPABILITY_OCTETS && CAPABILITY.test(name));
}

function quote(name: string, value: string): string {
  if (/[\0\r\n]/.test(value) || Buffer.byteLength(value) > MAX_ID_VALUE_OCTETS) {
    throw new LoginFailure(
      'directoryFault',
      `the value of "${name}" is too long for ID, or holds a line end or NUL`,
    );
  }
  return `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
}
