import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { schemaOptions } from '../../../auth/entries/presets.ts';
import { compileSchema } from '../../../auth/entries/schema.ts';
import type { LdapFollowTerms } from '../../../auth/ldap/follow.ts';
import { openLdap } from '../../../auth/ldap/ldap.ts';
import { FollowedChanges } from '../../support/followed-changes.ts';
import {
  answerAll,
  type Request,
  type Script,
  ScriptedLdap,
  searchDone,
  searchEntry,
  syncInfo,
  syncState,
} from './scripted-ldap.ts';

const CSN = '20260101000000.000000Z#000000#000#000000';
const SYNC = '1.3.6.1.4.1.4203.1.9.1.1';
const REFRESH_DONE = Buffer.from('a100', 'hex');
const uuid = (octet: number) => Buffer.alloc(16, octet);

type Search = Extract<Request, { kind: 'search' }>;

/** Offers content synchronisation, and does what a test says when one is asked for. */
function offering(onSync: (request: Search, turn: number) => Buffer): Script {
  let turn = 0;
  return (request) => {
    if (request.kind !== 'search') {
      return answerAll(request);
    }
    if (request.cookie !== undefined) {
      turn += 1;
      return onSync(request, turn);
    }
    const attributes =
      request.base === '' ? { supportedControl: [SYNC], namingContexts: ['dc=x'] } : { contextCSN: [CSN] };
    return Buffer.concat([searchEntry(request.id, request.base, attributes), searchDone(request.id, 0)]);
  };
}

