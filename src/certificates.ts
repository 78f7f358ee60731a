/** The certificates that are in use, which change while sessions go on: a renewal is for new handshakes alone. */
import { X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { Observer } from './events.ts';
import type { CredentialSource, Credentials, ListenerTls } from './settings.ts';
import { makeContexts, type TlsContexts } from './tls-contexts.ts';

const POLL_MS = 15_000;

type SecureTls = Exclude<ListenerTls, { mode: 'none' }>;

/** What is read from the same files, for all listeners that name them. */
interface Shared {
  readonly source: CredentialSource;
  readonly listeners: SecureTls[];
  /** The state of the files that was read last, and the one that was seen last. */
  read: string;
  seen: string;
}

/** The certificates of all listeners. */
export class CertificateStore implements Disposable {
  readonly #observe: Observer;
  readonly #contexts = new Map<SecureTls, TlsContexts>();
  readonly #shared = new Map<string, Shared>();
  #timer: NodeJS.Timeout | undefined;

  /** @throws {Error} of OpenSSL, for what it does not take. */
  constructor(listeners: readonly SecureTls[], observe: Observer) {
    this.#observe = observe;
    for (const tls of listeners) {
      this.#contexts.set(tls, makeContexts(tls));
      if (tls.source !== undefined) this.#share(tls, tls.source);
    }
  }

  /** What handshakes of a listener use from now on. */
  contextsOf(tls: SecureTls): TlsContexts {
    const contexts = this.#contexts.get(tls);
    if (contexts === undefined) throw new Error('this listener is not one of the store');
    return contexts;
  }

  /** Tells what is in use, and looks from now on whether files have changed. */
  async watch(): Promise<void> {
    for (const { source, listeners } of this.#shared.values()) {
      const [tls] = listeners;
      if (tls !== undefined) this.#tell(tls, source, false);
    }
    await this.#look((shared, state) => {
      shared.read = state;
      shared.seen = state;
    });
    this.#timer ??= setInterval(() => void this.poll(), POLL_MS).unref();
  }

  /**
   * Reads files that have changed. A pair is replaced in two steps, so what changes is left alone until it has been the
   * same for one look.
   */
  async poll(): Promise<void> {
    await this.#look((shared, state) => {
      const settled = state === shared.seen;
      shared.seen = state;
      if (settled && state !== shared.read) this.#renew(shared, state);
    });
  }

  /** Reads all files again. What is wrong with them is told, and then changes nothing. */
  async reload(): Promise<void> {
    await this.#look((shared, state) => this.#renew(shared, state));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #share(tls: SecureTls, source: CredentialSource): void {
    const key = source.files.join('\0');
    const shared = this.#shared.get(key) ?? { source, listeners: [], read: '', seen: '' };
    shared.listeners.push(tls);
    this.#shared.set(key, shared);
  }

  async #look(act: (shared: Shared, state: string) => void): Promise<void> {
    for (const shared of this.#shared.values()) {
      const states = await Promise.all(shared.source.files.map(stateOf));
      act(shared, states.join());
    }
  }

  #renew(shared: Shared, state: string): void {
    const { source, listeners } = shared;
    shared.read = state;
    shared.seen = state;
    try {
      const credentials = source.read();
      assertUsable(credentials);
      // All or none: a listener must not show a certificate that another one could not take.
      const made = listeners.map((tls) => [tls, makeContexts(tls, credentials)] as const);
      for (const [tls, contexts] of made) this.#contexts.set(tls, contexts);
      this.#tell(credentials, source, true);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.#observe({ event: 'certificateRefused', file: source.files[0] ?? '-', detail });
    }
  }

  #tell({ certificate, others = [] }: Credentials, { files }: CredentialSource, renewed: boolean): void {
    for (const [index, pem] of [certificate, ...others.map((pair) => pair.certificate)].entries()) {
      const { validToDate } = new X509Certificate(pem);
      // Certificate and key follow each other in the list of files.
      const file = files[2 * index] ?? '-';
      this.#observe({ event: 'certificateInUse', file, expires: validToDate.toISOString(), renewed });
    }
  }
}

/** At the start a certificate that has ended is better than none; later, the one before it may be better. */
function assertUsable({ certificate, others = [] }: Credentials): void {
  for (const pem of [certificate, ...others.map((pair) => pair.certificate)]) {
    const { validTo, validToDate, subject } = new X509Certificate(pem);
    if (validToDate.getTime() < Date.now()) {
      throw new Error(`the certificate of ${subject.replaceAll('\n', ', ')} ended on ${validTo}`);
    }
  }
}

/** Changes when a file is written, or replaced by another one of that name. */
async function stateOf(file: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(file);
    return `${ino}:${size}:${mtimeMs}`;
  } catch {
    // Gone for a moment, or for good: reading it tells which, when it is to be read.
    return 'none';
  }
}
