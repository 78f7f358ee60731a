import { Deadline, whyAborted } from '../deadline.ts';
import type { ServerObserver } from '../directory.ts';
import { LoginFailure, type Reason } from '../failure.ts';
import { discardBody, HttpClient, type HttpTarget, reasonOf } from '../http-client.ts';
import type { Secret } from '../secret.ts';
import type { AnswerHead } from './answer.ts';

export interface ServiceTerms {
  readonly target: HttpTarget;
  /** What every question carries besides, by which the service knows who asks. */
  readonly headers: Readonly<Record<string, Secret>>;
  /** One question. */
  readonly operationMs: number;
  /** Questions at the same time. */
  readonly maxRequests: number;
}

/** A web server in front of a service that does not answer says so by these. */
const NOBODY_BEHIND: ReadonlySet<number> = new Set([502, 503, 504]);

/** Names a service for operators: without its query, which may hold a secret. */
export function serviceName({ url, socketPath }: HttpTarget): string {
  return socketPath === undefined ? url.origin + url.pathname : `unix:${socketPath}:${url.pathname}`;
}

/** A web service that is asked by GET, and answers in its header; it tells when it can't be asked any more. */
export class AuthService implements Disposable {
  readonly name: string;
  readonly #terms: ServiceTerms;
  readonly #onState: ServerObserver;
  readonly #client: HttpClient;
  #heardAt = 0;
  /** `undefined` until it is told for the first time. */
  #up: boolean | undefined;

  constructor(terms: ServiceTerms, onState: ServerObserver) {
    this.name = serviceName(terms.target);
    this.#terms = terms;
    this.#onState = onState;
    this.#client = new HttpClient(terms.target, terms.maxRequests);
  }

  /** @throws {LoginFailure} `directoryDown` when there is no answer, `directoryFault` when it is not HTTP's. */
  async ask(question: Readonly<Record<string, string>>, signal: AbortSignal): Promise<AnswerHead> {
    const askedAt = performance.now();
    using deadline = new Deadline(this.#terms.operationMs, signal);
    try {
      return await this.#send(question, deadline.signal);
    } catch (error) {
      throw this.#failureOf(error, { deadline, signal, askedAt });
    }
  }

  /** Says why nobody could be asked now. */
  async whyNotReady(signal: AbortSignal): Promise<string | undefined> {
    const why = await this.#client.whyNotReachable(signal);
    return why === undefined ? undefined : `${this.name}: ${why}`;
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  async #send(question: Readonly<Record<string, string>>, signal: AbortSignal): Promise<AnswerHead> {
    const { target, headers } = this.#terms;
    const own = Object.entries(headers).map(([name, value]) => [name, value.octets.toString('latin1')]);
    // As nginx, which says no port.
    const host = target.socketPath === undefined ? target.url.hostname : 'localhost';
    const all = { Host: host, ...question, ...Object.fromEntries(own) };
    const answer = await this.#client.send({ method: 'GET', headers: all }, signal);
    discardBody(answer);
    this.#heardAt = performance.now();
    const { statusCode: status = 0, headersDistinct } = answer;
    if (NOBODY_BEHIND.has(status)) {
      throw this.#down(`it answered HTTP ${status}`, undefined);
    }
    this.#nowUp();
    return { status, headers: headersDistinct };
  }

  #failureOf(
    error: unknown,
    asked: { readonly deadline: Deadline; readonly signal: AbortSignal; readonly askedAt: number },
  ): LoginFailure {
    if (error instanceof LoginFailure) {
      return error;
    }
    const { deadline, signal, askedAt } = asked;
    if (deadline.expired) {
      const why = `no answer within ${this.#terms.operationMs} ms`;
      // One slow answer says nothing of a service that answers others meanwhile.
      return this.#heardAt < askedAt ? this.#down(why, error) : this.#failure('directoryDown', why, error);
    }
    if (signal.aborted) {
      return this.#failure('directoryDown', whyAborted(signal, 'no answer in time'), error);
    }
    return isNotHttp(error)
      ? this.#failure('directoryFault', reasonOf(error), error)
      : this.#down(reasonOf(error), error);
  }

  #failure(reason: Reason, why: string, cause: unknown): LoginFailure {
    return new LoginFailure(reason, `${this.name}: ${why}`, { cause });
  }

  #down(why: string, cause: unknown): LoginFailure {
    if (this.#up !== false) {
      this.#up = false;
      this.#onState(this.name, false, why);
    }
    return this.#failure('directoryDown', why, cause);
  }

  #nowUp(): void {
    if (this.#up !== true) {
      this.#up = true;
      this.#onState(this.name, true, undefined);
    }
  }
}

/** Whether the service is there, but what it says is no HTTP, or too long. */
function isNotHttp(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('HPE_');
}