/** @param first a server before it, if there is one. */
async function follow(script: Script, terms: Partial<LdapFollowTerms> = {}, first?: ScriptedLdap) {
  const server = await ScriptedLdap.start(script);
  const target = { host: '127.0.0.1', tls: 'none', ca: undefined, serverName: undefined } as const;
  const directory = openLdap(
    {
      servers: [
        ...(first === undefined ? [] : [{ ...target, url: 'ldap://first', port: first.port }]),
        { ...target, url: 'ldap://scripted', port: server.port },
      ],
      order: 'failover',
      account: undefined,
      verify: 'bind',
      readPasswords: false,
      allowCleartext: false,
      schema: compileSchema(
        schemaOptions(undefined, {
          base: 'ou=%d,ou=people,dc=x',
          filters: ['(&(objectClass=mail)(uid=%u))'],
        }),
      ),
      connectMs: 1000,
      operationMs: 1000,
      maxBinds: 1,
      follow: {
        mode: 'auto',
        pollMs: 5,
        recheckMs: 60_000,
        timestamp: 'modifyTimestamp',
        retryMs: 5,
        ...terms,
      },
    },
    () => undefined,
  );
  const changes = new FollowedChanges(directory);
  return Object.assign(changes, {
    server,
    async [Symbol.asyncDispose]() {
      await changes.stop();
      await directory[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  });
}

const user = (id: number, name: string, state: number, cookie?: string) =>
  searchEntry(
    id,
    `uid=${name},dc=x`,
    { uid: [name], mailHost: ['node-a'] },
    syncState(state, uuid(1), cookie),
  );

describe('following by content synchronisation', () => {
  it('asks for what an account needs, of all accounts, from where the changes stand', async () => {
    await using changes = await follow(offering(({ id }) => syncInfo(id, REFRESH_DONE)));

    await changes.state(({ following }) => following === 'sync');

    expect(changes.server.seen('search').at(-1)).toMatchObject({
      base: 'ou=people,dc=x',
      // ldapts, which reads it here, does not read the name of a presence.
      filter: expect.stringMatching(/^\(\|\(&\(objectclass=mail\)\(.*=\*\)\)\)$/),
      attributes: ['uid', 'mailhost', 'pwdchangedtime', 'pwdlastset'],
      cookie: `rid=000,csn=${CSN}`,
    });
    expect(changes.all).toEqual([{ kind: 'doubtful' }]);
  });

  it('tells of changes and removals, and gives the account without asking', async () => {
    await using changes = await follow(
      offering(({ id }) =>
        Buffer.concat([syncInfo(id, REFRESH_DONE), user(id, 'ann', 2), user(id, 'bob', 3)]),
      ),
    );

    const changed = await changes.next(({ kind }) => kind === 'changed');
    const removed = await changes.next(({ kind }) => kind === 'removed');

    expect(changed).toMatchObject({ entry: 'uid=ann,dc=x', passwordVersion: '' });
    expect(changed.kind === 'changed' && changed.read({ service: 'imap' })).toMatchObject({
      name: 'ann',
      homes: ['node-a'],
      id: '01010101-0101-0101-0101-010101010101',
    });
    expect(removed).toEqual({
      kind: 'removed',
      entry: 'uid=bob,dc=x',
      id: '01010101-0101-0101-0101-010101010101',
    });
  });

  it('passes by an entry that is too large, and tells of all others', async () => {
    const homes = Array.from({ length: 11_000 }, (_, at) => `node-${at}`);
    const control = syncState(2, uuid(9), 'cookie-2');
    await using changes = await follow(
      offering(({ id }) =>
        Buffer.concat([
          syncInfo(id, REFRESH_DONE),
          searchEntry(id, 'uid=big,dc=x', { uid: ['big'], mailHost: homes }, control),
          user(id, 'bob', 2),
        ]),
      ),
    );

    expect(await changes.next(({ kind }) => kind === 'changed')).toMatchObject({ entry: 'uid=bob,dc=x' });
    expect(changes.server.seen('search').filter(({ cookie }) => cookie !== undefined)).toHaveLength(1);
  });

  it('goes on from the latest cookie, and doubts nothing, when the server ends it', async () => {
    await using changes = await follow(
      offering(({ id }, turn) =>
        turn === 1
          ? Buffer.concat([syncInfo(id, REFRESH_DONE), user(id, 'ann', 2, 'cookie-2'), searchDone(id, 0)])
          : Buffer.concat([syncInfo(id, REFRESH_DONE), user(id, 'bob', 2)]),
      ),
    );

    await changes.next((change) => change.kind === 'changed' && change.entry === 'uid=bob,dc=x');

    expect(changes.server.seen('search').at(-1)?.cookie).toBe('cookie-2');
    expect(changes.all.map(({ kind }) => kind)).toEqual(['doubtful', 'changed', 'changed']);
  });

  it('goes back to a server before it when that works again, from where it stood and in doubt', async () => {
    const synchronised: Script = offering(({ id }) =>
      Buffer.concat([syncInfo(id, REFRESH_DONE), user(id, 'ann', 2, 'cookie-2')]),
    );
    await using first = await ScriptedLdap.start(({ id }) => searchDone(id, 52));
    await using changes = await follow(synchronised, {}, first);
    await changes.state(({ detail }) => detail === 'ldap://scripted');
    const told = changes.all.length;

    first.script = offering(({ id }) => syncInfo(id, REFRESH_DONE));

    await changes.state(({ detail }) => detail === 'ldap://first');
    expect(first.seen('search').at(-1)?.cookie).toBe('cookie-2');
    await changes.next((change) => change.kind === 'doubtful' && changes.all.indexOf(change) >= told);
    const [, ...states] = changes.states.map(({ following, detail }) => `${following} ${detail}`);
    expect(states).toEqual(['sync ldap://scripted', 'sync ldap://first']);
  });

  it('begins anew, in doubt, when the server can not go on from the cookie', async () => {
    await using changes = await follow(
      offering(({ id }, turn) => (turn === 1 ? searchDone(id, 4096) : user(id, 'ann', 2))),
    );

    await changes.next(({ kind }) => kind === 'changed');

    expect(changes.states[0]).toMatchObject({
      following: 'off',
      detail: 'ldap://scripted: 4096 syncRefreshRequired',
    });
    // Both doubts are one where nobody took the first before the second came.
    expect(changes.all.map(({ kind }) => kind).slice(-2)).toEqual(['doubtful', 'changed']);
  });

  it('doubts everything when the server tells what is there rather than what went', async () => {
    await using changes = await follow(
      offering(({ id }) =>
        Buffer.concat([user(id, 'ann', 2), user(id, 'bob', 0), syncInfo(id, Buffer.from('a200', 'hex'))]),
      ),
    );

    await changes.state(({ following }) => following === 'sync');
    await changes.next(({ kind }) => kind === 'doubtful');

    expect(changes.all.at(-1)).toEqual({ kind: 'doubtful' });
  });

  it('doubts everything before it goes on from where the server tells what is there, should it be lost there', async () => {
    const cookie = Buffer.from('cookie-behind');
    const present = Buffer.concat([
      Buffer.from([0xa2, cookie.length + 5, 0x04, cookie.length]),
      cookie,
      Buffer.from([0x01, 1, 0]),
    ]);
    const lost = offering(({ id }, turn) =>
      turn === 1 ? Buffer.concat([syncInfo(id, present), user(id, 'bob', 2)]) : syncInfo(id, REFRESH_DONE),
    );
    await using changes = await follow(lost);
    await changes.next((change) => change.kind === 'changed');

    for (const socket of changes.server.sockets) socket.destroy();
    await changes.state(({ following }) => following === 'sync');

    expect(changes.server.seen('search').at(-1)?.cookie).toBe('cookie-behind');
    // The first is that of the start.
    expect(changes.all.map(({ kind }) => kind)).toEqual(['doubtful', 'doubtful', 'changed']);
  });

  it.each([
    ['an entry without a state', (id: number) => searchEntry(id, 'uid=a', {})],
    ['a sync info that is none', (id: number) => syncInfo(id, Buffer.from('ff', 'hex'))],
    ['a cookie without end', (id: number) => user(id, 'ann', 2, 'c'.repeat(5000))],
  ])('leaves a server that sends %s, and tries again', async (_what, wrong) => {
    await using changes = await follow(
      offering(({ id }, turn) => (turn === 1 ? wrong(id) : syncInfo(id, REFRESH_DONE))),
    );

    await changes.state(({ following }) => following === 'sync');

    expect(changes.states.map(({ following }) => following)).toEqual(['off', 'sync']);
    expect(changes.states[0]?.detail).toMatch(/^connection to ldap:\/\/scripted: /);
  });

  it('keeps no more than it may of changes that nobody takes', async () => {
    const flood = (id: number) =>
      Buffer.concat(Array.from({ length: 10_500 }, (_, at) => user(id, `u${at}`, 2)));
    await using changes = await follow(offering(({ id }) => flood(id)));

    await changes.next((change) => change.kind === 'changed' && change.entry === 'uid=u10499,dc=x');

    expect(changes.server.sockets.size).toBe(1);
  });
});

/** Has entries by the time of their change, and is asked by polling. */
function polled(entries: Map<string, string>, limit = 1000): Script {
  return (request) => {
    if (request.kind !== 'search' || request.base === '') {
      return request.kind === 'search' ? searchDone(request.id, 0) : answerAll(request);
    }
    const [, since = ''] = /modifyTimestamp>=(\d{14})/i.exec(request.filter) ?? [];
    const found = [...entries].filter(([, time]) => time.slice(0, 14) >= since);
    const isProbe = request.attributes.includes('1.1');
    const most = isProbe ? 1 : limit;
    return Buffer.concat([
      ...found
        .slice(0, most)
        .map(([name, time]) =>
          searchEntry(
            request.id,
            `uid=${name},dc=x`,
            isProbe ? {} : { uid: [name], modifyTimestamp: [time] },
          ),
        ),
      searchDone(request.id, found.length > most ? 4 : 0),
    ]);
  };
}

describe('following by polling', () => {
  it('tells of what changed since, by the time of the directory alone', async () => {
    const entries = new Map([
      ['old', '20010101000000Z'],
      ['ann', '20010101120000Z'],
    ]);
    await using changes = await follow(polled(entries));
    await changes.state(({ following }) => following === 'poll');
    await changes.next((change) => change.kind === 'changed' && change.entry === 'uid=ann,dc=x');

    entries.set('bob', '20010101120030.5Z');

    await changes.next((change) => change.kind === 'changed' && change.entry === 'uid=bob,dc=x');
    expect(changes.all.map((change) => (change.kind === 'changed' ? change.entry : change.kind))).toEqual([
      'doubtful',
      // Overlap: a replica may be behind.
      'uid=ann,dc=x',
      'uid=bob,dc=x',
    ]);
    expect(changes.states[0]?.detail).toBe('ldap://scripted: no content synchronisation is offered');
  });

  it('tells of changes though entries have times of the future, of when a clock was ahead', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-01-01T12:00:00Z') });
    onTestFinished(() => void vi.useRealTimers());
    const entries = new Map([
      ['ahead', '20270101000000Z'],
      ['old', '20251231235959Z'],
    ]);
    await using changes = await follow(polled(entries));
    await changes.next((change) => change.kind === 'changed' && change.entry === 'uid=ahead,dc=x');

    // The clock of the directory is right again, or a little behind.
    entries.set('bob', '20260101115800Z');

    await changes.next((change) => change.kind === 'changed' && change.entry === 'uid=bob,dc=x');
    expect(changes.all.map((change) => (change.kind === 'changed' ? change.entry : change.kind))).toEqual([
      'doubtful',
      'uid=ahead,dc=x',
      'uid=bob,dc=x',
    ]);
  });

  it('tells of changes that another server gets later than the one before it, and doubts what it may have', async () => {
    const entries = new Map([['ann', '20010101120000Z']]);
    await using first = await ScriptedLdap.start(polled(new Map([['zoe', '20010101123000Z']])));
    await using changes = await follow(polled(entries), {}, first);
    await changes.next((change) => change.kind === 'changed' && change.entry === 'uid=zoe,dc=x');
    const told = changes.all.length;
    await first.stop();
    await changes.next((change) => changes.all.indexOf(change) >= told && change.kind === 'doubtful');
    await changes.next((change) => change.kind === 'changed' && change.entry === 'uid=ann,dc=x');

    entries.set('bob', '20010101121000Z');

    await changes.next((change) => change.kind === 'changed' && change.entry === 'uid=bob,dc=x');
  });

  it('doubts everything when there are more changes than the server gives', async () => {
    const entries = new Map([['old', '20010101000000Z']]);
    await using changes = await follow(polled(entries, 5));
    await changes.next(({ kind }) => kind === 'changed');

    for (let at = 0; at < 6; at += 1) {
      entries.set(`u${at}`, '20010101000001Z');
    }

    await changes.next((change) => change.kind === 'doubtful' && changes.all.indexOf(change) > 1);
  });

  it('looks at everything again now and then, as what is gone does not show', async () => {
    await using changes = await follow(polled(new Map()), { recheckMs: 10 });

    await changes.next((change) => change.kind === 'doubtful' && changes.all.indexOf(change) > 1);
  });

  it('ends when the server begins to offer content synchronisation', async () => {
    let offersSync = false;
    const synchronised = offering(({ id }) => syncInfo(id, REFRESH_DONE));
    const polling = polled(new Map());
    await using changes = await follow(
      (request, socket) => (offersSync ? synchronised : polling)(request, socket),
      { recheckMs: 10 },
    );
    await changes.state(({ following }) => following === 'poll');

    offersSync = true;

    await changes.state(({ following }) => following === 'sync');
    expect(changes.states.some(({ following }) => following === 'off')).toBe(false);
  });

  it('is not done instead of what was asked for', async () => {
    await using changes = await follow(polled(new Map()), { mode: 'sync' });

    await changes.state(({ following }) => following === 'off');

    expect(changes.states[0]?.detail).toBe('ldap://scripted: no content synchronisation is offered');
    expect(changes.server.seen('search').every(({ base }) => base === '')).toBe(true);
  });
});
