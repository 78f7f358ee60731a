import { createHash, createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createAuthenticator } from '../../../auth/authenticator.ts';
import type { Account, Directory, LoginGuard, StoredCredentials } from '../../../auth/directory.ts';
import { schemaOptions } from '../../../auth/entries/presets.ts';
import { compileSchema } from '../../../auth/entries/schema.ts';
import { countsAsGuess, LoginFailure, WIRE_ANSWER } from '../../../auth/failure.ts';
import { openLdif } from '../../../auth/ldif/ldif.ts';
import { DerivedKeys } from '../../../auth/mechanisms/derived-keys.ts';
import { cramMd5Server, makeApop } from '../../../auth/mechanisms/digest-server.ts';
import { Disguise } from '../../../auth/mechanisms/disguise.ts';
import { findScramKeys } from '../../../auth/mechanisms/scram-accounts.ts';
import { deriveStoredKey, type ScramHash } from '../../../auth/mechanisms/scram-keys.ts';
import { scramServer } from '../../../auth/mechanisms/scram-server.ts';
import type { StoredAccounts } from '../../../auth/mechanisms/stored-accounts.ts';
import { DEFAULT_PUNCTUATION } from '../../../auth/names.ts';
import { hashPassword } from '../../../auth/passwords/schemes.ts';
import { hashScram, readStoredKey } from '../../../auth/passwords/scram.ts';
import type { SaslServer, ServerStep } from '../../../auth/sasl.ts';
import { Secret } from '../../../auth/secret.ts';
import { clientFinal, clientFirst, type ScramClientTerms } from '../../support/scram-client.ts';

const signal = new AbortController().signal;
const secret = (text: string) => new Secret(Buffer.from(text));

/** RFC 5803's and Dovecot's forms of one key. */
async function storedForms(password: string, hash: ScramHash) {
  const key = await deriveStoredKey(secret(password), Buffer.from('0123456789abcdef'), 4096, hash);
  const [salt, stored, server] = [key.salt, key.storedKey, key.serverKey].map((octets) =>
    octets.toString('base64'),
  );
  const scheme = hash === 'sha1' ? 'SCRAM-SHA-1' : 'SCRAM-SHA-256';
  return {
    dovecot: `{${scheme}}4096,${salt},${stored},${server}`,
    rfc5803: `${scheme}$4096:${salt}$${stored}:${server}`,
    braced: `{${scheme}}4096:${salt}$${stored}:${server}`,
    lowerCase: `{${scheme.toLowerCase()}}4096,${salt},${stored},${server}`,
  };
}

interface Terms {
  readonly allowCleartext?: boolean;
  readonly guard?: LoginGuard;
  readonly directory?: Partial<Directory>;
  readonly directoryMs?: number;
  /** Entries that the users' own form has no room for. */
  readonly ldif?: readonly string[];
}

/** What is stored of alice and others, in a file. */
function accounts(users: Readonly<Record<string, readonly string[]>>, terms: Terms = {}): StoredAccounts {
  const { allowCleartext = false, guard, directoryMs = 1000, ldif = [] } = terms;
  const entries = Object.entries(users).map(
    ([name, values]) =>
      `dn: uid=${name},dc=x\nobjectClass: qmailUser\nuid: ${name}\nmail: ${name}@x.org\nmailHost: node-a\n` +
      values.map((value) => `userPassword:: ${Buffer.from(value).toString('base64')}\n`).join(''),
  );
  const schema = compileSchema(schemaOptions('qmail', { base: 'dc=x' }));
  const file = openLdif({ content: Buffer.from([...entries, ...ldif].join('\n')), schema, allowCleartext });
  const directory = terms.directory === undefined ? file : Object.assign(file, terms.directory);
  const authenticator = createAuthenticator({
    realms: [{ domains: undefined, directory }],
    names: {
      defaultDomain: undefined,
      lowerCase: true,
      punctuation: DEFAULT_PUNCTUATION,
      latin1Passwords: false,
    },
  });
  const context = { service: 'imap', ...(guard !== undefined && { guard }) };
  return { directoryMs, credentials: (name, limit) => authenticator.credentials(name, context, limit) };
}

