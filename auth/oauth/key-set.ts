import { open } from 'node:fs/promises';
import { createLocalJWKSet, errors, type JSONWebKeySet, type LocalJWKSet } from 'jose';
import { Deadline } from '../deadline.ts';
import type { HttpTarget } from '../http-client.ts';
import { ProviderHttp } from './provider-http.ts';
import { ProviderDown } from './token.ts';

const MAX_FILE_OCTETS = 64 * 1024;
const LOAD_MS = 5000;
/** Keys that can't be loaded anew hold so long: a provider that is away for a moment locks nobody out. */
const MAX_STALE_MS = 3_600_000;

/** Where keys come from. */
export interface KeySource extends Disposable {
  /** @throws {ProviderDown} when there are none. */
  load(signal: AbortSignal): Promise<unknown>;
  /** How old loaded keys may become before they are loaded again. */
  readonly maxAgeMs: number;
  /** The least time between two loads, so that nobody makes us ask without end by tokens of unknown keys. */
  readonly cooldownMs: number;
}

/** The keys of an https URL (RFC 7517 section 5). */
export function keysFromUrl(target: HttpTarget): KeySource {
  const http = new ProviderHttp(target);
  return {
    [Symbol.dispose]: () => http[Symbol.dispose](),
    load: (signal) => http.ask({ method: 'GET' }, signal),
    maxAgeMs: 600_000,
    cooldownMs: 10_000,
  };
}

/** The keys of a file, which is looked at again when it is used a second later. */
export function keysFromFile(path: string): KeySource {
  return {
    load: () => readKeyFile(path),
    maxAgeMs: 1000,
    cooldownMs: 1000,
    [Symbol.dispose]: () => undefined,
  };
}

/** Says why the content of a file can't be the keys of a provider; `undefined` when it can. */
export function whyNoKeySet(content: Buffer): string | undefined {
  if (content.length > MAX_FILE_OCTETS) {
    return `these keys have more than ${MAX_FILE_OCTETS} octets`;
  }
  try {
    const { keys } = asKeySet(JSON.parse(content.toString('utf8')));
    if (keys.some((key) => 'd' in key || 'k' in key)) {
      return 'there is a secret key among these keys';
    }
    return keys.length === 0 ? 'there is no key in this set' : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof errors.JWKSInvalid) {
      return 'this is no JWK set';
    }
    throw error;
  }
}

async function readKeyFile(path: string): Promise<unknown> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size > MAX_FILE_OCTETS) {
      throw new Error(`it has more than ${MAX_FILE_OCTETS} octets`);
    }
    return JSON.parse(await file.readFile('utf8'));
  } catch (error) {
    throw new ProviderDown(`${path}: ${whyUnreadable(error)}`, { cause: error });
  }
}

function whyUnreadable(error: unknown): string {
  // V8 quotes what is not JSON, which may be a private key that was put here by mistake.
  if (error instanceof SyntaxError) {
    return 'it is not JSON';
  }
  return error instanceof Error ? error.message : String(error);
}

interface Loaded {
  readonly keys: LocalJWKSet;
  readonly atMs: number;
}

/** Keys that their provider may change at any time. */
export class RotatingKeys {
  readonly #source: KeySource;
  #loaded: Loaded | undefined;
  #loading: Promise<void> | undefined;
  #triedMs = Number.NEGATIVE_INFINITY;
  #failure: ProviderDown | undefined;

  constructor(source: KeySource) {
    this.#source = source;
  }

  /** Gives the keys. @throws {ProviderDown} when there are none that may still be used. */
  async current(signal: AbortSignal): Promise<LocalJWKSet> {
    if (this.#ageMs() >= this.#source.maxAgeMs) {
      await this.#load(signal);
    }
    if (this.#loaded !== undefined && this.#ageMs() < MAX_STALE_MS) {
      return this.#loaded.keys;
    }
    throw this.#failure ?? new ProviderDown('the keys of the provider were not loaded');
  }

  /** Gives keys that are newer than these; `undefined` when there are none now. */
  async newer(than: LocalJWKSet, signal: AbortSignal): Promise<LocalJWKSet | undefined> {
    await this.#load(signal);
    return this.#loaded?.keys === than ? undefined : this.#loaded?.keys;
  }

  #ageMs(): number {
    return this.#loaded === undefined ? Number.POSITIVE_INFINITY : performance.now() - this.#loaded.atMs;
  }

  /** Loads once for all who ask; who leaves does not end it for the others. Does nothing while it's too soon. */
  async #load(signal: AbortSignal): Promise<void> {
    if (this.#loading === undefined) {
      if (performance.now() - this.#triedMs < this.#source.cooldownMs) {
        return;
      }
      this.#triedMs = performance.now();
      this.#loading = this.#loadNow().finally(() => {
        this.#loading = undefined;
      });
    }
    await untilAborted(this.#loading, signal);
  }

  async #loadNow(): Promise<void> {
    using deadline = new Deadline(LOAD_MS);
    try {
      const keys = createLocalJWKSet(asKeySet(await this.#source.load(deadline.signal)));
      this.#loaded = { keys, atMs: performance.now() };
      this.#failure = undefined;
    } catch (error) {
      this.#failure = asDown(error);
    }
  }
}

/** @throws all that is not the provider's fault. */
function asDown(error: unknown): ProviderDown {
  if (error instanceof ProviderDown) {
    return error;
  }
  if (error instanceof errors.JWKSInvalid) {
    return new ProviderDown('what the provider gives as its keys is no JWK set', { cause: error });
  }
  throw error;
}

function asKeySet(json: unknown): JSONWebKeySet {
  if (!isKeySet(json)) {
    throw new errors.JWKSInvalid('not a JWK set');
  }
  return json;
}

function isKeySet(json: unknown): json is JSONWebKeySet {
  const keys: unknown = typeof json === 'object' && json !== null ? Reflect.get(json, 'keys') : undefined;
  return Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null);
}

/** Waits for what goes on without us. @throws {ProviderDown} when the signal aborts. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const giveUp = (): void => reject(new ProviderDown('the keys of the provider did not come in time'));
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    if (signal.aborted) {
      giveUp();
    }
    await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
