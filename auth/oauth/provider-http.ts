import { once } from 'node:events';
import { Agent as HttpAgent, request as httpRequest, IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { whyAborted } from '../deadline.ts';
import { ProviderDown } from './token.ts';

/** Key sets and introspection answers have a few KiB. */
const MAX_ANSWER_OCTETS = 64 * 1024;
/** Requests to a provider at the same time; others wait for their turn. */
const MAX_CONNECTIONS = 16;
const IDLE_MS = 10_000;

/** Where a provider is, and how it is told from a false one. */
export interface ProviderTarget {
  readonly url: URL;
  /** PEM of the authorities that may vouch for it; `undefined` takes the system's. */
  readonly ca: Buffer | undefined;
}

/** What is asked of a provider. */
export interface ProviderRequest {
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Asks one URL of a provider for JSON; disposing closes its connections. */
export class ProviderHttp implements Disposable {
  readonly #target: ProviderTarget;
  readonly #agent: HttpAgent;

  constructor(target: ProviderTarget) {
    this.#target = target;
    const options = { keepAlive: true, maxSockets: MAX_CONNECTIONS, timeout: IDLE_MS };
    this.#agent =
      target.url.protocol === 'https:'
        ? new HttpsAgent({ ...options, minVersion: 'TLSv1.2', rejectUnauthorized: true, ca: target.ca })
        : new HttpAgent(options);
  }

  /**
   * Sends a request and reads its answer, bounded in size; the signal bounds it in time. Redirects are refused: they
   * could lead tokens and credentials elsewhere.
   * @throws {ProviderDown} for all but an answer 200 with JSON in it.
   */
  async ask(request: ProviderRequest, signal: AbortSignal): Promise<unknown> {
    const { href } = this.#target.url;
    try {
      const answer = await this.#send(request, signal);
      if (answer.statusCode !== 200) {
        answer.destroy();
        throw new ProviderDown(`${href}: answered HTTP ${answer.statusCode}${remedy(answer.statusCode)}`);
      }
      return JSON.parse((await readBounded(answer)).toString('utf8'));
    } catch (error) {
      if (error instanceof ProviderDown) {
        throw error;
      }
      const why = signal.aborted ? whyAborted(signal, 'no answer in time') : reasonOf(error);
      throw new ProviderDown(`${href}: ${why}`, { cause: error });
    }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  async #send(request: ProviderRequest, signal: AbortSignal): Promise<IncomingMessage> {
    for (let attempt = 1; ; attempt += 1) {
      const { url } = this.#target;
      const { method, headers, body } = request;
      const options: RequestOptions = {
        agent: this.#agent,
        method,
        signal,
        headers: { accept: 'application/json', 'accept-encoding': 'identity', ...headers },
      };
      const sent = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options);
      try {
        const answered = once(sent, 'response');
        sent.end(body);
        const [answer] = await answered;
        // What fails from now on, the answer tells.
        sent.on('error', () => undefined);
        if (answer instanceof IncomingMessage) {
          return answer;
        }
        throw new Error('no answer');
      } catch (error) {
        // The provider may close an idle connection in the moment in which it is used again.
        if (signal.aborted || !sent.reusedSocket || attempt > MAX_CONNECTIONS) {
          throw error;
        }
      }
    }
  }
}

async function readBounded(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let octets = 0;
  for await (const chunk of answer) {
    const piece: unknown = chunk;
    if (Buffer.isBuffer(piece)) {
      octets += piece.length;
      chunks.push(piece);
    }
    if (octets > MAX_ANSWER_OCTETS) {
      throw new Error(`the answer has more than ${MAX_ANSWER_OCTETS} octets`);
    }
  }
  return Buffer.concat(chunks);
}

function remedy(status: number | undefined): string {
  if (status === 401 || status === 403) {
    return ': it refuses the credentials of this proxy';
  }
  return status !== undefined && status >= 300 && status < 400 ? ': redirects are not followed' : '';
}

function reasonOf(error: unknown): string {
  // V8 quotes what is not JSON, which may be anything.
  if (error instanceof SyntaxError) {
    return 'the answer is not JSON';
  }
  return error instanceof Error ? error.message : String(error);
}
