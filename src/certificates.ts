/** The certificates that are in use, which change while sessions go on: a renewal is for new handshakes alone. */
import { X509Certificate } from 'node:crypto';
import { fileState } from '../auth/file-state.ts';
import type { Observer } from './events.ts';
import type {
  CredentialPart,
  CredentialSource,
  Credentials,
  ListenerTls,
  Renewal,
  RevocationList,
} from './settings.ts';
import { makeContexts, type TlsContexts } from './tls-contexts.ts';

const POLL_MS = 15_000;

type SecureTls = Exclude<ListenerTls, { mode: 'none' }>;

/** What is read from the same files, for all listeners that name them. */
interface Shared {
  readonly source: CredentialSource;
  readonly listeners: SecureTls[];
  inUse: Credentials;
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
    for (const { source, inUse } of this.#shared.values()) {
      for (const [index, { certificate }] of [inUse, ...(inUse.others ?? [])].entries()) {
        // Certificate and key follow each other in the list of files.
        this.#tell(certificate, source.files[2 * index] ?? '-', false);
      }
      const { listsFile } = source;
      if (listsFile !== undefined) this.#tellLists(inUse.clients?.revocations ?? [], listsFile, false);
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

  /** Reads all files again. A part that is wrong is told of, and stays as it was; the others are used. */
  async reload(): Promise<void> {
    let renewed = 0;
    await this.#look((shared, state) => {
      renewed += this.#renew(shared, state);
    });
    this.#observe({ event: 'certificatesRead', renewed });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #share(tls: SecureTls, source: CredentialSource): void {
    const key = source.files.join('\0');
    const shared = this.#shared.get(key) ?? { source, listeners: [], inUse: tls, read: '', seen: '' };
    shared.listeners.push(tls);
    this.#shared.set(key, shared);
  }

  async #look(act: (shared: Shared, state: string) => void): Promise<void> {
    for (const shared of this.#shared.values()) {
      const states = await Promise.all(shared.source.files.map(fileState));
      act(shared, states.join());
    }
  }

  /** @returns how many files brought something new. */
  #renew(shared: Shared, state: string): number {
    shared.read = state;
    shared.seen = state;
    const before = shared.inUse;
    const parts = shared.source.read().map(refusedIfEnded);
    let renewed = 0;
    // At once, as each part would take new contexts for all certificates; one by one, to find out which is wrong.
    const together = this.#use(shared, parts) === undefined;
    for (const part of parts) {
      const why = part.kind === 'refused' || together ? undefined : this.#use(shared, [part]);
      const known = why === undefined ? part : { kind: 'refused' as const, file: part.file, why };
      if (known.kind === 'refused') {
        this.#observe({ event: 'certificateRefused', file: known.file, detail: known.why });
      } else if (isNew(known, before)) {
        renewed += 1;
        this.#tellRenewed(known);
      }
    }
    return renewed;
  }

  #tellRenewed(part: Renewal & { readonly file: string }): void {
    switch (part.kind) {
      case 'pair':
        this.#tell(part.pair.certificate, part.file, true);
        break;
      case 'revocations':
        this.#tellLists(part.revocations, part.file, true);
        break;
      case 'authorities':
        this.#observe({ event: 'authoritiesRenewed', file: part.file });
        break;
    }
  }

  #tellLists(lists: readonly RevocationList[], file: string, renewed: boolean): void {
    // The first that ends shuts the clients of its authority out.
    const [first] = lists.flatMap(({ until }) => until?.getTime() ?? []).sort((a, b) => a - b);
    const expires = first === undefined ? {} : { expires: new Date(first).toISOString() };
    this.#observe({ event: 'revocationListInUse', file, ...expires, renewed });
  }

  /** @returns why OpenSSL does not take it; then nothing has changed. */
  #use(shared: Shared, parts: readonly CredentialPart[]): string | undefined {
    const credentials = parts.reduce(withPart, shared.inUse);
    try {
      // All or none: a listener must not show a certificate that another one could not take.
      const made = shared.listeners.map((tls) => [tls, makeContexts(tls, credentials)] as const);
      for (const [tls, contexts] of made) this.#contexts.set(tls, contexts);
      shared.inUse = credentials;
      return undefined;
    } catch (error) {
      // OpenSSL's errors have no class of their own.
      return error instanceof Error ? error.message : String(error);
    }
  }

  #tell(certificate: Buffer, file: string, renewed: boolean): void {
    const { validToDate } = new X509Certificate(certificate);
    this.#observe({ event: 'certificateInUse', file, expires: validToDate.toISOString(), renewed });
  }
}

function withPart(credentials: Credentials, part: CredentialPart): Credentials {
  const { others = [], clients } = credentials;
  switch (part.kind) {
    case 'pair':
      return part.index === 0
        ? { ...credentials, ...part.pair }
        : { ...credentials, others: others.with(part.index - 1, part.pair) };
    case 'authorities':
      return { ...credentials, clients: { revocations: [], ...clients, authorities: part.authorities } };
    case 'revocations':
      return clients === undefined
        ? credentials
        : { ...credentials, clients: { ...clients, revocations: part.revocations } };
    case 'refused':
      return credentials;
  }
}

function isNew(part: Renewal, before: Credentials): boolean {
  switch (part.kind) {
    case 'pair': {
      const former = part.index === 0 ? before : before.others?.[part.index - 1];
      return former?.certificate.equals(part.pair.certificate) !== true;
    }
    case 'authorities':
      return before.clients?.authorities.equals(part.authorities) !== true;
    case 'revocations': {
      const former = before.clients?.revocations ?? [];
      return (
        former.length !== part.revocations.length ||
        part.revocations.some(({ pem }, index) => former[index]?.pem.equals(pem) !== true)
      );
    }
  }
}

/** At the start a certificate that has ended is better than none; later, the one before it may be better. */
function refusedIfEnded(part: CredentialPart): CredentialPart {
  if (part.kind !== 'pair') return part;
  const { validTo, validToDate, subject } = new X509Certificate(part.pair.certificate);
  if (validToDate.getTime() >= Date.now()) return part;
  const why = `the certificate of ${subject.replaceAll('\n', ', ')} ended on ${validTo}`;
  return { kind: 'refused', file: part.file, why };
}
