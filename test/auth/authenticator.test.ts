import { describe, expect, it } from 'vitest';
import { type AuthenticatorOptions, createAuthenticator } from '../../auth/authenticator.ts';
import type { Account, Bar, Directory, Found, LoginName } from '../../auth/directory.ts';
import { DEFAULT_PUNCTUATION, type NameOptions } from '../../auth/names.ts';
import { Secret } from '../../auth/secret.ts';
import { NotedGuard } from '../support/noted-guard.ts';

const NAMES: NameOptions = {
  defaultDomain: undefined,
  lowerCase: true,
  punctuation: DEFAULT_PUNCTUATION,
  latin1Passwords: true,
};
const signal = new AbortController().signal;
const context = { service: 'imap' };

/** A directory that keeps a note of what it was asked. */
class NotedDirectory implements Directory {
  readonly asked: string[] = [];
  readonly passwords: Buffer[] = [];
  readonly accounts: Readonly<Record<string, Account>>;

  constructor(accounts: Readonly<Record<string, Account>>) {
    this.accounts = accounts;
  }

  async find(login: LoginName): Promise<Found | undefined> {
    this.asked.push(`find ${login.full}`);
    const account = this.accounts[login.full];
    return (
      account && {
        entry: account.entry,
        name: account.name,
        passwordVersion: '',
        account: () => account,
        verify: async (password) => {
          this.passwords.push(password.octets);
          const text = password.octets.toString();
          return text === 'wrong' ? 'wrongPassword' : text === 'unseen' ? 'leftToNode' : 'right';
        },
      }
    );
  }

  async lookup(login: LoginName): Promise<Account | undefined> {
    this.asked.push(`lookup ${login.full}`);
    return this.accounts[login.full];
  }

