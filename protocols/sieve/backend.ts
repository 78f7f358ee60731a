import { setTimeout as sleep } from 'node:timers/promises';
import type { LoginFailure, Reason } from '../../auth/failure.ts';
import type { Channel } from '../channel.ts';
import { NodeDialogue, type NodeFraming, offersUnauthenticate } from '../node-dialogue.ts';
import type { NodeSession, NodeTerms, Origin } from '../protocol.ts';
import { xclientCommand } from '../xclient.ts';
import { readSentence, stringOf, type Word, writeString } from './command.ts';

/**
 * How long Dovecot in TLS is left alone behind each thing that it said. The managesieve-login of 2.3 waits for its
 * socket alone: what arrives while it is still writing is taken from there, and then noticed only when more comes. 2.4
 * does not, but says nothing of its version before a login.
 */
const SETTLE_MS = 50;
const DOVECOT = /dovecot/i;

/** What a node says: one of its capabilities or a challenge, or the status that ends a response. */
type Response =
  | { readonly kind: 'strings'; readonly first: Buffer; readonly second: Buffer | undefined }
  | {
      readonly kind: 'OK' | 'NO' | 'BYE';
      /** The response code, in upper case; empty where there is none. */
      readonly code: string;
      /** The string that belongs to the code. */
      readonly argument: Buffer | undefined;
      /** The whole of it, for the log. */
      readonly text: string;
    };
type Status = Exclude<Response, { readonly kind: 'strings' }>;

/** Capabilities by name in upper case, with their first value, which not all have. */
type Capabilities = ReadonlyMap<string, string>;

/** Strings of base64, as RFC 5804 section 2.1 has them. */
const STRINGS: NodeFraming = {
  opening: (mechanism, initial) =>
    [mechanism, initial].flatMap((text) => (text === undefined ? [] : [clientString(text)])).join(' '),
  response: clientString,
};

/**
 * Logs in at a ManageSieve node: TLS, who the client is by Dovecot's XCLIENT, the proof. Nothing is pipelined.
 * @throws {LoginFailure}
 */
export async function loginToSieveNode(channel: Channel, terms: NodeTerms): Promise<NodeSession> {
  const dialogue = new NodeDialogue(channel, terms.sasl, STRINGS);
  try {
    let capabilities = await hearCapabilities(dialogue);
    const node: SieveNode = { dialogue, settles: isDovecot(terms, capabilities) };
    if (terms.startTls) {
      capabilities = await startTls(node, capabilities);
    }
    if (terms.announce !== undefined) {
      await announce(node, terms.announce, capabilities);
    }
    await prove(node);
    if (terms.allowUnauthenticate !== true) {
      await requireLoginForGood(node);
    }
    return { ...dialogue.channel.detach(), welcome: { capabilities: [] } };
  } catch (error) {
    dialogue.channel.close('LOGOUT\r\n');
    throw dialogue.failureFrom(error);
  }
}

/** A node behind its greeting. */
interface SieveNode {
  readonly dialogue: NodeDialogue;
  /** Whether it must be left alone behind each thing that it said in TLS. */
  readonly settles: boolean;
}

/** Dovecot alone is told whose connection it is; one whose entry says `generic` tells what it is by itself. */
function isDovecot({ announce: origin }: NodeTerms, capabilities: Capabilities): boolean {
  return origin !== undefined || DOVECOT.test(capabilities.get('IMPLEMENTATION') ?? '');
}

async function startTls(node: SieveNode, offered: Capabilities): Promise<Capabilities> {
  const { dialogue } = node;
  if (!offered.has('STARTTLS')) {
    throw dialogue.failure('nodeBrokeProtocol', 'the node offers no STARTTLS, and TLS is required');
  }
  await say(node, 'asking for STARTTLS', 'STARTTLS');
  await hearOk(dialogue);
  await dialogue.startTls();
  // RFC 5804 section 2.2: the node lists its capabilities again, unasked.
  return await hearCapabilities(dialogue);
}

async function announce(node: SieveNode, origin: Origin, capabilities: Capabilities): Promise<void> {
  const { dialogue } = node;
  // Dovecot lists it to those that it believes.
  if (!capabilities.has('XCLIENT')) {
    if (origin.forwarded.size === 0) {
      return;
    }
    throw dialogue.failure(
      'nodeRefusedProxy',
      'the node has no XCLIENT: this proxy is not in the login_trusted_networks of the node',
    );
  }
  await say(node, 'announcing the client by XCLIENT', xclientCommand(origin));
  await hearOk(dialogue);
}