function scram(
  stored: StoredAccounts,
  hash: ScramHash = 'sha256',
  support = {
    disguise: new Disguise(Buffer.from('the secret of the proxies')),
    derivedKeys: new DerivedKeys(),
  },
) {
  const find = findScramKeys(hash, stored, support);
  return {
    async login(
      terms: ScramClientTerms = {},
    ): Promise<{ readonly serverFirst: string; readonly step: ServerStep }> {
      const exchange = scramServer({ hash, channel: { kind: 'unbound' }, find });
      const first = await exchange.step(Buffer.from(clientFirst(terms)), signal);
      if (first.kind !== 'challenge') {
        return { serverFirst: '', step: first };
      }
      const serverFirst = first.challenge.toString();
      const { message } = clientFinal(serverFirst, { ...terms, hash });
      return { serverFirst, step: await exchange.step(Buffer.from(message), signal) };
    },
  };
}

/** What a client sees before it proves anything, without the nonce. */
function looks(serverFirst: string): { readonly saltOctets: number; readonly iterations: number } {
  const [, salt = '', iterations = ''] = /^r=[^,]+,s=([^,]+),i=(\d+)$/.exec(serverFirst) ?? [];
  return { saltOctets: Buffer.from(salt, 'base64').length, iterations: Number(iterations) };
}

function saltOf(serverFirst: string): string | undefined {
  return /,s=([^,]+),/.exec(serverFirst)?.[1];
}

const PROVED = { kind: 'proof', proof: { kind: 'proved', account: { name: 'alice' } } };

describe('M5 SCRAM with stored keys', () => {
  it.each(['sha1', 'sha256'] as const)(
    'reads them in the forms of Dovecot and RFC 5803 (%s)',
    async (hash) => {
      for (const value of Object.values(await storedForms('secret', hash))) {
        const { login } = scram(accounts({ alice: ['{SSHA}AAAA', value] }), hash);

        expect((await login()).step).toMatchObject(PROVED);
        expect((await login({ password: 'wrong' })).step).toMatchObject({
          proof: { kind: 'refuted', reason: 'wrongPassword', known: 'alice' },
        });
      }
    },
  );

  it('lets in by what `homing hash` makes, with SASLprep on both sides (RFC 4013 section 3)', async () => {
    const value = await hashScram(secret('I\u00adX \u2168 \u00aa'), 4096);

    const { step } = await scram(accounts({ alice: [value] })).login({ password: 'IX IX a' });

    expect(step).toMatchObject(PROVED);
  });

  it.each([
    ['a hash of another kind', ['{SSHA}c2VjcmV0c2VjcmV0c2VjcmV0']],
    ['the key of the other SCRAM', ['{SCRAM-SHA-1}4096,c2FsdA==,AAAA,AAAA']],
    ['half a key', ['{SCRAM-SHA-256}4096,c2FsdA==,AAAA']],
    ['a key whose sizes do not fit', ['{SCRAM-SHA-256}4096,c2FsdA==,AAAA,AAAA']],
    ['clear text that is not allowed', ['secret']],
    ['nothing', []],
  ])('refuses an account with %s like a wrong password, and tells the operator', async (_what, values) => {
    const stored = accounts({ alice: values });
    const { login } = scram(stored);

    const [known, unknown] = [await login(), await login({ user: 'nobody' })];

    expect(known.step).toMatchObject({
      proof: {
        kind: 'refuted',
        reason: 'noStoredKey',
        known: 'alice',
        detail: expect.stringContaining('homing hash'),
      },
    });
    expect(unknown.step).toMatchObject({ proof: { kind: 'refuted', reason: 'unknownUser' } });
    expect(looks(known.serverFirst)).toEqual(looks(unknown.serverFirst));
  });
});

describe('SCRAM of passwords in clear text', () => {
  it.each(['secret', '{CLEARTEXT}secret', '{PLAIN}secret'])(
    'lets in by %s where that is allowed',
    async (value) => {
      const { login } = scram(accounts({ alice: [value] }, { allowCleartext: true }));

      expect((await login()).step).toMatchObject(PROVED);
      expect((await login({ password: 'wrong' })).step).toMatchObject({ proof: { reason: 'wrongPassword' } });
    },
  );

  it('never takes a stored key for a password', async () => {
    const { rfc5803 } = await storedForms('secret', 'sha256');

    const { step } = await scram(accounts({ alice: [rfc5803] }, { allowCleartext: true })).login({
      password: rfc5803,
    });

    expect(step).toMatchObject({ proof: { kind: 'refuted', reason: 'wrongPassword' } });
  });

  it('derives a key once', async () => {
    const keys = new DerivedKeys();
    const shape = { salt: Buffer.from('salt'), iterations: 4096 };

    const [first, again, other] = [
      await keys.derive('sha256', Buffer.from('secret'), shape, signal),
      await keys.derive('sha256', Buffer.from('secret'), shape, signal),
      await keys.derive('sha256', Buffer.from('Secret'), shape, signal),
    ];

    expect(again).toBe(first);
    expect(other.storedKey).not.toEqual(first.storedKey);
  });
});