  async whyNotReady(): Promise<undefined> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

function accountNamed(name: string, bar?: Bar): Account {
  return { name, entry: `uid=${name},dc=x`, homes: ['node-a'], forwarded: new Map(), bar };
}

const alice = accountNamed('alice');
const bob = accountNamed('bob');

function setUp(options: Partial<AuthenticatorOptions> = {}) {
  const directory = new NotedDirectory({
    alice,
    'alice@example.org': alice,
    bob,
    dave: accountNamed('dave', { reason: 'disabled', detail: 'accountStatus says so' }),
  });
  const realms = [{ domains: undefined, directory }];
  return { directory, authenticator: createAuthenticator({ realms, names: NAMES, ...options }) };
}

function proof(authcid: string | Buffer, password: string | Buffer = 'right', authzid: string | Buffer = '') {
  return {
    kind: 'password',
    authzid: Buffer.from(authzid),
    authcid: Buffer.from(authcid),
    password: new Secret(Buffer.from(password)),
  } as const;
}

describe('the authenticator', () => {
  it('admits the account of a right password', async () => {
    const { authenticator } = setUp();

    expect(await authenticator.authenticate(proof('Alice@Example.org'), context, signal)).toMatchObject({
      kind: 'admitted',
      account: alice,
    });
  });

  it('passes on why a directory refused, with the name that it knows', async () => {
    const { authenticator } = setUp();

    expect(await authenticator.authenticate(proof('alice@example.org', 'wrong'), context, signal)).toEqual({
      kind: 'refused',
      reason: 'wrongPassword',
      known: 'alice',
    });
    expect(await authenticator.authenticate(proof('nobody'), context, signal)).toEqual({
      kind: 'refused',
      reason: 'unknownUser',
    });
  });

  it('says what bars an account after the right password only', async () => {
    const { authenticator } = setUp();

    expect(await authenticator.authenticate(proof('dave'), context, signal)).toEqual({
      kind: 'refused',
      reason: 'disabled',
      known: 'dave',
      detail: 'accountStatus says so',
    });
    expect(await authenticator.authenticate(proof('dave', 'wrong'), context, signal)).toMatchObject({
      reason: 'wrongPassword',
    });
  });

  it.each(['', 'al*', 'alice*master', 'al\0ice', 'alice\r\n', Buffer.from([0xff])])(
    'A10 A11 refuses the name %j and asks no directory',
    async (name) => {
      const { authenticator, directory } = setUp();

      expect(await authenticator.authenticate(proof(name), context, signal)).toMatchObject({
        reason: 'badName',
      });
      expect(directory.asked).toEqual([]);
    },
  );

  // FAULTS A8: a server could take each of these for an anonymous bind.
  it.each(['', '\0', '\0\0', '\u00ad', '\u200b\u2060', '\ufeff'])(
    'A8 M1 refuses the password %j and asks no directory',
    async (password) => {
      const { authenticator, directory } = setUp();

      expect(await authenticator.authenticate(proof('alice', password), context, signal)).toMatchObject({
        kind: 'refused',
        reason: 'wrongPassword',
      });
      expect(directory.asked).toEqual([]);
    },
  );

  describe('X7 with a password that is not ASCII', () => {
    it('takes UTF-8 as it is', async () => {
      const { authenticator, directory } = setUp();

      await authenticator.authenticate(proof('alice', 'pässwörd'), context, signal);

      expect(directory.passwords).toEqual([Buffer.from('pässwörd', 'utf8')]);
    });

    it('takes other octets for Latin-1, and asks once', async () => {
      const { authenticator, directory } = setUp();

      await authenticator.authenticate(proof('alice', Buffer.from('pässwörd', 'latin1')), context, signal);

      expect(directory.passwords).toEqual([Buffer.from('pässwörd', 'utf8')]);
    });

    it('refuses other octets where Latin-1 is not allowed', async () => {
      const { authenticator, directory } = setUp({ names: { ...NAMES, latin1Passwords: false } });

      const latin1 = proof('alice', Buffer.from('pässwörd', 'latin1'));

      expect(await authenticator.authenticate(latin1, context, signal)).toMatchObject({
        reason: 'wrongPassword',
      });
      expect(directory.asked).toEqual([]);
    });
  });

  describe('with an authzid', () => {
    it.each(['alice@example.org', 'ALICE@example.org', 'alice'])(
      'M1 M10 admits alice@example.org as %s',
      async (authzid) => {
        const { authenticator } = setUp();

        const asked = proof('alice@example.org', 'right', authzid);

        expect(await authenticator.authenticate(asked, context, signal)).toMatchObject({
          kind: 'admitted',
          account: alice,
        });
      },
    );

    it('M10 finds out that two names are of one account', async () => {
      const { authenticator, directory } = setUp();

      const asked = proof('alice', 'right', 'alice@example.org');

      expect(await authenticator.authenticate(asked, context, signal)).toMatchObject({
        kind: 'admitted',
        account: alice,
      });
      expect(directory.asked).toEqual(['find alice', 'lookup alice@example.org']);
    });

    it.each(['bob', 'nobody'])('A10 M1 does not let alice act for %j', async (authzid) => {
      const { authenticator } = setUp();

      expect(
        await authenticator.authenticate(proof('alice', 'right', authzid), context, signal),
      ).toMatchObject({
        kind: 'refused',
        reason: 'notAuthorized',
        known: 'alice',
      });
    });

    // FAULTS A10, A11: in these alone there is nothing to ask for.
    it.each(['a*', 'al\0ice', 'victim*master', 'bob\r\nx', 'bob%m', Buffer.from([0xff])])(
      'refuses the name %j to act for, and asks no directory',
      async (authzid) => {
        const { authenticator, directory } = setUp();

        expect(
          await authenticator.authenticate(proof('alice', 'right', authzid), context, signal),
        ).toMatchObject({ kind: 'refused', reason: 'badName' });
        expect(directory.asked).toEqual([]);
      },
    );

    it('M1 calls a wrong password that first', async () => {
      const { authenticator, directory } = setUp();

      expect(await authenticator.authenticate(proof('alice', 'wrong', 'bob'), context, signal)).toMatchObject(
        {
          reason: 'wrongPassword',
        },
      );
      expect(directory.asked).toEqual(['find alice']);
    });
  });

  describe('under a guard', () => {
    it('asks for the address of who has a name that no account can have (A19)', async () => {
      const { authenticator } = setUp();
      const guard = new NotedGuard({ refused: 'address' });

      await expect(
        authenticator.authenticate(proof('no\u0000name'), { ...context, guard }, signal),
      ).rejects.toMatchObject({ reason: 'throttled' });
      expect(guard.asked).toEqual(['admit address of undefined']);
    });

    it('names the login name to it before any directory is asked', async () => {
      const { authenticator, directory } = setUp();
      const guard = new NotedGuard({ refused: 'alice@example.org' });

      const refused = authenticator.authenticate(proof('ALICE@example.org'), { ...context, guard }, signal);

      await expect(refused).rejects.toMatchObject({ reason: 'throttled' });
      expect(directory.asked).toEqual([]);
    });

    it.each([
      [{ kind: 'refuted', reason: 'wrongPassword', known: 'alice' }, { kind: 'refused' }],
      [{ kind: 'proved', account: alice }, { kind: 'admitted' }],
    ] as const)('names the account too that a mechanism found: %j', async (found, result) => {
      const { authenticator } = setUp();
      const guard = new NotedGuard();
      const claim = { authcid: Buffer.from('alice@example.org'), authzid: Buffer.alloc(0) };

      expect(
        await authenticator.authenticate({ ...claim, ...found }, { ...context, guard }, signal),
      ).toMatchObject(result);
      expect(guard.asked).toEqual(['admit alice@example.org', 'admit alice']);
    });
  });

  describe('with several directories', () => {
    function twoDirectories() {
      const one = new NotedDirectory({ 'carol@one.example': accountNamed('carol') });
      const rest = new NotedDirectory({ 'carol@two.example': accountNamed('carol'), alice });
      const realms = [
        { domains: ['One.example'], directory: one },
        { domains: undefined, directory: rest },
      ];
      return { one, rest, realms };
    }

    it('asks the one that has the domain', async () => {
      const { one, rest, realms } = twoDirectories();
      const { authenticator } = setUp({ realms });

      await authenticator.authenticate(proof('carol@one.example'), context, signal);
      await authenticator.authenticate(proof('carol@two.example'), context, signal);
      await authenticator.authenticate(proof('alice'), context, signal);

      expect(one.asked).toEqual(['find carol@one.example']);
      expect(rest.asked).toEqual(['find carol@two.example', 'find alice']);
    });

    it('knows nobody of a domain that no directory has', async () => {
      const { authenticator } = setUp({ realms: twoDirectories().realms.slice(0, 1) });

      expect(await authenticator.authenticate(proof('carol@two.example'), context, signal)).toMatchObject({
        reason: 'unknownUser',
      });
    });

    it('does not take accounts of different directories for one', async () => {
      const { authenticator } = setUp({ realms: twoDirectories().realms });

      const asked = proof('carol@one.example', 'right', 'carol@two.example');

      expect(await authenticator.authenticate(asked, context, signal)).toMatchObject({
        reason: 'notAuthorized',
      });
    });
  });

  // FAULTS A10: the account's name goes to the node.
  it('A10 calls an account name with a separator in it a fault of the directory', async () => {
    const directory = new NotedDirectory({ eve: accountNamed('victim*master') });
    const { authenticator } = setUp({ realms: [{ domains: undefined, directory }] });

    await expect(authenticator.authenticate(proof('eve'), context, signal)).rejects.toMatchObject({
      reason: 'directoryFault',
    });
    await expect(authenticator.lookup(Buffer.from('eve'), context, signal)).rejects.toMatchObject({
      reason: 'directoryFault',
    });
  });

  describe('while the node is still to judge the password', () => {
    const held = accountNamed('heidi', { reason: 'held', detail: 'accountStatus says so' });
    const unseen = async ([authcid = '', authzid = '']: readonly string[]) => {
      const eve = accountNamed('victim*master');
      const dave = accountNamed('dave', { reason: 'disabled', detail: 'accountStatus says so' });
      const directory = new NotedDirectory({ alice, bob, dave, eve, heidi: held });
      const { authenticator } = setUp({ realms: [{ domains: undefined, directory }] });
      return await authenticator.authenticate(proof(authcid, 'unseen', authzid), context, signal);
    };

    it.each([
      ['what bars the account', ['dave'], 'dave', /^disabled, .*accountStatus says so$/],
      ['that its entry is at fault', ['eve'], 'victim*master', /^directoryFault, .*names may not have$/],
      [
        'that it may not act for others',
        ['alice', 'bob'],
        'alice',
        /^notAuthorized, .*act for another user$/,
      ],
    ])('A18 tells the log alone %s', async (_what, names, known, detail) => {
      expect(await unseen(names)).toEqual({
        kind: 'refused',
        reason: 'wrongPassword',
        known,
        detail: expect.stringMatching(detail),
      });
    });

    it('admits who is not barred, and tells who is held, whose client must keep its password', async () => {
      expect(await unseen(['alice'])).toMatchObject({ kind: 'admitted', unverified: true });
      expect(await unseen(['heidi'])).toMatchObject({ kind: 'refused', reason: 'held', known: 'heidi' });
    });
  });

  it('looks an account up without a password', async () => {
    const { authenticator } = setUp();

    expect(await authenticator.lookup(Buffer.from('BOB'), context, signal)).toBe(bob);
    expect(await authenticator.lookup(Buffer.from('nobody'), context, signal)).toBeUndefined();
  });

  it.each([
    ['b*', 'the character * (U+002A) may stand in no name'],
    ['a b', 'the character U+0020 is not in names.punctuation'],
    ['a!b', 'the character ! (U+0021) is not in names.punctuation'],
    ['@example.org', 'the name has nothing before or behind its @, or is too long with its domain'],
    ['', 'the name is empty'],
    ['x'.repeat(256), 'the name is longer than 255 octets'],
  ])('says to operators only what is wrong with the name %j', async (typed, why) => {
    const { authenticator } = setUp();
    const steps: string[] = [];
    const trace = (_: string, detail: string) => void steps.push(detail);

    const refused = await authenticator.authenticate(proof(typed), { ...context, trace }, signal);

    expect(refused).toMatchObject({ reason: 'badName', detail: 'a name that no account can have' });
    expect(steps).toEqual([why]);
    await expect(authenticator.lookup(Buffer.from(typed), context, signal)).rejects.toMatchObject({
      reason: 'badName',
      message: why,
    });
  });

  it("says what is wrong with a name and its listener's domain", async () => {
    const { authenticator } = setUp({ names: { ...NAMES, punctuation: '@' } });
    const steps: string[] = [];
    const trace = (_: string, detail: string) => void steps.push(detail);
    const here = { ...context, defaultDomain: 'example.org', trace };
    const why = 'the character . (U+002E) is not in names.punctuation';

    await authenticator.authenticate(proof('alice'), here, signal);

    expect(steps).toEqual([why]);
    await expect(authenticator.lookup(Buffer.from('alice'), here, signal)).rejects.toThrow(why);
  });

  it('describes an unknown name by a hash that only this process makes', () => {
    const [first, second] = [setUp().authenticator, setUp().authenticator];
    const name = Buffer.from('my password');

    expect(first.describeUser(name)).toMatch(/^#[0-9a-f]{8}$/);
    expect(first.describeUser(name)).toBe(first.describeUser(name));
    expect(first.describeUser(name)).not.toBe(second.describeUser(name));
  });
});
