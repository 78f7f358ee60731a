import { setTimeout as sleep } from 'node:timers/promises';
import { Channel } from '../../protocols/channel.ts';
import type { MailProtocol, NodeSession, NodeTerms } from '../../protocols/protocol.ts';
import { MemoryTransport } from './memory-transport.ts';

// A proxy that says nothing may only pause: ManageSieve's does, in TLS.
const BUSY_TURNS = 50;
const QUIET_TURNS = 20;
const QUIET_TURN_MS = 10;

/** What a scripted node does with a line: says something, or `hang up`. Later octets than the last CRLF are sent too. */
export type NodeReply = (line: string, tls: boolean) => string | 'hang up' | undefined;

/** What the proxy's login at a scripted node came to. */
export interface NodeVisit {
  readonly session: NodeSession | undefined;
  readonly error: unknown;
  /** The lines that the node got, `<TLS>` where TLS was started. */
  readonly heard: readonly string[];
  readonly transport: MemoryTransport;
}

/**
 * Lets the proxy log in at a node that greets and replies as the script says; `inTls` is what it says unasked when
 * TLS was started.
 */
export async function visit(
  protocol: MailProtocol,
  greeting: string,
  reply: NodeReply,
  terms: NodeTerms & { readonly tls?: boolean; readonly clockMs?: number; readonly inTls?: string },
): Promise<NodeVisit> {
  const transport = new MemoryTransport(terms.tls ?? false);
  const channel = new Channel(transport);
  channel.startClock(terms.clockMs ?? 10_000);
  transport.feed(greeting);
  const heard: string[] = [];
  const pending = protocol.login(channel, terms).then(
    (session) => ({ session, error: undefined }),
    (error: unknown) => ({ session: undefined, error }),
  );
  let done = false;
  void pending.then(() => {
    done = true;
  });
  for (let seen = 0, idle = 0; !done && idle < BUSY_TURNS + QUIET_TURNS; ) {
    await (idle < BUSY_TURNS ? new Promise((resolve) => setImmediate(resolve)) : sleep(QUIET_TURN_MS));
    const lines = transport.output.split(/(?<=\r\n|<TLS>)/);
    const fresh = lines.slice(seen);
    idle = fresh.length === 0 || fresh[0] === '' ? idle + 1 : 0;
    for (const line of fresh) {
      if (line !== '') {
        seen += 1;
        heard.push(line.trimEnd());
        answer(
          transport.current,
          line === '<TLS>' ? terms.inTls : reply(line.trimEnd(), transport.current.tls !== undefined),
        );
      }
    }
  }
  if (!done) {
    transport.current.drop();
  }
  return { ...(await pending), heard, transport };
}

function answer(transport: MemoryTransport, words: ReturnType<NodeReply>): void {
  if (words === 'hang up') {
    transport.drop();
  } else if (words !== undefined) {
    transport.feed(words);
  }
}
