/** A login through the proxy at a node that misbehaves in one way, and is an ordinary one in all others. */
import { expect } from 'vitest';
import type { Event } from '../../src/events.ts';
import { type Answer, HostileNode } from './hostile-node.ts';
import { type ProxyBefore, type ProxyTerms, proxyBefore } from './proxy-before.ts';
import { TestCa } from './test-ca.ts';
import { Wire } from './wire.ts';

/** What the proxy does next at a node. */
export type NodeStep = 'starttls' | 'capability' | 'announce' | 'authenticate' | 'response' | 'relayed';
export type TlsMode = 'none' | 'implicit' | 'starttls';

/** How a node misbehaves. Its own texts have the word EVIL, so that they are found wherever they turn up. */
export interface Misbehaviour {
  /** The rule's id, and what the node does. */
  readonly name: string;
  readonly greeting?: Answer;
  /** Its answers where they aren't ordinary; `silence` is none. */
  readonly on?: Partial<Record<NodeStep, Answer | 'silence'>>;
  /** Where it makes sense; everywhere by default. */
  readonly modes?: readonly TlsMode[];
  readonly kind?: ProxyTerms['node']['kind'];
  readonly trust?: ProxyTerms['node']['trust'];
  readonly dribbleMs?: number;
  readonly nodeMs?: number;
  /** What becomes of the login; unavailable by default. */
  readonly answer?: 'in' | 'inUse' | 'tooMany' | 'notAllowed';
}

type ProtocolName = 'imap' | 'pop3';

const MODES: readonly TlsMode[] = ['none', 'implicit', 'starttls'];
const PROOF = /AUTHENTICATE|AUTH |XCLIENT|x-originating|^[A-Za-z0-9+/]{12,}={0,2}$/;
const ca = new TestCa('CA of nodes that misbehave');
const certificate = ca.issue({ commonName: 'node' });

const GOOD: Readonly<Record<ProtocolName, Readonly<Record<NodeStep | 'greeting', string>>>> = {
  imap: {
    greeting: '* OK [CAPABILITY IMAP4rev1 ID STARTTLS AUTH=CRAM-SHA256] EVIL ready\r\n',
    starttls: 'S OK EVIL go\r\n',
    capability: '* CAPABILITY IMAP4rev1 ID STARTTLS AUTH=CRAM-SHA256\r\nC OK EVIL done\r\n',
    announce: '* ID ("name" "EVIL")\r\nI OK EVIL noted\r\n',
    authenticate: '+ PDFAbm9kZT4=\r\n',
    response: 'L OK [CAPABILITY IMAP4rev1 IDLE] EVIL in\r\n',
    relayed: 'n OK by the node\r\n',
  },
  pop3: {
    greeting: '+OK [XCLIENT] EVIL ready\r\n',
    starttls: '+OK EVIL go\r\n',
    capability: '-ERR EVIL\r\n',
    announce: '+OK EVIL noted\r\n',
    authenticate: '+ PDFAbm9kZT4=\r\n',
    response: '+OK EVIL in\r\n',
    relayed: '+OK by the node\r\n',
  },
};

const LOGIN = { imap: 'a LOGIN u p', pop3: 'USER u\r\nPASS p' } as const;
const NOOP = { imap: 'n NOOP', pop3: 'NOOP' } as const;
const ANSWERS = {
  imap: {
    unavailable: /^a NO \[UNAVAILABLE\] Temporary failure; try again later\. \[ref:[\w-]{22}\]$/,
    tooMany: /^a NO \[LIMIT\] Too many connections\.$/,
    inUse: /^a NO \[INUSE\] The mailbox is in use; try again later\.$/,
    notAllowed: /^a NO \[CONTACTADMIN\] /,
    in: /^a OK \[CAPABILITY IMAP4rev1 IDLE\] Logged in$/,
    noop: /^n OK /,
  },
  pop3: {
    unavailable: /^-ERR \[SYS\/TEMP\] Temporary failure; try again later\. \[ref:[\w-]{22}\]$/,
    tooMany: /^-ERR \[IN-USE\] Too many connections\.$/,
    inUse: /^-ERR \[IN-USE\] The maildrop is in use; try again later\.$/,
    notAllowed: /^-ERR \[SYS\/PERM\] /,
    in: /^\+OK Logged in\.$/,
    noop: /^\+OK/,
  },
} as const;

