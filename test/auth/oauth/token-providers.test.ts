import { describe, expect, it } from 'vitest';
import { type TokenProvider, tokenProviders } from '../../../auth/oauth/token-providers.ts';
import { Secret } from '../../../auth/secret.ts';
import { makeKey, sign } from '../../support/identity-provider.ts';

const KEY = await makeKey('ES256', 'k');

function provider(name: string, terms: Partial<TokenProvider>, disposed: string[] = []): TokenProvider {
  return {
    issuer: undefined,
    takesOpaque: false,
    guide: { scope: name },
    verifier: {
      verify: async () => ({ kind: 'valid', user: name }),
      [Symbol.dispose]: () => void disposed.push(name),
    },
    ...terms,
  };
}

const ONE = provider('one', { issuer: 'https://one' });
const TWO = provider('two', { issuer: 'https://two' });
const ANY = provider('any', { takesOpaque: true });

async function judgedBy(token: string, ...providers: [TokenProvider, ...TokenProvider[]]) {
  const judge = tokenProviders(providers);
  const { verdict, guide } = await judge.judge(new Secret(Buffer.from(token)), new AbortController().signal);
  return [verdict.kind === 'valid' ? verdict.user : `${verdict.reason}: ${verdict.detail}`, guide.scope];
}

describe('a token', () => {
  it('is brought to the provider that it names', async () => {
    expect(await judgedBy(await sign(KEY, { iss: 'https://two' }), ONE, TWO, ANY)).toEqual(['two', 'two']);
  });

  it('of another issuer is brought to the provider that takes any', async () => {
    expect(await judgedBy(await sign(KEY, { iss: 'https://three' }), ONE, ANY)).toEqual(['any', 'any']);
  });

  it('of another issuer is refused where each provider has its own', async () => {
    const refused = ['badToken: its issuer is none of oauth.providers', 'one'];

    expect(await judgedBy(await sign(KEY, { iss: 'https://three' }), ONE, TWO)).toEqual(refused);
    expect(await judgedBy(await sign(KEY, { iss: ['https://one'] }), ONE, TWO)).toEqual(refused);
    expect(await judgedBy('opaque', ONE, TWO)).toEqual(refused);
  });

  it('that is no JWT is brought to who is asked about tokens', async () => {
    expect(await judgedBy('opaque', ONE, ANY)).toEqual(['any', 'any']);
    const named = provider('named', { issuer: 'https://three', takesOpaque: true });
    expect(await judgedBy('opaque', ONE, named)).toEqual(['named', 'named']);
  });
});

describe('the providers', () => {
  it('tell who has no token of the first one', () => {
    expect(tokenProviders([ONE, TWO]).guide).toEqual({ scope: 'one' });
  });

  it('are all closed in the end', () => {
    const disposed: string[] = [];
    tokenProviders([provider('one', {}, disposed), provider('two', {}, disposed)])[Symbol.dispose]();

    expect(disposed).toEqual(['one', 'two']);
  });
});
