import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type IntrospectionTerms, introspect } from '../../../auth/oauth/introspection.ts';
import { ProviderHttp } from '../../../auth/oauth/provider-http.ts';
import { badToken } from '../../../auth/oauth/token.ts';
import { TokenCache } from '../../../auth/oauth/token-cache.ts';
import { Secret } from '../../../auth/secret.ts';

const secret = (text: string): Secret => new Secret(Buffer.from(text));
const TERMS: IntrospectionTerms = {
  issuer: undefined,
  audiences: undefined,
  clockSkewMs: 30_000,
  scopes: [],
  userClaim: 'username',
  domains: undefined,
  credentials: { kind: 'basic', id: 'homing', secret: secret('pass word:%') },
};
const nowS = (): number => Math.floor(Date.now() / 1000);

interface Request {
  readonly method: string | undefined;
  readonly authorization: string | undefined;
  readonly type: string | undefined;
  readonly form: string;
}

let answer: unknown;
let requests: Request[] = [];
const listener: RequestListener = async (request, response) => {
  const form = Buffer.concat(await Array.fromAsync(request)).toString();
  const { authorization, 'content-type': type } = request.headers;
  requests.push({ method: request.method, authorization, type, form });
  response.end(JSON.stringify(answer));
};
const server = createServer(listener);
let http: ProviderHttp;
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  http = new ProviderHttp({ url: new URL(`http://127.0.0.1:${port}/introspect`), ca: undefined });
});
afterAll(() => {
  http[Symbol.dispose]();
  server.close();
});
beforeEach(() => {
  answer = { active: true, username: 'ann@example.org' };
  requests = [];
});

async function ask(
  terms: Partial<IntrospectionTerms> = {},
  cache = new TokenCache(0),
  token = 't',
): Promise<string> {
  const parts = { http, cache };
  const verdict = await introspect(
    secret(token),
    { ...TERMS, ...terms },
    parts,
    new AbortController().signal,
  );
  return verdict.kind === 'valid' ? verdict.user : `${verdict.reason}: ${verdict.detail}`;
}

describe('introspection (RFC 7662)', () => {
  it('sends the token as a form, with the credentials of RFC 6749 section 2.3.1', async () => {
    expect(await ask({}, undefined, 'a+b/c=')).toBe('ann@example.org');

    expect(requests).toEqual([
      {
        method: 'POST',
        authorization: `Basic ${Buffer.from('homing:pass+word%3A%25').toString('base64')}`,
        type: 'application/x-www-form-urlencoded',
        form: 'token=a%2Bb%2Fc%3D&token_type_hint=access_token',
      },
    ]);
  });

  it('may prove itself by a token of its own', async () => {
    await ask({ credentials: { kind: 'bearer', token: secret('own') } });

    expect(requests[0]?.authorization).toBe('Bearer own');
  });

  it.each([
    ['is not active', { active: false }, {}, 'badToken: its provider says that it is not active'],
    ['has expired', { exp: 1 }, {}, 'tokenExpired: it has expired'],
    ['ends at no time', { exp: 'tomorrow' }, {}, 'tokenExpired: it has expired'],
    ['is not valid yet', { nbf: 99_999_999_999 }, {}, 'tokenExpired: it is not valid yet'],
    ['begins at no time', { nbf: 'x' }, {}, 'tokenExpired: it is not valid yet'],
    [
      'has no user',
      { username: undefined },
      {},
      'tokenUnfit: it has no claim username, which names the user',
    ],
    ['is of another issuer', { iss: 'x' }, { issuer: 'y' }, 'tokenUnfit: it is of another issuer'],
    ['does not say its issuer', {}, { issuer: 'y' }, 'tokenUnfit: its provider does not say its iss'],
    [
      'is for others',
      { aud: ['x', 'y'] },
      { audiences: ['z'] },
      'tokenUnfit: it is for another audience: ["x","y"]',
    ],
    ['is for nobody', {}, { audiences: ['z'] }, 'tokenUnfit: it is for another audience: null'],
    ['lacks a scope', { scope: 'a b' }, { scopes: ['c'] }, 'tokenUnfit: it lacks the scope c'],
    [
      'is of a user of others',
      {},
      { domains: ['example.com'] },
      'tokenUnfit: its user is of no domain that its provider may speak for',
    ],
  ])('refuses a token that %s', async (_what, claims, terms, refusal) => {
    answer = { active: true, username: 'ann@example.org', ...claims };

    expect(await ask(terms)).toBe(refusal);
  });

  it('takes a token that has all that is asked for', async () => {
    answer = {
      active: true,
      sub: 'ann',
      iss: 'y',
      aud: 'z',
      scope: 'c d',
      exp: nowS() - 20,
      nbf: nowS() + 20,
    };

    expect(await ask({ issuer: 'y', audiences: ['x', 'z'], scopes: ['c'], userClaim: 'sub' })).toBe('ann');
  });

  it.each([
    ['null', null],
    ['a list', []],
    ['an error', { error: 'x' }],
    ['active as text', { active: 'true' }],
  ])('takes %s for no answer', async (_what, json) => {
    answer = json;

    expect(await ask()).toBe('providerDown: what the provider answers is no introspection of a token');
  });
});

