import { describe, expect, it } from 'vitest';
import { type AnsweredBy, CachedDirectory, type CacheTerms } from '../../auth/cached-directory.ts';
import { Deadline } from '../../auth/deadline.ts';
import type {
  Account,
  Directory,
  DirectoryContext,
  LoginGuard,
  LoginName,
  PasswordVerdict,
} from '../../auth/directory.ts';
import type { DirectoryChange, EntryChanged } from '../../auth/directory-changes.ts';
import { LoginFailure, NobodyAnswered } from '../../auth/failure.ts';
import { Secret } from '../../auth/secret.ts';

const OFF: CacheTerms = {
  routesMs: 0,
  negativeMs: 0,
  staleMs: 0,
  passwordsMs: 0,
  passwordsWhileDownMs: 0,
  max: 100,
};
const ANN: LoginName = { full: 'ann@example.org', localPart: 'ann', domain: 'example.org' };
const BOB: LoginName = { full: 'bob@example.org', localPart: 'bob', domain: 'example.org' };
const SIGNAL = new AbortController().signal;
const IMAP = { service: 'imap' };
const RIGHT = new Secret(Buffer.from('right'));

function accountAt(home: string, name: string): Account {
  return {
    name,
    entry: `uid=${name}`,
    id: `id-${name}`,
    homes: [home],
    forwarded: new Map(),
    bar: undefined,
  };
}