describe('M5 a proof that comes late', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
  afterEach(() => void vi.useRealTimers());

  const ALICE: Account = {
    name: 'alice',
    entry: 'uid=alice,dc=x',
    homes: ['node-a'],
    forwarded: new Map(),
    bar: undefined,
  };

  /** Proves the password some time after the challenge, when the directory says something else of alice. */
  async function prove(
    waitMs: number,
    later: (before: StoredCredentials) => StoredCredentials | undefined,
    password = 'secret',
  ) {
    const { dovecot } = await storedForms('secret', 'sha256');
    const before = { account: ALICE, values: [dovecot], allowCleartext: true };
    let searches = 0;
    const stored = async () => {
      searches += 1;
      return searches === 1 ? before : later(before);
    };
    const find = findScramKeys('sha256', accounts({}, { directory: { stored } }), {
      disguise: new Disguise(Buffer.from('x')),
      derivedKeys: new DerivedKeys(),
    });
    const exchange = scramServer({ hash: 'sha256', channel: { kind: 'unbound' }, find });
    const first = await exchange.step(Buffer.from(clientFirst({})), signal);
    vi.advanceTimersByTime(waitMs);
    const serverFirst = first.kind === 'challenge' ? first.challenge.toString() : '';
    const { message } = clientFinal(serverFirst, { password });
    const step = await exchange.step(Buffer.from(message), signal);
    return { step, searches };
  }

  it('lets in to the home, and by the rights, that the account has by then', async () => {
    const bar = { reason: 'disabled', detail: 'accountStatus' } as const;
    const now = { ...ALICE, homes: ['node-b'], bar };

    const { step } = await prove(1000, (before) => ({ ...before, account: now }));

    expect(step).toMatchObject({ proof: { kind: 'proved', account: now } });
  });

  it('is refuted where the password was changed', async () => {
    const { step } = await prove(1000, (before) => ({ ...before, values: ['{SSHA}AAAA'] }));

    expect(step).toMatchObject({ proof: { kind: 'refuted', reason: 'wrongPassword', known: 'alice' } });
    expect(step).not.toHaveProperty('last');
  });

  it('is refuted where the entry is gone', async () => {
    const { step } = await prove(1000, () => undefined);

    expect(step).toMatchObject({ proof: { kind: 'refuted', reason: 'unknownUser' } });
  });

  it.each(['directoryDown', 'throttled'] as const)(
    'is refuted as %s where that is so by then',
    async (reason) => {
      const { step } = await prove(1000, () => {
        throw new LoginFailure(reason, 'why');
      });

      expect(step).toMatchObject({ proof: { kind: 'refuted', reason, detail: 'why' } });
    },
  );

  it('stands where another password was added', async () => {
    const { step } = await prove(1000, (before) => ({ ...before, values: ['{SSHA}AAAA', ...before.values] }));

    expect(step).toMatchObject(PROVED);
  });

  it('costs no second search when it comes at once, nor when it is wrong', async () => {
    const atOnce = await prove(999, () => undefined);
    const wrong = await prove(60_000, () => undefined, 'guess');

    expect(atOnce).toMatchObject({ searches: 1, step: PROVED });
    expect(wrong).toMatchObject({ searches: 1, step: { proof: { kind: 'refuted' } } });
  });
});

