import { type Reason, WIRE_ANSWER } from '../../auth/failure.ts';
import { loginServer } from '../../auth/mechanisms/login.ts';
import { plainServer } from '../../auth/mechanisms/plain.ts';
import { Channel } from '../../protocols/channel.ts';
import type { Departure, FrontendTerms, LoginAttempt, MailProtocol } from '../../protocols/protocol.ts';
import { MemoryTransport } from './memory-transport.ts';

const MECHANISMS = new Map([
  ['PLAIN', plainServer],
  ['LOGIN', loginServer],
]);

export const TERMS: FrontendTerms = {
  greeting: 'ready',
  mechanisms: () => MECHANISMS,
  maxSaslOctets: 12 * 1024,
  startTls: true,
  allowPlaintext: true,
  unauthenticatedMs: 120_000,
  maxFailures: 10,
};

/** A login as the frontend understood it. */
export interface SeenLogin {
  readonly authzid: string;
  readonly authcid: string;
  readonly password: string;
  readonly mechanism: string;
}

/** What a conversation came to. */
export interface Outcome {
  /** Without the greeting. */
  readonly output: string;
  readonly logins: readonly SeenLogin[];
  readonly refusals: readonly string[];
  readonly departed: Departure['how'] | undefined;
  /** What the node would have got after an accepted login. */
  readonly residual: string | undefined;
  readonly transport: MemoryTransport;
}

export interface ConversationOptions {
  readonly tls?: boolean;
  readonly terms?: Partial<FrontendTerms>;
  /** Decides a login; accepts password `p` by default. */
  readonly judge?: (login: SeenLogin) => 'ok' | Reason;
  readonly capabilities?: readonly string[];
  /** How the input arrives. */
  readonly segments?: 'one' | 'octets' | readonly number[];
}

/** A pause in what a client sends: it goes on when all that it sent so far was served. */
export const PAUSE = Symbol('pause');

/**
 * Plays a client's side of a conversation against a frontend. The client sends FIN at the end unless it logged in.
 * Characters of the script are octets.
 */
export async function converse(
  protocol: MailProtocol,
  script: string | readonly (string | typeof PAUSE)[],
  options: ConversationOptions = {},
): Promise<Outcome> {
  const first = new MemoryTransport(options.tls ?? false);
  const frontend = protocol.frontend(new Channel(first), { ...TERMS, ...options.terms });
  await frontend.greet();
  const greetingOctets = first.output.length;
  const logins: SeenLogin[] = [];
  const refusals: string[] = [];
  const judge = options.judge ?? (({ password }) => (password === 'p' ? 'ok' : 'wrongPassword'));
  const fed = Promise.withResolvers<void>();
  const serve = async (): Promise<Pick<Outcome, 'departed' | 'residual'>> => {
    for (;;) {
      const next = await frontend.next();
      if (next.kind === 'departed') {
        return { departed: next.how, residual: undefined };
      }
      if (next.kind === 'refused') {
        refusals.push(next.reason);
        continue;
      }
      const login: SeenLogin = {
        authzid: next.proof.authzid.toString('latin1'),
        authcid: next.proof.authcid.toString('latin1'),
        password: next.proof.kind === 'password' ? next.proof.password.octets.toString('latin1') : '',
        mechanism: next.mechanism,
      };
      logins.push(login);
      await settle();
      const verdict = await judged(next, judge(login));
      if (verdict === 'ok') {
        const { residual, transport } = next.accept({
          capabilities: options.capabilities ?? ['IMAP4rev1', 'IDLE'],
        });
        const relayed = [residual];
        transport.attach({
          octets: (chunk) => void relayed.push(chunk),
          drained() {},
          ended() {},
          closed() {},
        });
        await fed.promise;
        return { departed: undefined, residual: Buffer.concat(relayed).toString('latin1') };
      }
      if (verdict !== 'abandoned' || !next.abandoned.aborted) {
        next.reject(WIRE_ANSWER[verdict], 'REF');
      }
    }
  };
  const served = serve();
  for (const part of typeof script === 'string' ? [script] : script) {
    if (part === PAUSE) {
      await settle();
      await settle();
    } else {
      await feed(first, part, options.segments ?? 'one');
    }
  }
  await settle();
  fed.resolve();
  first.current.finish();
  const end = await served;
  return { ...end, output: first.output.slice(greetingOctets), logins, refusals, transport: first };
}

/** As the program does: who is admitted is told so by his mechanism, and goes on when he has heard it. */
async function judged(attempt: LoginAttempt, verdict: 'ok' | Reason): Promise<'ok' | Reason> {
  const conclusion = verdict === 'ok' ? await attempt.conclude() : 'received';
  if (conclusion === 'received') {
    return verdict;
  }
  return conclusion === 'gone' ? 'abandoned' : conclusion;
}

async function feed(
  transport: MemoryTransport,
  text: string,
  segments: 'one' | 'octets' | readonly number[],
) {
  if (segments === 'one') {
    transport.current.feed(text);
    return;
  }
  const sizes = segments === 'octets' ? [1] : segments;
  for (let at = 0, turn = 0; at < text.length; turn += 1) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? 1);
    transport.current.feed(text.slice(at, at + size));
    at += size;
    await settle();
  }
}

/** Lets everything that can go on without the outside go on. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}
