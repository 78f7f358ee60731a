import { describe, expect, it } from 'vitest';
import { LoginFailure, type Reason } from '../../auth/failure.ts';
import type { Event } from '../../src/events.ts';
import { Breakers } from '../../src/routing/breakers.ts';
import type { Stage } from '../../src/routing/node-health.ts';
import { NodeTable } from '../../src/routing/node-table.ts';

const TABLE = new NodeTable([
  {
    name: '*.example.org',
    host: undefined,
    kind: 'dovecot',
    ports: new Map([['imap', 143]]),
    tls: { mode: 'implicit', ca: undefined, serverName: undefined, pin: undefined },
    trust: { kind: 'replay' },
    required: [],
    allowUnauthenticate: false,
  },
]);

class Bench {
  nowMs = 1000;
  readonly events: Event[] = [];
  readonly breakers = new Breakers({
    observe: (event) => this.events.push(event),
    retryMs: 5000,
    now: () => this.nowMs,
  });
  readonly node = node('node-a.example.org');

  begin(user = 'ann') {
    return this.breakers.attempt(this.node, 'imap', user);
  }

  fail(reason: Reason = 'nodeUnreachable', stage: Stage = 'connecting', user = 'ann'): void {
    this.begin(user).failed(new LoginFailure(reason, 'ECONNREFUSED'), stage);
  }

  failOften(): void {
    for (let count = 0; count < 3; count += 1) this.fail();
  }

  failUsers(): void {
    for (let count = 0; count < 5; count += 1) {
      this.fail('nodeUnreachable', 'loggingIn', `faulty${count}`);
    }
  }

  get isUsable(): boolean {
    return this.breakers.usable(this.node, 'imap');
  }

  get states(): readonly unknown[] {
    return this.events.map((event) => (event.event === 'nodeState' ? event.state : event.event));
  }
}

function node(name: string) {
  const found = TABLE.find(name);
  if (found === undefined) throw new Error(`no node ${name}`);
  return found;
}

