import { once } from 'node:events';
import { Agent as HttpAgent, request as httpRequest, IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { whyAborted } from './deadline.ts';
import { checkNamed } from './named-certificate.ts';

/** Key sets and introspection answers have a few KiB. */
const MAX_ANSWER_OCTETS = 64 * 1024;
const MAX_HEADER_OCTETS = 16 * 1024;
const IDLE_MS = 10_000;
/** An answer whose body nobody wants may take so long to end, so that its connection can be used again. */
const DRAIN_MS = 1000;

/** Where a web service is, and how it is told from a false one. */
export interface HttpTarget {
  readonly url: URL;
  /** PEM of the authorities that may vouch for it; `undefined` takes the system's. */
  readonly ca: Buffer | undefined;
  /** Path of the Unix socket that it listens on, instead of the URL's host and port. */
  readonly socketPath?: string | undefined;
}

/** What is asked of a web service. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/**
 * Asks one URL of a web service, by connections that are kept; disposing closes them. It follows no redirects, which
 * could lead secrets elsewhere, and takes no proxy from the environment.
 */
export class HttpClient implements Disposable {
  readonly #target: HttpTarget;
  readonly #agent: HttpAgent;
  readonly #maxConnections: number;

  /** @param maxConnections requests at the same time; others wait for their turn. */
  constructor(target: HttpTarget, maxConnections: number) {
    this.#target = target;
    this.#maxConnections = maxConnections;
    const options = { keepAlive: true, maxSockets: maxConnections, timeout: IDLE_MS };
    this.#agent =
      target.url.protocol === 'https:'
        ? new HttpsAgent({
            ...options,
            minVersion: 'TLSv1.2',
            rejectUnauthorized: true,
            checkServerIdentity: checkNamed,
            ca: target.ca,
          })
        : new HttpAgent(options);
  }

  /**
   * Sends a request and gives its answer, of which the headers are there, bounded in size. The body is to be read or
   * discarded. The signal bounds all of it in time.
   * @throws {Error} when there is no answer.
   */
  async send({ method, headers, body }: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const { url, socketPath } = this.#target;
    const options: RequestOptions = {
      agent: this.#agent,
      method,
      signal,
      headers,
      maxHeaderSize: MAX_HEADER_OCTETS,
      ...(socketPath !== undefined && { socketPath }),
    };
    for (let attempt = 1; ; attempt += 1) {
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
        // The service may close an idle connection in the moment in which it is used again.
        if (signal.aborted || !sent.reusedSocket || attempt > this.#maxConnections) {
          throw error;
        }
      }
    }
  }

  /** Says why nobody would take a request now; it sends none. */
  async whyNotReachable(signal: AbortSignal): Promise<string | undefined> {
    const { url, socketPath } = this.#target;
    const usualPort = url.protocol === 'https:' ? 443 : 80;
    const port = url.port === '' ? usualPort : Number(url.port);
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    const socket = connect(socketPath === undefined ? { host, port } : { path: socketPath });
    try {
      await once(socket, 'connect', { signal });
      return undefined;
    } catch (error) {
      return signal.aborted ? whyAborted(signal, 'no answer in time') : reasonOf(error);
    } finally {
      socket.destroy();
    }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

/** Says in words why a request came to nothing. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Reads an answer's body. @throws {Error} when it is too long, or does not come to its end. */
export async function readBody(answer: IncomingMessage): Promise<Buffer> {
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

/** Lets an answer's body pass by unread, for the sake of its connection; one without end closes that. */
export function discardBody(answer: IncomingMessage): void {
  let octets = 0;
  const tooLong = setTimeout(() => answer.destroy(), DRAIN_MS).unref();
  answer.on('data', (chunk: Buffer) => {
    octets += chunk.length;
    if (octets > MAX_ANSWER_OCTETS) answer.destroy();
  });
  // What was wanted of it is there already.
  answer.on('error', () => undefined);
  answer.once('close', () => clearTimeout(tooLong));
}
