import { createHmac, createSecretKey } from 'node:crypto';
import { exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { JWT_ALGORITHMS, type JwtTerms, verifyJwt } from '../../../auth/oauth/jwt-verifier.ts';
import { type KeySource, RotatingKeys } from '../../../auth/oauth/key-set.ts';
import { ProviderDown } from '../../../auth/oauth/token.ts';
import { Secret } from '../../../auth/secret.ts';
import { AUDIENCE, ISSUER, makeKey, type SigningKey, sign } from '../../support/identity-provider.ts';

const TERMS: JwtTerms = {
  issuer: ISSUER,
  audiences: [AUDIENCE, 'mail'],
  algorithms: JWT_ALGORITHMS,
  clockSkewMs: 30_000,
  scopes: [],
  userClaim: 'email',
  domains: undefined,
};
const KEY = await makeKey('ES256', 'k1');
const nowS = (): number => Math.floor(Date.now() / 1000);

function keysOf(...sets: readonly (readonly SigningKey[] | Error)[]): RotatingKeys {
  let loads = 0;
  const source: KeySource = {
    load: async () => {
      const set = sets[Math.min(loads, sets.length - 1)] ?? [];
      loads += 1;
      if (set instanceof Error) {
        throw set;
      }
      return { keys: set.map(({ jwk }) => jwk) };
    },
    maxAgeMs: 60_000,
    cooldownMs: 0,
    [Symbol.dispose]: () => undefined,
  };
  return new RotatingKeys(source);
}

async function verify(token: string, terms: Partial<JwtTerms> = {}, keys = keysOf([KEY])): Promise<string> {
  const secret = new Secret(Buffer.from(token));
  const verdict = await verifyJwt(secret, { ...TERMS, ...terms }, keys, new AbortController().signal);
  return verdict.kind === 'valid' ? verdict.user : `${verdict.reason}: ${verdict.detail}`;
}

/** A token whose header says anything, over claims that would be right. */
async function forged(header: object, signature: (input: string) => string): Promise<string> {
  const [, payload] = (await sign(KEY)).split('.');
  const input = `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}`;
  return `${input}.${signature(input)}`;
}

describe('a JWT', () => {
  it.each(['EdDSA', 'RS256', 'PS384', 'ES256', 'ES512'])('is taken when it is signed by %s', async (alg) => {
    const key = await makeKey(alg, 'k');

    expect(await verify(await sign(key), {}, keysOf([KEY, key]))).toBe('ann@example.org');
  });

  it('names the user by the claim that is configured', async () => {
    const token = await sign(KEY, { sub: 'ann', preferred_username: 'Ann' });

    expect(await verify(token, { userClaim: 'preferred_username' })).toBe('Ann');
    expect(await verify(token, { userClaim: 'sub' })).toBe('ann');
  });

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['a number', 7],
    ['a list', ['ann@example.org']],
  ])('is refused when the claim of the user is %s', async (_what, email) => {
    expect(await verify(await sign(KEY, { email }))).toBe(
      'tokenUnfit: it has no claim email, which names the user',
    );
  });

  it('is refused when the claim of the user is no own one', async () => {
    expect(await verify(await sign(KEY), { userClaim: 'constructor' })).toContain('no claim constructor');
  });

  it('is refused when its provider has not verified the email', async () => {
    expect(await verify(await sign(KEY, { email_verified: false }))).toBe(
      'tokenUnfit: its provider has not verified the email',
    );
    expect(await verify(await sign(KEY, { email_verified: true }))).toBe('ann@example.org');
  });

  it.each([
    ['of another issuer', { iss: 'https://evil.example' }, 'its claim iss is not what it should be'],
    ['without issuer', { iss: undefined }, 'it has no claim iss'],
    ['for another audience', { aud: ['account', 'x'] }, 'it is for another audience: ["account","x"]'],
    ['for nobody', { aud: undefined }, 'it has no claim aud'],
    ['without an end', { exp: undefined }, 'it has no claim exp'],
    ['whose end is no number', { exp: '9999999999' }, 'its claim exp is not what it should be'],
  ])('is refused %s', async (_what, claims, detail) => {
    expect(await verify(await sign(KEY, claims))).toBe(`tokenUnfit: ${detail}`);
  });

  it('is refused when it has expired, and says for how long', async () => {
    expect(await verify(await sign(KEY, { exp: nowS() - 100 }))).toMatch(
      /^tokenExpired: it expired 10[01] s ago$/,
    );
  });

  it('is refused before it is valid', async () => {
    expect(await verify(await sign(KEY, { nbf: nowS() + 120 }))).toBe('tokenExpired: it is not valid yet');
  });

  it('is called bad, and not expired, where nobody signed it', async () => {
    const stranger = await makeKey('ES256', 'k1');

    expect(await verify(await sign(stranger, { exp: nowS() - 100 }))).toBe(
      'badToken: its signature is wrong',
    );
  });

  it.each(['JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'application/jwt'])(
    'may say that it is of the kind %s (RFC 9068 section 2.1)',
    async (typ) => {
      expect(await verify(await sign(KEY, {}, { typ }))).toBe('ann@example.org');
    },
  );

  it.each(['logout+jwt', 'dpop+jwt', 'secevent+jwt', 'application/logout+jwt', 'id_token', ''])(
    'is refused where it says that it is of the kind "%s" (RFC 8725 section 3.11)',
    async (typ) => {
      expect(await verify(await sign(KEY, {}, { typ }))).toBe(
        `tokenUnfit: its header says typ "${typ}", which is no access token`,
      );
    },
  );

  it('may have ended, or begin, within the skew of the clocks', async () => {
    expect(await verify(await sign(KEY, { exp: nowS() - 20 }))).toBe('ann@example.org');
    expect(await verify(await sign(KEY, { nbf: nowS() + 20 }))).toBe('ann@example.org');
    expect(await verify(await sign(KEY, { exp: nowS() - 20 }), { clockSkewMs: 0 })).toContain('it expired');
  });

  it('may be for any of our audiences, or for anybody where none is configured', async () => {
    expect(await verify(await sign(KEY, { aud: ['x', 'mail'] }))).toBe('ann@example.org');
    expect(await verify(await sign(KEY, { aud: undefined }), { audiences: undefined })).toBe(
      'ann@example.org',
    );
  });

  it.each([
    ['a text', { scope: 'openid mail imap' }],
    ['a list', { scope: ['mail', 'imap'] }],
    ['a list named scp', { scp: ['imap', 'mail'] }],
    ['a text named scp', { scp: 'mail imap' }],
  ])('has its scopes as %s', async (_what, claims) => {
    expect(await verify(await sign(KEY, claims), { scopes: ['mail', 'imap'] })).toBe('ann@example.org');
  });

  it.each([
    ['no scope', {}],
    ['one of two', { scope: 'mail' }],
    ['parts of words', { scope: 'mailx imapx' }],
    ['an object', { scope: { mail: true } }],
  ])('is refused with %s', async (_what, claims) => {
    expect(await verify(await sign(KEY, claims), { scopes: ['mail', 'imap'] })).toMatch(
      /^tokenUnfit: it lacks the scope /,
    );
  });

  it.each([
    ['ann@example.org', 'ann@example.org'],
    ['Ann@EXAMPLE.org', 'Ann@EXAMPLE.org'],
    ['ann@example.com', 'tokenUnfit: its user is of no domain that its provider may speak for'],
    ['ann@x@example.com', 'tokenUnfit: its user is of no domain that its provider may speak for'],
    ['example.org', 'tokenUnfit: its user is of no domain that its provider may speak for'],
    ['ann@', 'tokenUnfit: its user is of no domain that its provider may speak for'],
  ])('of a provider for some domains may name %s or not', async (email, expected) => {
    expect(await verify(await sign(KEY, { email }), { domains: ['example.org'] })).toBe(expected);
  });
});

