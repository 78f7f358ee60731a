import { whyAborted } from '../deadline.ts';
import { HttpClient, type HttpTarget, readBody, reasonOf } from '../http-client.ts';
import { ProviderDown } from './token.ts';

/** Requests to a provider at the same time. */
const MAX_CONNECTIONS = 16;

/** What is asked of a provider. */
export interface ProviderRequest {
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Asks one URL of a provider for JSON; disposing closes its connections. */
export class ProviderHttp implements Disposable {
  readonly #href: string;
  readonly #client: HttpClient;

  constructor(target: HttpTarget) {
    this.#href = target.url.href;
    this.#client = new HttpClient(target, MAX_CONNECTIONS);
  }

  /**
   * Sends a request and reads its answer, bounded in size; the signal bounds it in time. Redirects are refused: they
   * could lead tokens and credentials elsewhere.
   * @throws {ProviderDown} for all but an answer 200 with JSON in it.
   */
  async ask({ headers, ...request }: ProviderRequest, signal: AbortSignal): Promise<unknown> {
    const href = this.#href;
    const wanted = { accept: 'application/json', 'accept-encoding': 'identity' };
    try {
      const answer = await this.#client.send({ ...request, headers: { ...wanted, ...headers } }, signal);
      if (answer.statusCode !== 200) {
        answer.destroy();
        throw new ProviderDown(`${href}: answered HTTP ${answer.statusCode}${remedy(answer.statusCode)}`);
      }
      return JSON.parse((await readBody(answer)).toString('utf8'));
    } catch (error) {
      if (error instanceof ProviderDown) {
        throw error;
      }
      const why = signal.aborted ? whyAborted(signal, 'no answer in time') : whyUnusable(error);
      throw new ProviderDown(`${href}: ${why}`, { cause: error });
    }
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}

function remedy(status: number | undefined): string {
  if (status === 401 || status === 403) {
    return ': it refuses the credentials of this proxy';
  }
  return status !== undefined && status >= 300 && status < 400 ? ': redirects are not followed' : '';
}

function whyUnusable(error: unknown): string {
  // V8 quotes what is not JSON, which may be anything.
  return error instanceof SyntaxError ? 'the answer is not JSON' : reasonOf(error);
}