describe('M5 the disguise of unknown names (A18)', () => {
  it('gives one name one salt, in whatever case it is typed, and another name another', async () => {
    const { login } = scram(accounts({}));

    const salts: (string | undefined)[] = [];
    for (const user of ['nobody', 'nobody', 'NoBody', 'other']) {
      salts.push(saltOf((await login({ user })).serverFirst));
    }

    expect(new Set(salts).size).toBe(2);
    expect(salts.slice(0, 3)).toEqual([salts[0], salts[0], salts[0]]);
  });

  it('gives the same from each proxy with the same secret, and nobody else can compute it', () => {
    const salt = (text: string) => new Disguise(Buffer.from(text)).shapeFor('sha256', 'nobody').salt;

    expect(salt('one')).toEqual(salt('one'));
    expect(salt('one')).not.toEqual(salt('other'));
  });

  it('gives one salt in whatever case, as a directory finds one account, though names keep theirs', () => {
    const disguise = new Disguise(Buffer.from('x'));

    expect(disguise.shapeFor('sha256', 'Ann@Example.ORG')).toEqual(
      disguise.shapeFor('sha256', 'ann@example.org'),
    );
  });

  it('has the shape that is stated, before an account is seen and after', () => {
    const disguise = new Disguise(Buffer.from('x'), { iterations: 4096, saltOctets: 12 });
    const before = disguise.shapeFor('sha256', 'nobody');

    disguise.saw('sha256', 'uid=a', { salt: Buffer.alloc(24), iterations: 15_000 });

    expect([before.iterations, before.salt.length]).toEqual([4096, 12]);
    expect(disguise.shapeFor('sha256', 'nobody')).toEqual(before);
  });

  it('has at first the shape of what `homing hash` makes', async () => {
    const stored = readStoredKey(
      'SCRAM-SHA-256',
      (await hashPassword('SCRAM-SHA-256', secret('x'))).slice(15),
    );
    const { salt, iterations } = new Disguise(Buffer.from('x')).shapeFor('sha256', 'nobody');

    expect([iterations, salt.length]).toEqual([stored?.iterations, stored?.salt.length]);
  });

  it('has the iteration count and the length of salt that most accounts have', async () => {
    const key = (octets: number, iterations: number) => ({ salt: Buffer.alloc(octets), iterations });
    const disguise = new Disguise(Buffer.from('x'));
    const shape = () => {
      const { salt, iterations } = disguise.shapeFor('sha256', 'nobody');
      return { octets: salt.length, iterations };
    };
    const atFirst = shape();

    disguise.saw('sha256', 'uid=a', key(12, 4096));
    disguise.saw('sha256', 'uid=b', key(24, 15_000));
    disguise.saw('sha256', 'uid=c', key(24, 15_000));
    for (let turn = 0; turn < 10; turn += 1) {
      // One who logs in often is one account all the same.
      disguise.saw('sha256', 'uid=a', key(12, 4096));
    }

    expect(atFirst).toEqual({ octets: 16, iterations: 100_000 });
    expect(shape()).toEqual({ octets: 24, iterations: 15_000 });
    expect(disguise.shapeFor('sha1', 'nobody').iterations).toBe(100_000);
  });

  it('is not told from an account, whose key or clear text it is, nor from a name that nobody can have', async () => {
    const { dovecot } = await storedForms('secret', 'sha256');
    const { login } = scram(accounts({ alice: [dovecot], bob: ['secret'] }, { allowCleartext: true }));
    await login();

    const seen: unknown[] = [];
    for (const user of ['alice', 'bob', 'nobody', 'no body', 'x*y']) {
      seen.push(looks((await login({ user, password: 'guess' })).serverFirst));
    }

    expect(new Set(seen.map((shape) => JSON.stringify(shape))).size).toBe(1);
  });
});

