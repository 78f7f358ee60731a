import type { Socket } from 'node:net';
import {
  AbandonRequest,
  BindRequest,
  ExtendedRequest,
  type Message,
  PasswordPolicyControl,
  SearchRequest,
  UnbindRequest,
} from 'ldapts';
import { whyAborted } from '../deadline.ts';
import type { Entry } from '../entries/entry.ts';
import { BerError } from './ber.ts';
import { resultText } from './codes.ts';
import { type LdapMessage, type LdapOperation, type LdapResult, readLdapMessage } from './message.ts';
import { MessageCutter } from './message-cutter.ts';
import type { LdapSearch, LdapSearchResult, LdapStream, LdapStreamed } from './search.ts';
import type { SimpleBind } from './simple-bind.ts';
import { LdapUnreachable } from './unreachable.ts';

/** Two tell "one" from "several". */
const SIZE_LIMIT = 2;
const MAX_ID = 2 ** 31 - 1;
/** RFC 4511 section 4.14. */
const START_TLS = '1.3.6.1.4.1.1466.20037';

interface Pending {
  readonly operation: LdapOperation;
  readonly entries: Entry[];
  isOversized: boolean;
  /** Takes what comes of a stream. @throws {BerError} which ends the connection. */
  readonly take?: ((message: LdapStreamed) => void) | undefined;
  readonly finish: (result: LdapSearchResult) => void;
  readonly fail: (error: LdapUnreachable) => void;
}

/**
 * One connection to an LDAP server, from its first octet to its last: it never connects again. Searches may be many
 * at a time, binds are alone.
 *
 * ldapts (9.2) writes the messages. Its `Client` and its parser are not used:
 * - one operation that takes too long destroys the connection that all share; there is no Abandon (RFC 4511 section
 *   4.11) and no signal for a single operation;
 * - after StartTLS it does not notice that the server closes the connection;
 * - it keeps what a broken server sends without bound, and reads a value that is longer than its set in an endless
 *   loop.
 */
export class LdapConnection {
  readonly #socket: Socket;
  readonly #server: string;
  readonly #pending = new Map<number, Pending>();
  readonly #cutter = new MessageCutter();
  #nextId = 1;
  /** The message whose answer is the last in clear text. */
  #lastId: number | undefined;
  #end: LdapUnreachable | undefined;

  readonly #onData = (octets: Buffer): void => this.#take(octets);
  readonly #onEnd = (): void => this.#fail('closed by the server');
  readonly #onError = (error: Error): void => this.#fail(error.message);

  /** Takes over a connected socket; closes it in the end. `server` is for messages. */
  constructor(socket: Socket, server: string) {
    this.#socket = socket;
    this.#server = server;
    socket
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('close', this.#onEnd)
      .on('error', this.#onError);
  }

  get usable(): boolean {
    return this.#end === undefined;
  }

  search(search: LdapSearch, signal: AbortSignal): Promise<LdapSearchResult> {
    return this.#searchAs({ ...search, sizeLimit: SIZE_LIMIT }, undefined, signal);
  }

  /**
   * Searches, and hands over each message as it comes: nothing is kept. Between the packets of a stream others have
   * their turn. When `take` throws a BerError, the connection ends.
   */
  stream(
    search: LdapStream,
    take: (message: LdapStreamed) => void,
    signal: AbortSignal,
  ): Promise<LdapSearchResult> {
    return this.#searchAs(search, take, signal);
  }

  bind(bind: SimpleBind, signal: AbortSignal): Promise<LdapResult> {
    const request = new BindRequest({
      messageId: this.#takeId(),
      dn: bind.dn,
      password: bind.password,
      controls: [new PasswordPolicyControl()],
    });
    // A bind can't be abandoned (RFC 4511 section 4.11), and nobody would know who the connection then is.
    return this.#request('bind', request, signal, { giveUp: () => this.close() });
  }

  /**
   * Asks for TLS and gives the bare socket for it. This connection is then over.
   * @throws {LdapUnreachable} when the server refuses, or sent more than its answer: that was not protected.
   */
  async startTls(signal: AbortSignal): Promise<Socket> {
    const messageId = this.#takeId();
    this.#lastId = messageId;
    const request = new ExtendedRequest({ messageId, oid: START_TLS });
    const result = await this.#request('extended', request, signal, { giveUp: () => this.close() });
    if (result.code !== 0 || this.#cutter.isWithin) {
      this.close();
      const why = result.code === 0 ? 'octets behind its answer' : resultText(result, new Map());
      throw new LdapUnreachable(`StartTLS at ${this.#server}: ${why}`, { stage: 'connect' });
    }
    this.#detach();
    this.#end = new LdapUnreachable(`${this.#server}: handed over to TLS`, { stage: 'lost' });
    return this.#socket;
  }

  /** Ends the connection; what is still waiting fails. */
  close(): void {
    if (this.#end === undefined) {
      this.#socket.write(new UnbindRequest({ messageId: this.#takeId() }).write());
      this.#fail('closed');
    }
  }

  #searchAs(
    { base, scope, filter, attributes, sizeLimit, controls = [] }: LdapStream,
    take: Pending['take'],
    signal: AbortSignal,
  ): Promise<LdapSearchResult> {
    const messageId = this.#takeId();
    const request = new SearchRequest({
      messageId,
      baseDN: base,
      scope,
      filter,
      attributes: attributes.length === 0 ? ['1.1'] : [...attributes],
      derefAliases: 'never',
      sizeLimit,
      ...(controls.length > 0 && { controls: [...controls] }),
    });
    const abandon = (): void => {
      this.#socket.write(new AbandonRequest({ messageId: this.#takeId(), abandonId: messageId }).write());
    };
    return this.#request('search', request, signal, { giveUp: abandon, take });
  }

  #request(
    operation: LdapOperation,
    message: Message,
    signal: AbortSignal,
    { giveUp, take }: { giveUp: () => void; take?: Pending['take'] },
  ): Promise<LdapSearchResult> {
    if (this.#end !== undefined) {
      return Promise.reject(this.#end);
    }
    if (signal.aborted) {
      return Promise.reject(
        new LdapUnreachable(`${this.#server}: ${whyAborted(signal, 'no time left to ask')}`, {
          stage: 'timeout',
          cause: signal.reason,
        }),
      );
    }
    const { promise, resolve, reject } = Promise.withResolvers<LdapSearchResult>();
    const settle = (): void => {
      this.#pending.delete(message.messageId);
      signal.removeEventListener('abort', onAbort);
    };
    const onAbort = (): void => {
      settle();
      giveUp();
      reject(
        new LdapUnreachable(`${this.#server}: ${whyAborted(signal, 'no answer in time')}`, {
          stage: 'timeout',
          cause: signal.reason,
        }),
      );
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#pending.set(message.messageId, {
      operation,
      entries: [],
      isOversized: false,
      take,
      finish: (result) => {
        settle();
        resolve(result);
      },
      fail: (error) => {
        settle();
        reject(error);
      },
    });
    this.#socket.write(message.write());
    return promise;
  }