/** A directory of which a test says what it has, whether it answers, and which password is right. */
function setUp(terms: Partial<CacheTerms>) {
  const has = {
    home: 'node-a',
    names: ['ann'],
    down: false,
    /** Whether a server answers, but with no verdict. */
    refuses: false,
    password: 'right',
    version: '1',
    asked: 0,
    verified: 0,
    /** Whose account the names lead to, if not to their own. */
    owner: undefined as string | undefined,
    /** What the entries are called, but for the name. */
    ou: '',
    /** Whether passwords are compared with what was found. */
    byHash: false,
    /** What the directory was told of the login. */
    contexts: [] as DirectoryContext[],
    changes: [] as DirectoryChange[],
  };
  const by: AnsweredBy[] = [];
  let nowMs = 1000;
  const whileUp = (): void => {
    if (has.down) throw new NobodyAnswered('no server');
    if (has.refuses) throw new LoginFailure('directoryDown', 'unwilling to perform');
  };
  const inner: Directory = {
    async find({ localPart }, context) {
      has.asked += 1;
      has.contexts.push(context);
      whileUp();
      if (!has.names.includes(localPart)) return undefined;
      const account = accountAt(has.home, has.owner ?? localPart);
      const { password: stored, byHash, ou } = has;
      return {
        entry: `${account.entry}${ou}`,
        id: account.id,
        name: account.name,
        passwordVersion: has.version,
        holdsPassword: byHash,
        account: () => account,
        async verify(password): Promise<PasswordVerdict> {
          has.verified += 1;
          if (!byHash) whileUp();
          const isThere = byHash || (ou === has.ou && account.name === (has.owner ?? localPart));
          return isThere && password.octets.toString() === (byHash ? stored : has.password)
            ? 'right'
            : 'wrongPassword';
        },
      };
    },
    async *follow() {
      yield* has.changes.splice(0);
    },
    lookup: () => Promise.reject(new Error('is not asked')),
    whyNotReady: () => Promise.resolve(undefined),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const cached = new CachedDirectory(
    inner,
    { ...OFF, ...terms },
    (who) => by.push(who),
    () => nowMs,
  );
  const home = async (login = ANN, service = 'imap') => {
    return (await cached.lookup(login, { service }, SIGNAL))?.homes[0];
  };
  const verify = async (password = RIGHT) =>
    await (await cached.find(ANN, IMAP, SIGNAL))?.verify(password, SIGNAL);
  /** The directory tells of a change, which is noted where it matters to more than passwords. */
  const tell = async (change: DirectoryChange, isNews = true): Promise<void> => {
    has.changes.push(change);
    for await (const told of cached.follow?.(SIGNAL, () => undefined) ?? []) if (isNews) cached.note(told);
  };
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { has, by, cached, home, verify, pass, tell };
}

function changed(entry: string, id?: string): EntryChanged {
  const read = () => accountAt('node-b', 'ann');
  return { kind: 'changed', entry, id, fingerprint: '', passwordVersion: '', read };
}

describe('what is remembered of a directory', () => {
  it('is nothing where it is not to be', async () => {
    const { has, home, verify } = setUp({});

    await home();
    has.home = 'node-b';

    expect(await home()).toBe('node-b');
    expect([await verify(), await verify(), has.asked, has.verified]).toEqual(['right', 'right', 4, 2]);
  });

  it('is where a name leads to, for its time and its service', async () => {
    const { has, by, home, pass } = setUp({ routesMs: 1000 });

    await home();
    has.home = 'node-b';
    pass(999);
    expect([await home(), await home(ANN, 'pop3')]).toEqual(['node-a', 'node-b']);
    pass(1);

    expect(await home()).toBe('node-b');
    expect(by).toEqual(['server', 'cache', 'server', 'server']);
  });

  it.each([
    ['by its name', changed('uid=ann')],
    ['by its id, when it was renamed', changed('uid=anna', 'id-ann')],
    ['with all others, when changes may have been missed', { kind: 'doubtful' as const }],
    ['when it is removed', { kind: 'removed' as const, entry: undefined, id: 'id-ann' }],
  ])('is forgotten %s', async (_how, change) => {
    const { has, cached, home, pass } = setUp({ routesMs: 60_000, staleMs: 60_000 });

    await home();
    has.home = 'node-b';
    pass(1);
    cached.note(change);
    pass(10_001);
    expect(await home()).toBe('node-b');
    has.home = 'node-c';
    cached.note(changed('uid=somebody'));
    pass(1);

    expect(await home()).toBe('node-b');
  });

  it.each([changed('uid=ann'), { kind: 'doubtful' as const }])(
    'is not what was answered soon after $kind, perhaps by a server that does not have it yet',
    async (change) => {
      const { has, cached, home, pass } = setUp({ routesMs: 60_000 });
      cached.note(change);
      pass(9_999);
      await home();
      has.home = 'node-b';
      pass(2);

      expect(await home()).toBe('node-b');
      has.home = 'node-c';
      pass(1);
      expect(await home()).toBe('node-b');
    },
  );

  it('is not what was asked before a change and answered after it', async () => {
    const { has, cached, home, pass } = setUp({ routesMs: 1000 });

    const asked = home();
    cached.note(changed('uid=ann'));
    await asked;
    pass(1);
    has.home = 'node-b';

    expect(await home()).toBe('node-b');
  });

  it('is that there is no such name, until anything changes', async () => {
    const { has, cached, home, pass } = setUp({ negativeMs: 1000 });

    expect(await home(BOB)).toBeUndefined();
    has.names.push('bob');
    pass(1);
    expect(await home(BOB)).toBeUndefined();
    cached.note(changed('uid=bob'));
    pass(1);

    expect(await home(BOB)).toBe('node-a');
  });

  it('F1 serves while no server answers, and no longer than it may', async () => {
    const { has, by, home, pass } = setUp({ staleMs: 1000 });

    await home();
    has.down = true;
    pass(999);
    expect(await home()).toBe('node-a');
    await expect(home(BOB)).rejects.toMatchObject({ reason: 'directoryDown' });
    pass(1);

    await expect(home()).rejects.toMatchObject({ reason: 'directoryDown' });
    expect(by).toEqual(['server', 'stale']);
  });

  it('is of no use to a client that has left, and says nothing of the servers then', async () => {
    const { has, by, cached, home, pass } = setUp({ staleMs: 1000 });
    await home();
    has.down = true;
    pass(1);

    await expect(cached.find(ANN, IMAP, AbortSignal.abort())).rejects.toMatchObject({
      reason: 'directoryDown',
    });
    expect(by).toEqual(['server']);
    using late = new Deadline(0);
    await new Promise((resolve) => late.signal.addEventListener('abort', resolve));
    expect((await cached.find(ANN, IMAP, late.signal))?.entry).toBe('uid=ann');
  });

  it('is not lost to changes of others that are long over', async () => {
    const { has, cached, home, pass } = setUp({ staleMs: 1000, max: 6 });
    for (const name of ['bob', 'carl', 'dora']) {
      cached.note(changed(`uid=${name}`));
      pass(1000);
    }
    await home();
    pass(1);
    cached.note(changed('uid=emil'));
    has.down = true;

    expect(await home()).toBe('node-a');
  });

  it('is no more than so many, the latest', async () => {
    const { has, home, pass } = setUp({ routesMs: 1000, max: 1 });
    has.names.push('bob');

    await home();
    await home(BOB);
    pass(1);
    await home(BOB);
    await home();

    expect(has.asked).toBe(3);
  });
});

describe('the password of an entry that is remembered', () => {
  it.each([true, false])('is judged by the directory as it is now (by hash: %s)', async (byHash) => {
    const { has, verify, pass } = setUp({ routesMs: 5000 });
    has.byHash = byHash;
    has.password = 'old';
    await verify();
    has.password = 'right';
    pass(1);

    expect(await verify()).toBe('right');
    expect(await verify(new Secret(Buffer.from('old')))).toBe('wrongPassword');
  });

  it('is not wrong because the entry has another name now', async () => {
    const { has, cached, pass } = setUp({ routesMs: 5000 });
    await cached.find(ANN, IMAP, SIGNAL);
    has.ou = ',ou=new';
    has.home = 'node-b';
    pass(1);

    const found = await cached.find(ANN, IMAP, SIGNAL);

    expect([found?.entry, await found?.verify(RIGHT, SIGNAL)]).toEqual(['uid=ann', 'right']);
    expect(found?.account().homes).toEqual(['node-b']);
  });

  it('lets nobody in whom the throttle was not asked for: the name may be of another account now', async () => {
    const { has, cached, verify, pass } = setUp({ routesMs: 5000, passwordsMs: 5000 });
    has.password = 'ann-secret';
    await verify(new Secret(Buffer.from('ann-secret')));
    has.owner = 'bob';
    has.password = 'bob-secret';
    const bobs = new Secret(Buffer.from('bob-secret'));
    pass(1);

    await expect(verify(bobs)).rejects.toMatchObject({ reason: 'directoryDown' });
    expect(await verify(bobs)).toBe('right');
    has.owner = undefined;
    has.password = 'ann-secret';
    cached.note({ kind: 'doubtful' });
    pass(1);
    expect(await verify(bobs)).toBe('wrongPassword');
  });

  it('is tried once where it is wrong, since the directory counts', async () => {
    const { has, verify, pass } = setUp({ routesMs: 5000 });
    await verify();
    pass(1);

    expect(await verify(new Secret(Buffer.from('wrong')))).toBe('wrongPassword');
    expect(has.verified).toBe(2);
  });

  it('is not known from it while no server answers', async () => {
    const { has, verify, pass } = setUp({ routesMs: 10, staleMs: 5000 });
    has.byHash = true;
    await verify();
    pass(100);
    has.down = true;

    await expect(verify()).rejects.toMatchObject({ reason: 'directoryDown' });
    expect(has.verified).toBe(1);
  });

  it('is held by nothing when the login is over: what is remembered knows no login', async () => {
    const { has, cached } = setUp({ staleMs: 5000 });
    const guard: LoginGuard = {
      admit: () => undefined,
      admitAddress: () => undefined,
      knownWrong: () => false,
    };

    await cached.find(
      ANN,
      { ...IMAP, guard, client: { ip: '192.0.2.1', attempt: 1, tls: undefined } },
      SIGNAL,
    );

    expect(has.contexts).toEqual([IMAP]);
  });
});

describe('a right password that is remembered', () => {
  it('need not be verified again in its time; a wrong one always is', async () => {
    const { has, verify, pass } = setUp({ passwordsMs: 1000 });

    await verify();
    pass(1);
    expect([await verify(), await verify(new Secret(Buffer.from('wrong')))]).toEqual([
      'right',
      'wrongPassword',
    ]);
    expect(has.verified).toBe(2);
    pass(1000);
    await verify();

    expect(has.verified).toBe(3);
  });

  it('is forgotten when the entry says that the password was changed, or is changed itself', async () => {
    const { has, verify, pass, tell } = setUp({ passwordsMs: 1000 });

    await verify();
    has.password = 'new';
    has.version = '2';
    pass(1);
    expect(await verify()).toBe('wrongPassword');
    has.password = 'right';
    await verify();
    has.password = 'newer';
    pass(1);
    await tell(changed('uid=ann'));
    pass(1);

    expect(await verify()).toBe('wrongPassword');
  });

  it('is forgotten at every change of the entry: what locks an account may not be read', async () => {
    const { has, verify, pass, tell } = setUp({ passwordsMs: 1000 });

    await verify();
    has.password = 'locked';
    pass(1);
    await tell(changed('uid=ann'), false);
    pass(1);

    expect(await verify()).toBe('wrongPassword');
  });

  it('is used no more when changes may have been missed, but while no server answers', async () => {
    const { has, verify, pass, tell } = setUp({
      staleMs: 5000,
      passwordsMs: 1000,
      passwordsWhileDownMs: 1000,
    });

    await verify();
    pass(1);
    await tell({ kind: 'doubtful' });
    pass(1);
    has.down = true;
    expect(await verify()).toBe('right');
    has.down = false;
    await verify();

    expect(has.verified).toBe(3);
  });

  it('F1 lets in while no server answers only where that is asked for', async () => {
    const without = setUp({ staleMs: 5000, passwordsMs: 10 });
    const having = setUp({ staleMs: 5000, passwordsWhileDownMs: 5000 });
    for (const { has, verify, pass } of [without, having]) {
      await verify();
      pass(100);
      has.down = true;
    }

    await expect(without.verify()).rejects.toMatchObject({ reason: 'directoryDown' });
    expect(await having.verify()).toBe('right');
    await expect(having.verify(new Secret(Buffer.from('wrong')))).rejects.toMatchObject({
      reason: 'directoryDown',
    });
    Object.assign(having.has, { down: false, refuses: true });
    await expect(having.verify()).rejects.toMatchObject({ reason: 'directoryDown' });
  });
});