describe('an entry at fault (A18)', () => {
  const entry = (uid: string, more: string) =>
    `dn: cn=${uid || 'x'},dc=x\nobjectClass: qmailUser\n${uid && `uid: ${uid}\n`}userPassword: secret\n${more}\n`;
  const stored = accounts(
    {},
    {
      allowCleartext: true,
      ldif: [
        entry('one', 'mail: twin@x.org\n'),
        entry('two', 'mail: twin@x.org\n'),
        entry('', 'mail: nameless@x.org\n'),
        entry('odd', 'mailQuotaSize: much\n'),
      ],
    },
  );

  it.each([
    ['twin@x.org', /^two entries have this name/],
    ['nameless@x.org', /has no uid, which is the account's name$/],
    ['odd', /"much" is no quota$/],
  ])('looks to a client of %s like no account, and the log says what is wrong', async (user, detail) => {
    const { login } = scram(stored);
    const apop = makeApop(stored, '<c>');
    const digest = createHash('md5').update('<c>secret').digest('hex');

    const [known, unknown] = [await login({ user }), await login({ user: 'nobody' })];
    const refusals = [
      known.step,
      await answer(cramMd5Server(stored, '<c>'), user, 'secret', '<c>'),
      await apop.server.step(Buffer.from(`${user} ${digest}`), signal),
    ];

    for (const step of refusals) {
      expect(step).toMatchObject({
        proof: { kind: 'refuted', reason: 'noStoredKey', detail: expect.stringMatching(detail) },
      });
      expect(step).not.toHaveProperty('last');
    }
    expect(looks(known.serverFirst)).toEqual(looks(unknown.serverFirst));
    expect([WIRE_ANSWER.noStoredKey, countsAsGuess('noStoredKey')]).toEqual([WIRE_ANSWER.unknownUser, true]);
  });
});

describe('what can’t be told', () => {
  const failing = (failure: LoginFailure) => ({ stored: () => Promise.reject(failure) });

  it.each(['directoryDown', 'directoryFault', 'throttled'] as const)('is refuted as %s', async (reason) => {
    const stored = accounts({}, { directory: failing(new LoginFailure(reason, 'why')) });

    const steps = [
      (await scram(stored).login()).step,
      await answer(cramMd5Server(stored, '<c>'), 'alice', 'secret', '<c>'),
    ];

    for (const step of steps) {
      expect(step).toMatchObject({ proof: { kind: 'refuted', reason, detail: 'why' } });
    }
  });

  it('is given up in the time that the directory may take', async () => {
    const stored: StoredAccounts = {
      directoryMs: 20,
      credentials: (_name, limit) =>
        new Promise((_resolve, reject) => {
          limit.addEventListener('abort', () => reject(new LoginFailure('directoryDown', 'no answer')));
        }),
    };

    expect((await scram(stored).login()).step).toMatchObject({ proof: { reason: 'directoryDown' } });
  });

  it('is a bug where it is no failure of a login', async () => {
    const stored = accounts({}, { directory: { stored: () => Promise.reject(new TypeError('bug')) } });

    await expect(scram(stored).login()).rejects.toThrow(TypeError);
  });

  it('is the stored password of a directory that may not be read', async () => {
    const { step } = await scram(
      accounts({ alice: ['secret'] }, { directory: { stored: undefined } as unknown as Partial<Directory> }),
    ).login();

    expect(step).toMatchObject({
      proof: { reason: 'noStoredKey', detail: expect.stringContaining('readPasswords') },
    });
  });

  it('asks the guard by both names before anything is used', async () => {
    const { dovecot } = await storedForms('secret', 'sha256');
    const admitted: string[] = [];
    const guard: LoginGuard = {
      admit: (name) => void admitted.push(name),
      admitAddress() {},
      knownWrong: () => false,
    };

    await scram(accounts({ alice: [dovecot] }, { guard })).login({ user: 'ALICE@x.org' });

    expect(admitted).toEqual(['alice@x.org', 'alice']);
  });
});

/** Answers the challenge of CRAM-MD5. */
async function answer(exchange: SaslServer, user: string, password: string, challenge: string) {
  await exchange.step(undefined, signal);
  const digest = createHmac('md5', password).update(challenge).digest('hex');
  return await exchange.step(Buffer.from(`${user} ${digest}`), signal);
}

describe('M3 CRAM-MD5', () => {
  const stored = accounts({ tim: ['tanstaaftanstaaf'], alice: ['{SSHA}AAAA'] }, { allowCleartext: true });
  const CHALLENGE = '<1896.697170952@postoffice.reston.mci.net>';

  it('lets in tim of RFC 2195 section 2', async () => {
    const exchange = cramMd5Server(stored, CHALLENGE);

    expect(await exchange.step(undefined, signal)).toEqual({
      kind: 'challenge',
      challenge: Buffer.from(CHALLENGE),
    });
    expect(await exchange.step(Buffer.from('tim b913a602c7eda7a495b4e6e7334d3890'), signal)).toMatchObject({
      proof: { kind: 'proved', authcid: Buffer.from('tim'), account: { name: 'tim' } },
    });
  });

  it('gives a challenge that is a message id, and never the same', async () => {
    const [one, other] = await Promise.all([1, 2].map(() => cramMd5Server(stored).step(undefined, signal)));

    expect(one?.kind === 'challenge' && one.challenge.toString()).toMatch(/^<[0-9a-f]{32}\.\d+@homing>$/);
    expect(one).not.toEqual(other);
  });

  it.each(['', 'tim b913a602c7eda7a495b4e6e7334d3890'])(
    'I23 calls the initial response "%s" malformed',
    async (initial) => {
      expect(await cramMd5Server(stored, CHALLENGE).step(Buffer.from(initial), signal)).toEqual({
        kind: 'malformed',
      });
    },
  );

  it.each([
    ['nothing', ''],
    ['a name alone', 'tim'],
    ['no name', ' b913a602c7eda7a495b4e6e7334d3890'],
    ['upper case', 'tim B913A602C7EDA7A495B4E6E7334D3890'],
    ['a digest that is too short', 'tim b913a602c7eda7a495b4e6e7334d389'],
    ['a digest that is too long', 'tim b913a602c7eda7a495b4e6e7334d38900'],
    ['a space behind it', 'tim b913a602c7eda7a495b4e6e7334d3890 '],
  ])('calls an answer of %s malformed', async (_what, message) => {
    const exchange = cramMd5Server(stored, CHALLENGE);
    await exchange.step(undefined, signal);

    expect(await exchange.step(Buffer.from(message), signal)).toEqual({ kind: 'malformed' });
  });

  it('M3 splits at the last space, since names may have some', async () => {
    expect(await answer(cramMd5Server(stored, CHALLENGE), 'a b', 'x', CHALLENGE)).toMatchObject({
      proof: { kind: 'refuted', authcid: Buffer.from('a b'), reason: 'badName' },
    });
  });

  it.each([
    ['a wrong digest', 'tim', { reason: 'wrongPassword', known: 'tim' }],
    ['an unknown name', 'nobody', { reason: 'unknownUser' }],
    ['an account without clear text', 'alice', { reason: 'noStoredKey', known: 'alice' }],
  ])('refutes %s', async (_what, user, why) => {
    expect(await answer(cramMd5Server(stored, CHALLENGE), user, 'guess', CHALLENGE)).toMatchObject({
      proof: { kind: 'refuted', ...why },
    });
  });

  it('lets in by any of several passwords, and by none that is not allowed', async () => {
    const users = { alice: ['{SSHA}AAAA', 'first', '{PLAIN}second'] };
    const login = (allowCleartext: boolean, password: string) =>
      answer(cramMd5Server(accounts(users, { allowCleartext }), '<c>'), 'alice', password, '<c>');

    expect(await login(true, 'first')).toMatchObject(PROVED);
    expect(await login(true, 'second')).toMatchObject(PROVED);
    expect(await login(true, '{PLAIN}second')).toMatchObject({ proof: { reason: 'wrongPassword' } });
    expect(await login(false, 'first')).toMatchObject({ proof: { reason: 'noStoredKey' } });
  });
});

describe('M4 APOP', () => {
  const stored = accounts({ mrose: ['tanstaaf'] }, { allowCleartext: true });
  const TIMESTAMP = '<1896.697170952@dbc.mtview.ca.us>';

  it('lets in mrose of RFC 1939 section 7', async () => {
    const { timestamp, server } = makeApop(stored, TIMESTAMP);

    expect(timestamp).toBe(TIMESTAMP);
    expect(await server.step(Buffer.from('mrose c4c9334bac560ecc979e58001b3e22fb'), signal)).toMatchObject({
      proof: { kind: 'proved', account: { name: 'mrose' } },
    });
  });

  it('refutes another digest, and lets the client try again', async () => {
    const { timestamp, server } = makeApop(stored);
    const say = (password: string) =>
      server.step(
        Buffer.from(`mrose ${createHash('md5').update(`${timestamp}${password}`).digest('hex')}`),
        signal,
      );

    expect(await say('wrong')).toMatchObject({ proof: { kind: 'refuted', reason: 'wrongPassword' } });
    expect(await say('tanstaaf')).toMatchObject({ proof: { kind: 'proved' } });
    expect(await server.step(Buffer.from('mrose'), signal)).toEqual({ kind: 'malformed' });
  });
});
