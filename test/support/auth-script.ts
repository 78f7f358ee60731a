/** A web service that speaks nginx's auth_http protocol, as a test wants it. */
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { listenOn } from './sockets.ts';

/** The header of an answer; a status other than 200 as `:status`. */
export type ScriptAnswer = Readonly<Record<string, string>>;

/** Answers by the header of the request, and keeps the requests; disposing closes it. */
export class AuthScript implements AsyncDisposable {
  /** The header lines of the requests so far, as they came. */
  readonly requests: string[][] = [];
  readonly #server: Server;
  port = 0;

  private constructor(listener: RequestListener) {
    this.#server = createServer((request, response) => {
      this.requests.push(linesOf(request));
      listener(request, response);
    });
  }

  static async start(listener: RequestListener): Promise<AuthScript> {
    const script = new AuthScript(listener);
    script.port = await listenOn(script.#server);
    return script;
  }

  /** A script that answers by header alone. */
  static async answering(answer: (request: IncomingMessage) => ScriptAnswer): Promise<AuthScript> {
    return await AuthScript.start((request, response) => {
      const { ':status': status = '200', ...headers } = answer(request);
      response.writeHead(Number(status), headers).end('ignored');
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/auth`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function linesOf({ rawHeaders }: IncomingMessage): string[] {
  return rawHeaders.flatMap((name, index) =>
    index % 2 === 0 ? [`${name}: ${rawHeaders[index + 1] ?? ''}`] : [],
  );
}
