import { afterAll, describe, expect, it } from 'vitest';
import { CANARY, ConfigFolder, GOOD, good } from '../support/config-folder.ts';
import { makeKey } from '../support/identity-provider.ts';
import { run } from '../support/test-terminal.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());
const KEY = await makeKey('ES256', 'k1');
folder.write('keys.json', JSON.stringify({ keys: [KEY.jwk] }), 0o644);
folder.write('private.json', JSON.stringify({ keys: [{ ...KEY.jwk, d: CANARY }] }));
folder.write('id.secret', `${CANARY}-client\n`);
folder.write('open.secret', `${CANARY}-client\n`, 0o644);

const LISTENING = good('tls: starttls }', 'tls: starttls, mechanisms: [OAUTHBEARER, XOAUTH2, PLAIN] }');
const oauth = (...providers: readonly string[]): string =>
  `${LISTENING}oauth:\n  providers:\n${providers.map((text) => `    - ${text}\n`).join('')}`;
const jwt = (settings: string): string => `{ kind: jwt, issuer: 'https://id', ${settings} }`;
const introspection = (settings: string): string =>
  `{ kind: introspection, url: 'https://id/i', ${settings} }`;
const BASIC = 'clientId: homing, clientSecretFile: id.secret';

describe('oauth', () => {
  it('takes JWTs of a provider by the keys of its URL', () => {
    const config = folder.load(
      oauth(
        jwt("keysUrl: 'https://id/keys', audience: [homing], scopes: [mail, imap], domains: [Example.org]"),
      ),
    );

    expect(config.warnings).toEqual([]);
    expect(config.oauth?.hosts).toEqual([]);
    expect(config.oauth?.providers).toMatchObject([
      {
        kind: 'jwt',
        ca: undefined,
        guide: { scope: 'mail imap' },
        keys: { kind: 'url', url: new URL('https://id/keys') },
        terms: {
          issuer: 'https://id',
          audiences: ['homing'],
          scopes: ['mail', 'imap'],
          domains: ['example.org'],
          userClaim: 'email',
          clockSkewMs: 30_000,
        },
      },
    ]);
  });

  it('asks a provider about tokens, with a secret from a file', () => {
    const config = folder.load(oauth(introspection(`${BASIC}, audience: [homing], cache: 0s`)));

    expect(config.oauth?.providers).toMatchObject([
      { kind: 'introspection', cacheMs: 0, terms: { credentials: { kind: 'basic', id: 'homing' } } },
    ]);
    expect(JSON.stringify(config)).not.toContain(CANARY);
  });

  it('reads the names of the service as DNS does', () => {
    const text = oauth(jwt('keysFile: keys.json, audience: [a]')).replace(
      'oauth:\n',
      'oauth:\n  hosts: [Mail.Example.ORG.]\n',
    );

    expect(folder.load(text).oauth?.hosts).toEqual(['mail.example.org']);
  });

  it('is shown by homing check, without secrets', async () => {
    const file = folder.write(
      'check.yaml',
      oauth(
        jwt('keysFile: keys.json, audience: [a], domains: [example.org]'),
        introspection(`${BASIC}, audience: [a], domains: [example.net]`),
      ).concat('external: { user: email, map: [{ commonName: ann, account: ann }] }\n'),
    );

    const { code, output, errors } = await run(['check', file]);

    expect([code, errors]).toEqual([0, '']);
    expect(output).toContain(
      `takes        tokens of https://id for example.org, users by email, by keys in ${folder.path}/keys.json`,
    );
    expect(output).toContain(
      'takes        tokens of any issuer for example.net, users by username, by asking https://id/i',
    );
    expect(output).toContain('takes        client certificates, accounts by a map of 1, then email');
    expect(output).not.toContain(CANARY);
  });

  it.each([
    [
      'http',
      "keysUrl: ¶'http://id.example.org/keys'",
      'http can be read and changed by whoever is on the way (https://)',
    ],
    [
      'a password in a URL',
      "keysUrl: ¶'https://u:p@id/keys'",
      'this URL has a user name, a password or a fragment (a URL without them)',
    ],
    [
      'no URL',
      'keysUrl: ¶keys.json',
      'this is not the URL of a web service (as https://id.example.org/path)',
    ],
    [
      'a secret algorithm',
      'keysFile: keys.json, algorithms: [¶HS256]',
      'with HS256 whoever can verify a token can make one (some of RS256,',
    ],
    [
      'no algorithm',
      'keysFile: keys.json, algorithms: [¶none]',
      'this is no algorithm for the signature of a token (some of RS256,',
    ],
    ['a secret among the keys', 'keysFile: ¶private.json', 'there is a secret key among these keys ('],
    ['a certificate for keys', 'keysFile: ¶cert.pem', 'this is no JWK set ('],
    ['no CA', 'keysFile: keys.json, caFile: ¶keys.json', 'there is no certificate in this file ('],
    [
      'a misspelt setting',
      'keysFile: keys.json, ¶audiences: [a]',
      'there is no setting "audiences" (did you mean audience?)',
    ],
  ])('is refused with %s', (_what, settings, problem) => {
    expect(folder.refusal(oauth(jwt(`audience: [homing], ${settings}`)))).toContain(problem);
  });

  it.each([
    [
      'a JWT provider without keys',
      jwt('audience: [a]'),
      'there are no keys to verify tokens by (keysUrl or keysFile)',
    ],
    [
      'keys in two places',
      jwt("audience: [a], keysFile: keys.json, keysUrl: 'https://id'"),
      'there are keys in two places (keysUrl or keysFile)',
    ],
    [
      'introspection without credentials',
      introspection('audience: [a]'),
      'the provider must be told who asks (clientId and clientSecretFile, or bearerFile instead)',
    ],
    [
      'two kinds of credentials',
      introspection(`audience: [a], ${BASIC}, bearerFile: id.secret`),
      'the provider must be told who asks (clientId and clientSecretFile, or bearerFile instead)',
    ],
  ])('is refused with %s', (_what, provider, problem) => {
    expect(folder.refusal(oauth(`¶${provider}`))).toBe(problem);
  });

  it('is refused with a secret that others can read', () => {
    const settings = 'audience: [a], clientId: homing, clientSecretFile: ¶open.secret';

    expect(folder.refusal(oauth(introspection(settings)))).toContain('others than its owner can get at');
  });

  it('is refused when two providers would get the same tokens', () => {
    const one = jwt('keysFile: keys.json, audience: [a], domains: [a.org]');
    const any = introspection(`${BASIC}, audience: [a], domains: [a.org]`);

    expect(folder.refusal(oauth(one, `¶${one}`))).toContain('oauth.providers[0] has this issuer already');
    expect(folder.refusal(oauth(one, any, `¶${any}`))).toContain(
      'oauth.providers[1] takes the tokens of any issuer already',
    );
  });

  it('is warned of without audience', () => {
    const { warnings } = folder.load(oauth(jwt('keysFile: keys.json')));

    expect(warnings.map(({ setting, message }) => [setting, message])).toEqual([
      [
        'oauth.providers[0]',
        'without audience, a token that a user gave to any other service of this provider lets that service in',
      ],
    ]);
  });

  it('is warned of where one of several providers can speak for all users', () => {
    const { warnings } = folder.load(
      oauth(
        jwt('keysFile: keys.json, audience: [a], domains: [a.org]'),
        introspection(`${BASIC}, audience: [a]`),
      ),
    );

    expect(warnings.map(({ setting, message }) => [setting, message])).toEqual([
      ['oauth.providers[1]', 'this provider can speak for all users, also for those of the other providers'],
    ]);
  });

  it('is warned of where no listener offers it', () => {
    const { warnings } = folder.load(
      `${GOOD}oauth: { providers: [${jwt('keysFile: keys.json, audience: [a]')}] }\n`,
    );

    expect(warnings.map(({ message }) => message)).toEqual([
      'no listener offers OAUTHBEARER or XOAUTH2, so no token is taken',
    ]);
  });

  it.each(['OAUTHBEARER', 'XOAUTH2'])('is needed where a listener offers %s', (name) => {
    expect(folder.refusal(good('tls: starttls }', `tls: starttls, mechanisms: [PLAIN, ¶${name}] }`))).toBe(
      `${name} needs the setting oauth (oauth: with the identity providers whose tokens are taken)`,
    );
  });

  it('may be in clear text on this machine, where nobody can listen in', () => {
    const local = ["'http://localhost:8080/k'", "'http://127.0.0.1/k'", "'http://[::1]/k'"];

    for (const url of local) {
      expect(folder.load(oauth(jwt(`keysUrl: ${url}, audience: [a]`))).oauth).toBeDefined();
    }
  });
});