describe('a forged JWT', () => {
  it.each(['none', 'None', 'NONE', ''])('is refused with the algorithm %j', async (alg) => {
    expect(await verify(await forged({ alg }, () => ''))).toMatch(/^badToken: it/);
  });

  it('is refused when it is signed with a public key as if that were a secret', async () => {
    const { publicKey } = await generateKeyPair('RS256', { extractable: true });
    const spki = await exportSPKI(publicKey);
    const key = await makeKey('RS256', 'k1');
    const { n: modulus } = key.jwk;
    for (const secret of [spki, String(modulus), JSON.stringify(key.jwk)]) {
      const token = await forged({ alg: 'HS256', kid: 'k1' }, (input) =>
        createHmac('sha256', secret).update(input).digest('base64url'),
      );

      expect(await verify(token, {}, keysOf([key]))).toBe('badToken: its algorithm is not allowed');
    }
  });

  it('is refused by a secret among the keys of the provider', async () => {
    const secret = createSecretKey(Buffer.alloc(32, 1));
    const token = await new SignJWT({ iss: ISSUER, aud: AUDIENCE, email: 'ann@example.org' })
      .setProtectedHeader({ alg: 'HS256', kid: 'k1' })
      .setExpirationTime('5m')
      .sign(secret);
    const oct = { ...KEY, jwk: { kty: 'oct', k: secret.export().toString('base64url'), kid: 'k1' } };

    expect(await verify(token, {}, keysOf([oct]))).toBe('badToken: its algorithm is not allowed');
  });

  it('is refused with an algorithm that is asymmetric, but not allowed here', async () => {
    expect(await verify(await sign(KEY), { algorithms: ['RS256'] })).toBe(
      'badToken: its algorithm is not allowed',
    );
  });

  it('is refused with the signature of another key of the same id', async () => {
    expect(await verify(await sign(await makeKey('ES256', 'k1')))).toBe('badToken: its signature is wrong');
  });

  it('brings no key of its own', async () => {
    const own = await makeKey('ES256', 'own');
    for (const header of [
      { jwk: own.jwk },
      { jwk: own.jwk, kid: 'k1' },
      { jku: 'https://evil.example/keys', kid: 'own' },
      { x5u: 'https://evil.example/cert', kid: 'own' },
      { x5c: ['MIIB'], kid: 'own' },
    ]) {
      expect(await verify(await sign(own, {}, header))).toMatch(
        /^badToken: (?:its provider has no such key|its signature is wrong)$/,
      );
    }
  });

  it.each(['../../../../etc/passwd', '/dev/null', 'https://evil.example/k', '\0', '%2e%2e', '__proto__', ''])(
    'names with the id %j no key (CVE-2021-29157)',
    async (kid) => {
      const own = await makeKey('ES256');

      expect(await verify(await sign(own, {}, { kid }))).toBe('badToken: its provider has no such key');
    },
  );

  it('is refused when it asks for what is not known', async () => {
    const token = await forged({ alg: 'ES256', kid: 'k1', crit: ['exp'], exp: 1 }, () => 'AAAA');

    expect(await verify(token)).toMatch(/^badToken: it/);
  });

  it.each(['', 'a', 'a.b', 'a.b.c', '..', 'a.b.c.d.e', 'eyJhbGciOiJFUzI1NiJ9.bnVsbA.AAAA', '💥.💥.💥'])(
    'is refused as %j',
    async (token) => {
      expect(await verify(token)).toMatch(/^badToken: /);
    },
  );

  it('is refused whatever bit of it was changed, and never shown', async () => {
    const token = await sign(KEY, { scope: 'mail' });
    for (let at = 0; at < token.length; at += 7) {
      const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
      const result = await verify(changed);

      expect(result).toMatch(/^badToken: /);
      expect(result).not.toContain(token.slice(0, 12));
    }
  });
});