  #take(octets: Buffer): void {
    this.#cutter.add(octets);
    try {
      for (let cut = this.#cutter.next(); cut !== undefined; cut = this.#cutter.next()) {
        const { id } = this.#dispatch(Buffer.isBuffer(cut) ? readLdapMessage(cut) : cut);
        if (id === this.#lastId) {
          return;
        }
      }
    } catch (error) {
      if (!(error instanceof BerError)) {
        throw error;
      }
      this.#fail(error.message);
    }
    this.#restIfFlooded();
  }

  /** Libuv reads a socket again and again while it has more, and a server may send a whole directory. */
  #restIfFlooded(): void {
    if (this.#end === undefined && [...this.#pending.values()].some(({ take }) => take !== undefined)) {
      this.#socket.pause();
      setImmediate(() => this.#socket.resume());
    }
  }

  #dispatch(message: LdapMessage): LdapMessage {
    const pending = this.#pending.get(message.id);
    const kind = message.kind === 'result' ? message.operation : 'search';
    if (pending !== undefined && kind !== pending.operation) {
      // The end of a search must never pass for a bind that succeeded.
      throw new BerError(`what ends or belongs to a ${kind} is no answer to a ${pending.operation}`);
    }
    if (pending !== undefined && (message.kind === 'entry' || message.kind === 'intermediate')) {
      takeFound(message, pending);
    }
    if (pending !== undefined && message.kind === 'oversized') pending.isOversized = true;
    if (message.kind === 'result') {
      // Message 0 is the notice of disconnection; an unknown one answers what was abandoned.
      const { entries = [], isOversized = false } = pending ?? {};
      pending?.finish({ ...message.result, entries, isOversized });
    }
    return message;
  }

  #fail(why: string): void {
    if (this.#end !== undefined) {
      return;
    }
    this.#end = new LdapUnreachable(`connection to ${this.#server}: ${why}`, { stage: 'lost' });
    this.#detach();
    // An error of a socket that nobody needs any more says nothing.
    this.#socket.on('error', () => undefined);
    this.#socket.destroySoon();
    for (const pending of [...this.#pending.values()]) {
      pending.fail(this.#end);
    }
  }

  #detach(): void {
    this.#socket
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('close', this.#onEnd)
      .off('error', this.#onError);
  }

  #takeId(): number {
    this.#nextId = this.#nextId >= MAX_ID ? 1 : this.#nextId + 1;
    return this.#nextId;
  }
}

function takeFound(message: LdapStreamed, { take, entries }: Pending): void {
  if (take !== undefined) {
    take(message);
  } else if (message.kind === 'intermediate') {
    throw new BerError('an intermediate response is no answer to a plain request');
  } else if (entries.length < SIZE_LIMIT) {
    entries.push(message.entry);
  }
}
