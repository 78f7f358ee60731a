import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type KeySource, keysFromFile, RotatingKeys, whyNoKeySet } from '../../../auth/oauth/key-set.ts';
import { ProviderDown } from '../../../auth/oauth/token.ts';
import { makeKey } from '../../support/identity-provider.ts';

const ONE = await makeKey('ES256', 'one');
const TWO = await makeKey('ES256', 'two');
const NEVER = new AbortController().signal;
const MINUTE_MS = 60_000;

/** A source whose answers a test gives. */
class ScriptedSource implements KeySource {
  readonly maxAgeMs = 10 * MINUTE_MS;
  readonly cooldownMs = 10_000;
  loads = 0;
  answer: () => unknown = () => ({ keys: [ONE.jwk] });

  async load(): Promise<unknown> {
    this.loads += 1;
    return await this.answer();
  }

  [Symbol.dispose](): void {}
}

function opened() {
  const source = new ScriptedSource();
  return { source, keys: new RotatingKeys(source) };
}

const down = (): never => {
  throw new ProviderDown('https://id: no answer');
};

describe('keys of a provider', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('are loaded when they are needed first, once for all who ask', async () => {
    const { source, keys } = opened();

    expect(source.loads).toBe(0);
    const [first, second] = await Promise.all([keys.current(NEVER), keys.current(NEVER)]);

    expect([source.loads, first === second]).toEqual([1, true]);
    expect(first?.jwks().keys).toMatchObject([{ kid: 'one' }]);
  });

  it('are loaded again when they are old', async () => {
    const { source, keys } = opened();
    await keys.current(NEVER);
    source.answer = () => ({ keys: [TWO.jwk] });

    vi.advanceTimersByTime(source.maxAgeMs - 1);
    const before = await keys.current(NEVER);
    vi.advanceTimersByTime(1);
    const after = await keys.current(NEVER);

    expect([before, after].map((set) => set.jwks().keys[0]?.kid)).toEqual(['one', 'two']);
  });

  it('are loaded for tokens of unknown keys no more often than every ten seconds', async () => {
    const { source, keys } = opened();
    const current = await keys.current(NEVER);
    for (let guess = 0; guess < 100; guess += 1) {
      expect(await keys.newer(current, NEVER)).toBeUndefined();
    }
    vi.advanceTimersByTime(source.cooldownMs);

    expect(await keys.newer(current, NEVER)).toBeDefined();
    expect(source.loads).toBe(2);
  });

  it('hold for an hour while the provider is away, and no longer', async () => {
    const { source, keys } = opened();
    const first = await keys.current(NEVER);
    source.answer = down;

    vi.advanceTimersByTime(59 * MINUTE_MS);
    expect(await keys.current(NEVER)).toBe(first);
    vi.advanceTimersByTime(MINUTE_MS);

    await expect(keys.current(NEVER)).rejects.toThrow(new ProviderDown('https://id: no answer'));
  });

  it('are asked for again when the provider is back, ten seconds later', async () => {
    const { source, keys } = opened();
    source.answer = down;
    await expect(keys.current(NEVER)).rejects.toThrow(ProviderDown);
    source.answer = () => ({ keys: [ONE.jwk] });

    await expect(keys.current(NEVER)).rejects.toThrow('https://id: no answer');
    expect(source.loads).toBe(1);
    vi.advanceTimersByTime(source.cooldownMs);

    expect(await keys.current(NEVER)).toBeDefined();
  });

  it('are not waited for by who leaves; they come for the others', async () => {
    const { source, keys } = opened();
    const { promise, resolve } = Promise.withResolvers<unknown>();
    source.answer = () => promise;
    const leaver = new AbortController();
    const left = keys.current(leaver.signal);
    const stays = keys.current(NEVER);
    leaver.abort();

    await expect(left).rejects.toThrow('did not come in time');
    resolve({ keys: [ONE.jwk] });
    expect(await stays).toBeDefined();
  });

  it('do not hide a mistake of ours as one of the provider', async () => {
    const { source, keys } = opened();
    source.answer = () => {
      throw new TypeError('x is not a function');
    };

    await expect(keys.current(NEVER)).rejects.toThrow(TypeError);
    vi.advanceTimersByTime(source.cooldownMs);
    source.answer = () => ({ keys: [ONE.jwk] });
    expect(await keys.current(NEVER)).toBeDefined();
  });

  it.each([
    ['null', null],
    ['a list', []],
    ['keys that are no list', { keys: {} }],
    ['keys that are no objects', { keys: [null, 'x'] }],
  ])('are not taken from %s', async (_what, json) => {
    const { source, keys } = opened();
    source.answer = () => json;

    await expect(keys.current(NEVER)).rejects.toThrow('what the provider gives as its keys is no JWK set');
  });
});

describe('a file with keys', () => {
  const folder = mkdtempSync(join(tmpdir(), 'homing-keys-'));
  const path = join(folder, 'keys.json');
  const write = (content: unknown): void => writeFileSync(path, JSON.stringify(content));
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
    rmSync(path, { force: true });
  });

  it('is read again when it has changed', async () => {
    write({ keys: [ONE.jwk] });
    const keys = new RotatingKeys(keysFromFile(path));
    const before = await keys.current(NEVER);

    write({ keys: [TWO.jwk] });
    vi.advanceTimersByTime(1000);
    const after = await keys.current(NEVER);

    expect([before, after].map((set) => set.jwks().keys[0]?.kid)).toEqual(['one', 'two']);
  });

  it('that is broken for a moment leaves the keys that were there', async () => {
    write({ keys: [ONE.jwk] });
    const keys = new RotatingKeys(keysFromFile(path));
    const before = await keys.current(NEVER);

    writeFileSync(path, '{"keys": [');
    vi.advanceTimersByTime(1000);

    expect(await keys.current(NEVER)).toBe(before);
  });

  it('that is missing, too long or no JSON is named with the reason, and nothing of its content', async () => {
    const why = async () => {
      const error: unknown = await new RotatingKeys(keysFromFile(path))
        .current(NEVER)
        .catch((e: unknown) => e);
      return error instanceof ProviderDown ? error.message : '';
    };

    expect(await why()).toContain(`${path}: ENOENT`);
    writeFileSync(path, 'CANARY is a private key');
    expect(await why()).toBe(`${path}: it is not JSON`);
    writeFileSync(path, ' '.repeat(65_537));
    expect(await why()).toBe(`${path}: it has more than 65536 octets`);
  });

  it('is checked for what can not verify tokens', () => {
    const reason = (content: unknown) => whyNoKeySet(Buffer.from(JSON.stringify(content)));

    expect(reason({ keys: [ONE.jwk] })).toBeUndefined();
    expect(reason({ keys: [] })).toBe('there is no key in this set');
    expect(reason(ONE.jwk)).toBe('this is no JWK set');
    expect(reason({ keys: [ONE.jwk, { ...TWO.jwk, d: 'secret' }] })).toBe(
      'there is a secret key among these keys',
    );
    expect(whyNoKeySet(Buffer.from('-----BEGIN PRIVATE KEY-----'))).toBe('this is no JWK set');
    expect(whyNoKeySet(Buffer.alloc(65_537))).toBe('these keys have more than 65536 octets');
  });
});