/** Each misbehaviour in each way to speak to a node in which it makes sense. */
export function inAllModes(rows: readonly Misbehaviour[]): readonly [string, TlsMode, Misbehaviour][] {
  return rows.flatMap((row) =>
    (row.modes ?? MODES).map((mode) => [row.name, mode, row] as const).map(([...all]) => all),
  );
}

/** Logs in at a node that misbehaves, and expects all that holds of every one of them. */
export async function expectWithstood(
  protocol: ProtocolName,
  mode: TlsMode,
  row: Misbehaviour,
): Promise<void> {
  await using node = await startNode(protocol, mode, row);
  await using running = await startBefore(protocol, mode, node, row);
  await using client = await Wire.open({ port: running.port });
  await client.line();
  client.send(LOGIN[protocol]);
  if (protocol === 'pop3') {
    expect(await client.line()).toBe('+OK');
  }

  const answer = await client.line();
  const login = await running.event('login');

  expect(answer).toMatch(ANSWERS[protocol][row.answer ?? 'unavailable']);
  if (mode !== 'none') {
    expect(node.heardInClear.filter((line) => PROOF.test(line))).toEqual([]);
  }
  await expectToldOperator(running, login, row);
  client.send(NOOP[protocol]);
  expect(await client.line()).toMatch(row.answer === 'in' ? /by the node/ : ANSWERS[protocol].noop);
}

async function startNode(protocol: ProtocolName, mode: TlsMode, row: Misbehaviour): Promise<HostileNode> {
  const good = GOOD[protocol];
  const answerTo = (step: NodeStep): Answer => {
    const own = row.on?.[step];
    return own === 'silence' ? undefined : (own ?? good[step]);
  };
  let loggedIn = false;
  return await HostileNode.start(
    {
      greeting: row.greeting ?? good.greeting,
      reply: (line) => {
        const asked = stepOf(line);
        const step = loggedIn && asked === 'response' ? 'relayed' : asked;
        loggedIn ||= step === 'response';
        return answerTo(step);
      },
      ...(row.dribbleMs === undefined ? {} : { dribbleMs: row.dribbleMs }),
    },
    { mode, certificate },
  );
}

async function startBefore(
  protocol: ProtocolName,
  mode: TlsMode,
  { port }: HostileNode,
  { kind, trust, nodeMs }: Misbehaviour,
): Promise<ProxyBefore> {
  const verified = { ca: Buffer.from(ca.certificate), serverName: 'localhost', pin: undefined };
  return await proxyBefore({
    protocol,
    node: {
      port,
      tls: mode === 'none' ? { mode } : { mode, ...verified },
      ...(kind === undefined ? {} : { kind }),
      ...(trust === undefined ? {} : { trust }),
    },
    times: nodeMs === undefined ? {} : { nodeMs },
  });
}

/** The log says which node it was and why, and the node's failures are counted. */
async function expectToldOperator(
  running: ProxyBefore,
  login: Extract<Event, { event: 'login' }>,
  { answer }: Misbehaviour,
): Promise<void> {
  const metrics = await running.metrics();

  expect(metrics).toContain(`homing_node_logins_total{node="home",result="${login.result}"} 1`);
  expect(running.events.filter(({ event }) => event === 'bug')).toEqual([]);
  if (answer === 'in') {
    expect(login.result).toBe('ok');
  } else {
    expect(login.result).toMatch(answer === 'notAllowed' ? /^homeNotAllowed$/ : /^node[A-Z]/);
    expect(login.detail).toMatch(/^(?:node home: .|TLS to )/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may stand in a log line.
    expect(login.detail).not.toMatch(/[\x00-\x1f\x7f-\uffff]/);
  }
}

function stepOf(line: string): NodeStep {
  if (/^(?:S STARTTLS|STLS)$/.test(line)) {
    return 'starttls';
  }
  if (line === 'C CAPABILITY') {
    return 'capability';
  }
  if (/^(?:I ID|XCLIENT) /.test(line)) {
    return 'announce';
  }
  return /^(?:L AUTHENTICATE|AUTH) /.test(line) ? 'authenticate' : 'response';
}