describe('a token that was found right', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] });
    return () => vi.useRealTimers();
  });

  it('is not asked about again for its time, other tokens are', async () => {
    const cache = new TokenCache(60_000);
    await ask({}, cache, 'one');
    await ask({}, cache, 'one');
    await ask({}, cache, 'two');
    const soon = requests.length;
    vi.advanceTimersByTime(60_000);
    await ask({}, cache, 'one');

    expect([soon, requests.length]).toEqual([2, 3]);
  });

  it('is asked about again when it has ended', async () => {
    const cache = new TokenCache(60_000);
    answer = { active: true, username: 'ann', exp: nowS() + 10 };
    await ask({}, cache);
    vi.advanceTimersByTime(11_000);
    answer = { active: false };

    expect(await ask({}, cache)).toContain('not active');
  });

  it('is not remembered where the cache is off', async () => {
    const cache = new TokenCache(0);
    await ask({}, cache);
    await ask({}, cache);

    expect(requests).toHaveLength(2);
  });

  it('makes room when ten thousand others came', () => {
    const cache = new TokenCache(60_000);
    const ann = { kind: 'valid', user: 'ann' } as const;
    cache.add(secret('first'), ann, Number.POSITIVE_INFINITY);
    for (let count = 0; count < 10_000; count += 1) {
      cache.add(secret(`t${count}`), ann, Number.POSITIVE_INFINITY);
    }

    expect([cache.get(secret('first')), cache.get(secret('t9999'))]).toEqual([undefined, ann]);
  });
});

describe('a token that was found wrong', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] });
    return () => vi.useRealTimers();
  });

  it.each([0, 600_000])(
    'is asked about once in a minute, where right ones are kept for %i ms',
    async (keepMs) => {
      const cache = new TokenCache(keepMs);
      answer = { active: false };
      const refusals = [await ask({}, cache), await ask({}, cache)];
      const soon = requests.length;
      answer = { active: true, username: 'ann' };
      vi.advanceTimersByTime(59_999);
      refusals.push(await ask({}, cache));
      vi.advanceTimersByTime(1);

      expect(await ask({}, cache)).toBe('ann');
      expect(refusals).toEqual(Array(3).fill('badToken: its provider says that it is not active'));
      expect([soon, requests.length]).toEqual([1, 2]);
    },
  );

  it('is asked about again when it has become valid', async () => {
    const cache = new TokenCache(60_000);
    answer = { active: true, username: 'ann', nbf: nowS() + 40 };
    const early = await ask({}, cache);
    vi.advanceTimersByTime(11_000);

    expect([early, await ask({}, cache)]).toEqual(['tokenExpired: it is not valid yet', 'ann']);
  });

  it('is not remembered where its provider could not tell', async () => {
    const cache = new TokenCache(60_000);
    answer = null;
    await ask({}, cache);
    answer = { active: true, username: 'ann' };

    expect(await ask({}, cache)).toBe('ann');
  });

  it('drives no right one out, however many there are', () => {
    const cache = new TokenCache(60_000);
    const ann = { kind: 'valid', user: 'ann' } as const;
    cache.add(secret('right'), ann, Number.POSITIVE_INFINITY);
    for (let count = 0; count <= 10_000; count += 1) {
      cache.add(secret(`t${count}`), badToken('no'), Number.POSITIVE_INFINITY);
    }

    expect(cache.get(secret('right'))).toEqual(ann);
    expect([cache.get(secret('t0')), cache.get(secret('t10000'))]).toEqual([undefined, badToken('no')]);
  });
});
