import { LoginFailure } from '../../auth/failure.ts';
import { cramClient } from '../../auth/mechanisms/cram.ts';
import { plainClient } from '../../auth/mechanisms/plain.ts';
import { scramClient } from '../../auth/mechanisms/scram.ts';
import type { SaslClient } from '../../auth/sasl.ts';
import { Secret } from '../../auth/secret.ts';
import { Channel } from '../../protocols/channel.ts';
import type { MailProtocol, NodeSession, NodeTerms } from '../../protocols/protocol.ts';
import { type Cut, FuzzTransport, feed } from './fuzz-transport.ts';
import { must } from './oracles.ts';
import type { Sample } from './sample.ts';
import { QuickKeyring, serverFinal, serverFirst } from './scram-node.ts';
import { settled, turn } from './turns.ts';

/** Turns of the event loop in which a login must be over when the node says no more. */
const MOST_TURNS = 100;
const KEY = new Secret(Buffer.from('the key of a fuzzed proxy'));
const KEYRING = new QuickKeyring();

/** What a node can say that depends on what it was told: places for the messages of SCRAM. */
export const SCRAM_FIRST = '<<server-first>>';
export const SCRAM_FINAL = '<<server-final>>';

/** How a login at a node went. */
export interface NodePlay {
  /** What the proxy said before TLS, and in it. */
  readonly clear: string;
  readonly secured: string | undefined;
  /** What the node said, in the phase that the login ended in. */
  readonly heard: string;
  readonly session: NodeSession | undefined;
  /** What the client would get of what the node said. */
  readonly residual: string;
  readonly failure: LoginFailure | undefined;
  readonly sasl: SaslClient;
  /** Whether we closed the connection. */
  readonly closed: boolean;
}

/** Reads from a sample's bits how the proxy is to speak to the node. */
export function nodeTermsOf({ variant }: Sample, service: string): NodeTerms {
  return {
    startTls: (variant & 1) !== 0,
    sasl: proofOf((variant >>> 1) & 3, service),
    announce:
      (variant & 8) === 0
        ? undefined
        : {
            client: { ip: '192.0.2.7', port: 40000 },
            listener: { ip: '192.0.2.1', port: 143 },
            sessionId: 'session-of-a-fuzzer',
            ttl: 4,
            forwarded: new Map(
              (variant & 16) === 0
                ? []
                : [
                    ['home', '/srv/"mail\\'],
                    ['uid', '5000\t1'],
                  ],
            ),
          },
  };
}

function proofOf(kind: number, service: string): SaslClient {
  switch (kind) {
    case 0:
      return plainClient('ann', 'proxy1', KEY);
    case 1:
      return cramClient('sha256', { proxy: 'proxy1', key: KEY, service, user: 'ann', facts: new Map() });
    default:
      return scramClient('ann', 'proxy1', KEYRING);
  }
}

/**
 * Plays a node that says what it was given, flight by flight, whatever the proxy says, and FIN behind the last.
 * @throws {Violation} when the login is not over then.
 * @throws what the product let through, unless it is a `LoginFailure`.
 */
export async function playNode(
  protocol: MailProtocol,
  flights: readonly string[],
  terms: NodeTerms,
  cut: Cut,
): Promise<NodePlay> {
  const transport = new FuzzTransport(false);
  let result: Pick<NodePlay, 'session' | 'failure'> | undefined;
  let bug: unknown;
  let residual = '';
  protocol.login(new Channel(transport), terms).then(
    (session) => {
      result = { session, failure: undefined };
      residual = session.residual.toString('latin1');
      session.transport.attach({
        octets(chunk) {
          residual += chunk.toString('latin1');
        },
        drained() {},
        ended() {},
        closed() {},
      });
      session.transport.resume();
    },
    (error: unknown) => {
      bug = error ?? new Error('rejected with nothing');
      result = error instanceof LoginFailure ? { session: undefined, failure: error } : undefined;
    },
  );
  let heard = '';
  let inTls = false;
  for (const flight of flights) {
    await settled(() => transport.octetsWritten, MOST_TURNS);
    if (result !== undefined || bug !== undefined) {
      break;
    }
    if (!inTls && transport.written.secured !== undefined) {
      inTls = true;
      heard = '';
    }
    const said = `${transport.written.clear}${transport.written.secured ?? ''}`;
    const text = flight
      .replaceAll(SCRAM_FIRST, () => serverFirst(said))
      .replaceAll(SCRAM_FINAL, () => serverFinal(said));
    heard += text;
    await feed(transport.current, text, cut);
  }
  await settled(() => transport.octetsWritten, MOST_TURNS);
  transport.current.finish();
  for (let turns = 0; result === undefined && bug === undefined; turns += 1) {
    must(turns < MOST_TURNS, 'settles', () => `the login still waits, ${turns} turns after FIN`);
    await turn();
  }
  if (result === undefined) {
    throw bug;
  }
  const { clear, secured } = transport.written;
  return { clear, secured, heard, ...result, residual, sasl: terms.sasl, closed: transport.current.closed };
}

/** The parts of a login that must be the same however the node's words were cut; nonces differ each time. */
export function essenceOf({ clear, secured, session, residual, failure }: NodePlay): unknown {
  const masked = (text: string | undefined) => text?.replaceAll(/[A-Za-z0-9+/]{16,}={0,2}/g, '(base64)');
  return [
    masked(clear),
    masked(secured),
    session && [session.welcome, masked(residual)],
    // The step; what follows may hold the node's words, and a nonce in them.
    failure && [failure.reason, failure.message.split(':', 1)],
  ];
}