describe('Breakers', () => {
  it('F17 leaves a node alone after three failures in a row, and says so once', () => {
    const bench = new Bench();

    bench.failOften();

    expect(bench.isUsable).toBe(false);
    expect(() => bench.begin()).toThrow('left alone for a while, as it failed: ECONNREFUSED');
    expect(bench.events).toEqual([
      {
        event: 'nodeState',
        node: 'node-a.example.org',
        nodeEntry: '*.example.org',
        protocol: 'imap',
        state: 'down',
        detail: 'ECONNREFUSED',
      },
    ]);
  });

  it('knows each service and each node by itself', () => {
    const bench = new Bench();

    bench.failOften();

    expect(bench.breakers.usable(bench.node, 'pop3')).toBe(true);
    expect(bench.breakers.usable(node('node-b.example.org'), 'imap')).toBe(true);
  });

  it('begins to count anew behind a login that went well, and behind a minute', () => {
    const bench = new Bench();

    bench.fail();
    bench.fail();
    bench.begin().succeeded();
    bench.fail();
    bench.fail();
    bench.nowMs += 60_000;
    bench.fail();

    expect(bench.isUsable).toBe(true);
    expect(bench.events).toEqual([]);
  });

  it.each<Reason>(['nodeLimit', 'nodeInUse', 'nodeRefusedProxy', 'wrongPassword'])(
    'takes %s for the word of a node that works',
    (reason) => {
      const bench = new Bench();

      for (let count = 0; count < 5; count += 1) bench.fail(reason, 'loggingIn', `user${count}`);

      expect(bench.isUsable).toBe(true);
    },
  );

  it('is not opened by one user whose mailbox alone breaks his logins', () => {
    const bench = new Bench();

    for (let count = 0; count < 9; count += 1) bench.fail('nodeBrokeProtocol', 'loggingIn', 'ann');
    for (const user of ['bob', 'cid', 'dan']) bench.fail('nodeBrokeProtocol', 'loggingIn', user);
    expect(bench.isUsable).toBe(true);

    bench.fail('nodeBrokeProtocol', 'loggingIn', 'eve');
    expect(bench.isUsable).toBe(false);
  });

  it('is not opened by users at fault while others get in', () => {
    const bench = new Bench();

    for (let count = 0; count < 100; count += 1) {
      bench.fail('nodeUnreachable', 'loggingIn', `faulty${count % 4}`);
      if (count % 10 === 9) bench.begin().succeeded();
    }

    expect(bench.events).toEqual([]);
  });

  it('lets another user try at once where all who failed may be at fault, one at a time', () => {
    const bench = new Bench();
    bench.failUsers();
    expect(bench.isUsable).toBe(false);

    expect(() => bench.begin('faulty0')).toThrow(LoginFailure);
    const honest = bench.begin();
    expect(() => bench.begin('bob')).toThrow(LoginFailure);
    honest.succeeded();

    expect(bench.isUsable).toBe(true);
  });

  it('is kept open by no user at fault, though he comes first at each turn', () => {
    const bench = new Bench();
    bench.failUsers();
    bench.nowMs += 5000;
    bench.breakers.probe(bench.node, 'imap')?.succeeded();
    bench.fail('nodeUnreachable', 'loggingIn', 'faulty0');
    expect(bench.isUsable).toBe(true);
    bench.failUsers();
    bench.nowMs += 5000;
    bench.fail('nodeUnreachable', 'loggingIn', 'faulty0');

    expect(bench.isUsable).toBe(false);
    bench.begin().succeeded();
    expect(bench.isUsable).toBe(true);
  });

  it('learns from a trial that came to its login that the way is there again', () => {
    const bench = new Bench();
    bench.failOften();
    bench.nowMs += 5000;

    bench.fail('nodeUnreachable', 'loggingIn', 'faulty0');
    bench.begin('bob').succeeded();

    expect(bench.isUsable).toBe(true);
  });

  it('leaves a node alone again whose way fails another user', () => {
    const bench = new Bench();
    bench.failUsers();

    bench.fail();

    expect(() => bench.begin('bob')).toThrow(LoginFailure);
  });

  it('lets one login at a time try it again each 5 s, and the others in when that went well', () => {
    const bench = new Bench();
    bench.failOften();

    bench.nowMs += 4999;
    expect(() => bench.begin()).toThrow(LoginFailure);
    bench.nowMs += 1;
    const first = bench.begin();
    expect(() => bench.begin()).toThrow(LoginFailure);
    first.failed(new LoginFailure('nodeUnreachable', 'again'), 'connecting');
    expect(() => bench.begin()).toThrow('again');
    bench.nowMs += 5000;
    bench.begin().succeeded();

    expect(bench.isUsable).toBe(true);
    expect(bench.states).toEqual(['down', 'up']);
  });

  it('gives the turn back at once of a login whose client left', () => {
    const bench = new Bench();
    bench.failOften();
    bench.nowMs += 5000;

    for (let count = 0; count < 100; count += 1) bench.begin('leaver').abandoned();
    bench.begin().succeeded();

    expect(bench.isUsable).toBe(true);
  });

  it('has a turn for probes that no login takes', () => {
    const bench = new Bench();
    bench.failOften();
    bench.nowMs += 5000;

    const slow = bench.begin('leaver');
    bench.breakers.probe(bench.node, 'imap')?.succeeded();
    slow.abandoned();

    expect(bench.isUsable).toBe(true);
  });

  it('keeps one trial at a time though one of an earlier fall ends late', () => {
    const bench = new Bench();
    bench.failOften();
    bench.nowMs += 5000;
    const late = bench.begin();
    bench.breakers.probe(bench.node, 'imap')?.succeeded();
    bench.fail();
    bench.nowMs += 5000;
    bench.begin('bob');

    late.abandoned();

    expect(() => bench.begin('cid')).toThrow(LoginFailure);
  });

  it('believes no failure that began before the node worked again', () => {
    const bench = new Bench();
    const old = [bench.begin(), bench.begin(), bench.begin(), bench.begin()];
    bench.failOften();
    bench.nowMs += 5000;
    bench.begin().succeeded();

    for (const attempt of old) attempt.failed(new LoginFailure('nodeUnreachable', 'late'), 'connecting');

    expect(bench.isUsable).toBe(true);
  });

  it('closes by a probe, and opens again at one failure where the probe had not looked', () => {
    const bench = new Bench();
    bench.failOften();
    bench.nowMs += 5000;

    bench.breakers.probe(bench.node, 'imap')?.succeeded();
    expect(bench.isUsable).toBe(true);
    bench.fail('nodeTlsFailed');

    expect(bench.isUsable).toBe(false);
    bench.nowMs += 5000;
    expect(bench.breakers.probe(bench.node, 'imap')).toBeUndefined();
    bench.begin().succeeded();
    expect(bench.states).toEqual(['down', 'up', 'down', 'up']);
  });

  it('probes what is down no more often than logins may try it', () => {
    const bench = new Bench();
    bench.failOften();

    expect(bench.breakers.down()).toMatchObject([{ node: { name: 'node-a.example.org' }, service: 'imap' }]);
    expect(bench.breakers.probe(bench.node, 'imap')).toBeUndefined();
    bench.nowMs += 5000;
    expect(bench.breakers.probe(bench.node, 'imap')).toBeDefined();
    expect(bench.breakers.probe(bench.node, 'imap')).toBeUndefined();
  });

  it('forgets a node that was down when nobody wants it for an hour', () => {
    const bench = new Bench();
    bench.failOften();

    bench.nowMs += 3_600_000;

    expect(bench.breakers.down()).toEqual([]);
    expect(bench.states).toEqual(['down', 'forgotten']);
    expect(bench.isUsable).toBe(true);
  });

  it('knows nothing of a node that is another one now', () => {
    const bench = new Bench();
    bench.failOften();
    const change = { states: [], placesMoved: false };

    bench.breakers.nodesChanged({ ...change, replaced: ['node-b.example.org'] });
    expect(bench.isUsable).toBe(false);
    bench.breakers.nodesChanged({ ...change, replaced: ['node-a.example.org'] });

    expect(bench.isUsable).toBe(true);
    expect(bench.states).toEqual(['down', 'forgotten']);
  });

  it('neither counts nor tries a node that is taken down', () => {
    const bench = new Bench();
    bench.failOften();

    bench.breakers.nodesChanged({
      states: [{ node: 'node-a.example.org', before: 'up', after: 'down' }],
      replaced: [],
      placesMoved: false,
    });

    expect(bench.breakers.down()).toEqual([]);
    expect(bench.states).toEqual(['down', 'forgotten']);
  });

  it('learns nothing of a node from what began at the one before it', () => {
    const bench = new Bench();
    const old = [bench.begin(), bench.begin(), bench.begin()];
    const well = bench.begin();
    bench.nowMs += 1;
    bench.breakers.nodesChanged({ states: [], replaced: ['node-a.example.org'], placesMoved: false });
    for (const attempt of old) attempt.failed(new LoginFailure('nodeUnreachable', 'late'), 'connecting');
    expect(bench.events).toEqual([]);
    bench.failOften();
    well.succeeded();

    expect(bench.isUsable).toBe(false);
  });

  it('remembers ten thousand nodes and no more, the down ones among them', () => {
    const bench = new Bench();
    bench.failOften();
    const fail = (name: string): void => {
      const attempt = bench.breakers.attempt(node(name), 'imap', 'ann');
      attempt.failed(new LoginFailure('nodeUnreachable', 'ENOTFOUND'), 'connecting');
    };

    for (let count = 0; count < 10_000; count += 1) fail(`n${count}.example.org`);
    for (let count = 0; count < 5; count += 1) fail('one-more.example.org');

    expect(bench.breakers.usable(node('one-more.example.org'), 'imap')).toBe(true);
    expect(bench.isUsable).toBe(false);
    bench.nowMs += 60_000;
    for (let count = 0; count < 3; count += 1) fail('one-more.example.org');
    expect(bench.breakers.usable(node('one-more.example.org'), 'imap')).toBe(false);
  });
});