async function prove(node: SieveNode): Promise<void> {
  const { dialogue } = node;
  await say(
    node,
    'proving',
    dialogue.openExchange('AUTHENTICATE', () => true),
  );
  for (;;) {
    const response = await hear(dialogue);
    if (response.kind === 'strings') {
      await settle(node);
      await dialogue.answerChallenge(response.first.toString('latin1'));
    } else if (response.kind === 'OK') {
      // Dovecot says what SCRAM says last in a challenge, others in the OK (RFC 5804 section 1.3).
      if (response.code === 'SASL') {
        await dialogue.hearLast(response.argument?.toString('latin1') ?? '');
      }
      dialogue.requireProof();
      return;
    } else {
      const url = response.code === 'REFERRAL' ? response.argument?.toString('latin1') : undefined;
      const referral = url === undefined ? undefined : dialogue.referral(url, response.text);
      const isOfProof = response.kind === 'NO' && response.code === '';
      throw (
        referral ??
        (isOfProof ? dialogue.refusal(response.text) : refusal(dialogue, response, 'nodeRefusedProxy'))
      );
    }
  }
}

/**
 * By UNAUTHENTICATE (RFC 5804 section 2.14.1) a client could leave its login and, on a connection that the node takes
 * for this proxy's, log in as it likes: say where others come from, and guess their passwords unseen.
 */
async function requireLoginForGood(node: SieveNode): Promise<void> {
  const { dialogue } = node;
  await say(node, 'asking for capabilities', 'CAPABILITY');
  const capabilities = await hearCapabilities(dialogue);
  if (capabilities.has('UNAUTHENTICATE')) {
    throw offersUnauthenticate(dialogue);
  }
}

async function say(node: SieveNode, step: string, line: string): Promise<void> {
  await settle(node);
  node.dialogue.say(step, line);
}

async function settle({ dialogue, settles }: SieveNode): Promise<void> {
  if (settles && dialogue.channel.tls !== undefined) {
    await sleep(SETTLE_MS);
  }
}

/** Hears a list of capabilities and the OK behind it: the greeting, or the answer to CAPABILITY. */
async function hearCapabilities(dialogue: NodeDialogue): Promise<Capabilities> {
  const capabilities = new Map<string, string>();
  for (;;) {
    const response = await hear(dialogue);
    if (response.kind !== 'strings') {
      requireOk(dialogue, response);
      return capabilities;
    }
    const name = response.first.toString('latin1').toUpperCase();
    capabilities.set(name, response.second?.toString('latin1') ?? '');
  }
}

async function hearOk(dialogue: NodeDialogue): Promise<void> {
  const response = await hear(dialogue);
  if (response.kind === 'strings') {
    throw dialogue.failure('nodeBrokeProtocol', response.first.toString('latin1'));
  }
  requireOk(dialogue, response);
}

function requireOk(dialogue: NodeDialogue, status: Status): void {
  if (status.kind !== 'OK') {
    throw refusal(dialogue, status, 'nodeUnreachable');
  }
}

function refusal(dialogue: NodeDialogue, { kind, code, text }: Status, otherwise: Reason): LoginFailure {
  return dialogue.failure(kind === 'BYE' || code === 'TRYLATER' ? 'nodeUnreachable' : otherwise, text);
}

async function hear(dialogue: NodeDialogue): Promise<Response> {
  const { verb, words } = await dialogue.hearBy(readSentence);
  const [first, ...rest] = words ?? [];
  if (first?.kind === 'string') {
    return { kind: 'strings', first: first.octets, second: stringOf(rest[0]) };
  }
  const kind = first?.kind === 'atom' ? first.text.toUpperCase() : '';
  if (kind !== 'OK' && kind !== 'NO' && kind !== 'BYE') {
    throw dialogue.failure('nodeBrokeProtocol', words === undefined ? verb : textOf(words));
  }
  const [open, code, argument] = rest;
  const named = open?.kind === '(' && code?.kind === 'atom';
  return {
    kind,
    code: named ? code.text.toUpperCase() : '',
    argument: named ? stringOf(argument) : undefined,
    text: textOf(words ?? []),
  };
}

function textOf(words: readonly Word[]): string {
  return words
    .map((word) => {
      switch (word.kind) {
        case 'atom':
          return word.text;
        case 'string':
          return `"${word.octets.toString('latin1')}"`;
        default:
          return word.kind;
      }
    })
    .join(' ');
}

function clientString(text: string): string {
  return writeString(Buffer.from(text), '+').toString();
}
