import { LoginFailure, NobodyAnswered } from '../failure.ts';
import type { LdapServer } from './server.ts';
import { LdapUnreachable } from './unreachable.ts';

/** In which order equal servers are asked: the first that is up, or each in turn. */
export type ServerOrder = 'failover' | 'roundRobin';

/** Servers that hold the same data. */
export class LdapServers {
  readonly #servers: readonly LdapServer[];
  readonly #order: ServerOrder;
  #turn = 0;

  constructor(servers: readonly LdapServer[], order: ServerOrder) {
    this.#servers = servers;
    this.#order = order;
  }

  /**
   * Asks one server, and others while none can be reached. An operation whose connection or answer is lost is done
   * once more, elsewhere if another server is up.
   * @throws {LoginFailure} `directoryDown` when nobody answered.
   */
  async ask<T>(operation: (server: LdapServer) => Promise<T>, signal: AbortSignal): Promise<T> {
    const waiting = this.#inOrder();
    const failures: LdapUnreachable[] = [];
    let lost = 0;
    for (let server = takeNext(waiting); server !== undefined; server = takeNext(waiting)) {
      try {
        return await operation(server);
      } catch (error) {
        if (!(error instanceof LdapUnreachable)) {
          throw error;
        }
        failures.push(error);
        if (error.stage !== 'connect') {
          lost += 1;
          waiting.push(server);
        }
      }
      if (signal.aborted || lost > 1) {
        break;
      }
    }
    const what = [...new Set(failures.map((failure) => failure.message))].join('; ');
    const options = { cause: failures.at(-1) };
    // That we are busy says nothing of the servers.
    throw failures.every(({ stage }) => stage === 'busy')
      ? new LoginFailure('directoryDown', what, options)
      : new NobodyAnswered(what, options);
  }

  close(): void {
    for (const server of this.#servers) {
      server.close();
    }
  }

  #inOrder(): LdapServer[] {
    if (this.#order === 'failover') {
      return [...this.#servers];
    }
    this.#turn = (this.#turn + 1) % this.#servers.length;
    return [...this.#servers.slice(this.#turn), ...this.#servers.slice(0, this.#turn)];
  }
}

/** Takes the first server that is up; one that is down only when no other is left. */
function takeNext(waiting: LdapServer[]): LdapServer | undefined {
  const up = waiting.findIndex((server) => server.up);
  return waiting.splice(Math.max(up, 0), 1)[0];
}