describe('the keys of a provider', () => {
  it('are loaded again for a token of a new key', async () => {
    const next = await makeKey('ES256', 'k2');

    expect(await verify(await sign(next), {}, keysOf([KEY], [KEY, next]))).toBe('ann@example.org');
  });

  it('are loaded again when the new key has the place of the old one', async () => {
    const old = await makeKey('ES256');
    const next = await makeKey('ES256');

    expect(await verify(await sign(next), {}, keysOf([old], [next]))).toBe('ann@example.org');
  });

  it('are all tried where the token names none', async () => {
    const second = await makeKey('ES256', 'k2');
    const keys = [await makeKey('ES256', 'k1'), second];
    const signed = await sign({ ...second, header: { alg: 'ES256' } });
    const stranger = await sign(await makeKey('ES256'));

    expect(await verify(signed, {}, keysOf(keys))).toBe('ann@example.org');
    expect(await verify(stranger, {}, keysOf(keys))).toBe('badToken: its signature is wrong');
  });

  it('that are away make no token bad', async () => {
    expect(await verify(await sign(KEY), {}, keysOf(new ProviderDown('https://id: no answer')))).toBe(
      'providerDown: https://id: no answer',
    );
  });

  it('that are weak make no token bad', async () => {
    const rsa = await generateKeyPair('RS256', { extractable: true });
    const weak = { kty: 'RSA', n: Buffer.alloc(128, 0xff).toString('base64url'), e: 'AQAB', kid: 'k1' };
    const signer = { header: { alg: 'RS256', kid: 'k1' }, privateKey: rsa.privateKey, jwk: weak };

    const said = await verify(await sign(signer), {}, keysOf([signer]));
    expect(said).toBe('providerDown: the key k1 of the provider can not be used');
  });

  it.each([
    ['ES256', { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }],
    ['RS256', { kty: 'RSA', n: '!', e: 'AQAB' }],
    ['EdDSA', { kty: 'OKP', crv: 'Ed25519', x: 'AA' }],
    ['RS256', { kty: 'RSA', n: 7, e: null }],
  ])('that are broken (%s %o) are named, and keep no other from being used', async (alg, jwk) => {
    const own = await makeKey(alg, 'kid\r\n"of\u202ethe provider');
    const broken = { ...own, jwk: { ...jwk, kid: own.header.kid } };
    const unnamed = { ...(await makeKey(alg)), header: { alg } };
    const keys = keysOf([broken, KEY, unnamed]);
    expect(await verify(await sign(broken), {}, keys)).toBe(
      'providerDown: the key kid??"of?the?provider of the provider can not be used',
    );
    expect(await verify(await sign(KEY), {}, keys)).toBe('ann@example.org');
    expect(await verify(await sign(unnamed), {}, keys)).toBe('ann@example.org');
  });

  it('that were broken are loaded again', async () => {
    const sets = keysOf([{ ...KEY, jwk: { ...KEY.jwk, x: 'AA' } }], [KEY]);
    expect(await verify(await sign(KEY), {}, sets)).toBe('ann@example.org');
  });
});
