/** The server's side of OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's). */
import { Deadline } from '../deadline.ts';
import { LoginFailure, type Reason } from '../failure.ts';
import type { RefutedProof, SaslServer, ServerStep } from '../sasl.ts';
import { type BearerMessage, parseOauthBearer, parseXoauth2 } from './messages.ts';
import type { TokenGuide, TokenJudge, TokenRefusal } from './token.ts';

/** What the mechanisms work with. */
export interface OauthTerms {
  readonly tokens: TokenJudge;
  /** Names by which clients know this service, in lower case; empty lets them say any. */
  readonly hosts: readonly string[];
  /**
   * Asks whether anything may be judged for a client of this name (empty: of none): what comes behind may be a question
   * to a provider. @throws {LoginFailure} `throttled`.
   */
  readonly admit: (user: Buffer) => Promise<void>;
  /** Time for judging a token, in all. */
  readonly judgeMs: number;
}

type Status = TokenRefusal['error'] | 'invalid_request';

/** How a mechanism reads its message and words its error. */
interface Dialect {
  readonly parse: (message: Buffer) => BearerMessage | undefined;
  readonly error: (status: Status, guide: TokenGuide) => unknown;
}

const OAUTHBEARER: Dialect = {
  parse: parseOauthBearer,
  // RFC 7628 section 3.2.2.
  error: (status, { scope, openidConfiguration }) => ({
    status,
    ...(scope !== undefined && { scope }),
    ...(openidConfiguration !== undefined && { 'openid-configuration': openidConfiguration }),
  }),
};

const XOAUTH2: Dialect = {
  parse: parseXoauth2,
  // At status 400 alone K-9 gets a new token and tries once more.
  error: (_status, { scope }) => ({
    status: '400',
    schemes: 'Bearer',
    ...(scope !== undefined && { scope }),
  }),
};

/** Makes an exchange of OAUTHBEARER. */
export function oauthBearerServer(terms: OauthTerms): SaslServer {
  return bearerServer(OAUTHBEARER, terms);
}

/** Makes an exchange of XOAUTH2. */
export function xoauth2Server(terms: OauthTerms): SaslServer {
  return bearerServer(XOAUTH2, terms);
}

function bearerServer(dialect: Dialect, terms: OauthTerms): SaslServer {
  return {
    async step(response, signal) {
      if (response === undefined) {
        return { kind: 'challenge', challenge: Buffer.alloc(0) };
      }
      const message = dialect.parse(response);
      return message === undefined ? { kind: 'malformed' } : await judge(message, dialect, terms, signal);
    },
  };
}

/**
 * Whom the token names proves himself; whom the client names is as whom it wants to act. The authenticator compares
 * the two, and knows who may act for whom.
 */
async function judge(
  { user, token, host }: BearerMessage,
  dialect: Dialect,
  { tokens, hosts, admit, judgeMs }: OauthTerms,
  signal: AbortSignal,
): Promise<ServerStep> {
  const refuse = (
    status: Status,
    told: TokenGuide,
    { reason = 'badToken', detail }: { reason?: Reason; detail: string },
  ): ServerStep => ({
    kind: 'proof',
    proof: { ...refuted(user, reason, detail), ...(token !== undefined && { tried: token }) },
    last: Buffer.from(JSON.stringify(dialect.error(status, told))),
  });
  if (host !== undefined && hosts.length > 0 && !hosts.includes(host.toLowerCase().replace(/\.$/, ''))) {
    return refuse('invalid_request', tokens.guide, {
      detail: 'the client means another host than those of oauth.hosts',
    });
  }
  if (token === undefined) {
    return refuse('invalid_token', tokens.guide, { detail: 'there is no bearer token in the message' });
  }
  const stopped = await whyStopped(admit, user);
  if (stopped !== undefined) {
    return { kind: 'proof', proof: refuted(user, stopped.reason, stopped.message) };
  }
  using deadline = new Deadline(judgeMs, signal);
  const startedMs = performance.now();
  const { verdict, guide } = await tokens.judge(token, deadline.signal);
  const judgedMs = performance.now() - startedMs;
  if (verdict.kind === 'valid') {
    const authcid = Buffer.from(verdict.user);
    return { kind: 'proof', proof: { kind: 'proved', shown: 'token', authcid, authzid: user, judgedMs } };
  }
  if (verdict.reason !== 'providerDown') {
    return refuse(verdict.error, guide, verdict);
  }
  // An error of the mechanism would tell the client that its token is bad.
  return { kind: 'proof', proof: { ...refuted(user, verdict.reason, verdict.detail), judgedMs } };
}

async function whyStopped(admit: OauthTerms['admit'], user: Buffer): Promise<LoginFailure | undefined> {
  try {
    await admit(user);
    return undefined;
  } catch (error) {
    if (error instanceof LoginFailure) {
      return error;
    }
    throw error;
  }
}

function refuted(authcid: Buffer, reason: Reason, detail: string): RefutedProof {
  return { kind: 'refuted', shown: 'token', authzid: Buffer.alloc(0), authcid, reason, detail };
}
