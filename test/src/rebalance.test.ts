import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Secret } from '../../auth/secret.ts';
import type { WayHome } from '../../src/home.ts';
import { Rebalance } from '../../src/rebalance.ts';
import type { Relay } from '../../src/relay.ts';
import { NodeTable } from '../../src/routing/node-table.ts';
import type { GroupSettings, NodeSettings, NodeState } from '../../src/settings.ts';
import { UserSessions } from '../../src/user-sessions.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function node(name: string, state: NodeState = 'up', weight = 1): NodeSettings {
  return {
    name,
    host: undefined,
    kind: 'generic',
    ports: new Map([['imap', 143]]),
    tls: { mode: 'none' },
    trust: { kind: 'cram-sha256', name: 'p', key: new Secret(Buffer.alloc(32)) },
    required: [],
    state,
    weight,
  };
}

/** Members in this order, so that a test knows where a user belongs. */
const GROUP: GroupSettings = {
  name: 'g',
  kind: 'replicas',
  members: [
    { node: 'a', priority: 1 },
    { node: 'b', priority: 2 },
  ],
};

/** Nodes a and b, which a source may change, and sessions there. */
function start(perSecond = 20) {
  const broken = new Set<string>();
  const nodes = new NodeTable([node('c')], [GROUP]);
  const set = (a: NodeState, b: NodeState = 'up'): void => {
    nodes.replace('test', { nodes: [node('a', a), node('b', b)] });
  };
  set('up');
  const sessions = new UserSessions({ perUser: undefined, perUserAndAddress: undefined });
  const rebalance = new Rebalance({
    sessions,
    nodes,
    health: { usable: ({ name }) => !broken.has(name) },
    perSecond,
    withinMs: 60_000,
    settleMs: 30_000,
  });
  nodes.onChange(rebalance.nodesChanged);
  const ends: string[] = [];
  let count = 0;
  const begin = (at: string | undefined, homes: readonly string[] = ['g'], way: WayHome = 'planned') => {
    count += 1;
    const name = `u${count}`;
    const session = sessions.enter({
      account: { name, entry: `uid=${name}`, homes, forwarded: new Map(), bar: undefined },
      directory: undefined,
      service: 'imap',
      ip: '192.0.2.1',
    });
    if (at !== undefined) session.relayed({} as unknown as Relay, at, way);
    session.endQuietly = (how, withinMs) => void ends.push(`${name} ${how} within ${withinMs}`);
    return session;
  };
  return { nodes, set, broken, rebalance, ends, begin };
}

describe('sessions when nodes change', () => {
  it('leave a node that drains, where they have another place', () => {
    const { set, begin, ends } = start();
    begin('a');
    begin('a', ['a']);
    begin('b');
    set('draining');
    vi.advanceTimersByTime(1000);

    expect(ends).toEqual(['u1 drained within 60000']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leave at a rate', () => {
    const { set, begin, ends } = start(20);
    for (let count = 0; count < 100; count += 1) begin('a');
    set('draining');
    vi.advanceTimersByTime(1000);
    expect(ends).toHaveLength(20);
    vi.advanceTimersByTime(4000);

    expect(ends).toHaveLength(100);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('leave slowly where less than one is to do so at a time', () => {
    const { set, begin, ends } = start(1);
    for (let count = 0; count < 3; count += 1) begin('a');
    set('draining');
    vi.advanceTimersByTime(2100);

    expect(ends).toHaveLength(2);
  });

  it('leave a node that is taken down within 30 s, however many they are', () => {
    const { set, begin, ends } = start(1);
    for (let count = 0; count < 900; count += 1) begin('a');
    set('down');
    vi.advanceTimersByTime(1000);
    expect(ends).toHaveLength(30);
    vi.advanceTimersByTime(29_000);

    expect(ends).toHaveLength(900);
  });

  it('go back when the better member of their group works again', () => {
    const { rebalance, begin, ends } = start();
    begin('a');
    begin('b');
    begin('b', ['b']);
    rebalance.returned('a');
    vi.advanceTimersByTime(29_000);
    expect(ends).toEqual([]);
    vi.advanceTimersByTime(2000);

    expect(ends).toEqual(['u2 rebalanced within 60000']);
  });

  it('go back when the node table has the better member again', () => {
    const { set, begin, ends } = start();
    set('down');
    begin('b');
    set('up');
    vi.advanceTimersByTime(1000);

    expect(ends).toEqual(['u1 rebalanced within 60000']);
  });

  it('stay when the member that came back has failed again before their turn', () => {
    const { rebalance, broken, begin, ends } = start();
    begin('b');
    rebalance.returned('a');
    broken.add('a');
    vi.advanceTimersByTime(31_000);

    expect(ends).toEqual([]);
  });

  it('stay where new logins fail, when another node than their own works again', () => {
    const { rebalance, broken, begin, ends } = start();
    begin('a');
    broken.add('a');
    rebalance.returned('c');
    vi.advanceTimersByTime(31_000);

    expect(ends).toEqual([]);
  });

  it('stay while the better member comes and goes', () => {
    const { rebalance, begin, ends } = start();
    begin('b');
    for (let count = 0; count < 10; count += 1) {
      rebalance.returned('a');
      vi.advanceTimersByTime(20_000);
    }
    expect(ends).toEqual([]);
    vi.advanceTimersByTime(11_000);

    expect(ends).toEqual(['u1 rebalanced within 60000']);
  });

  it('go back when their login alone did not get through to the better member', () => {
    const { rebalance, begin, ends } = start();
    begin('b');
    rebalance.strayed(begin('b'));
    rebalance.strayed(begin('a'));
    vi.advanceTimersByTime(31_000);

    expect(ends).toEqual(['u2 rebalanced within 60000']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('stay where a node referred them', () => {
    const { rebalance, set, begin, ends } = start();
    begin('b', ['g'], 'referred');
    begin('a', ['g'], 'referred');
    rebalance.returned('a');
    vi.advanceTimersByTime(31_000);
    set('draining');
    vi.advanceTimersByTime(1000);

    expect(ends).toEqual([]);
  });

  it('go back when the better member returned while their login was under way, however many are', () => {
    const { rebalance, begin, ends } = start();
    for (let count = 0; count < 1000; count += 1) begin(undefined);
    const session = begin(undefined);
    rebalance.returned('a');
    vi.advanceTimersByTime(31_000);
    session.relayed({} as unknown as Relay, 'b');
    vi.advanceTimersByTime(1000);

    expect(ends).toEqual(['u1001 rebalanced within 60000']);
    rebalance[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each(['draining', 'down'] as const)('leave a node that is %s when their login is done', (state) => {
    const { set, begin, ends } = start();
    const session = begin(undefined);
    set(state);
    vi.advanceTimersByTime(1000);
    expect(ends).toEqual([]);
    session.relayed({} as unknown as Relay, 'a');
    vi.advanceTimersByTime(1000);

    expect(ends).toEqual(['u1 drained within 60000']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('go to where other weights take their users, and no others do', () => {
    const { nodes, begin, ends } = start();
    const group = {
      ...GROUP,
      name: 's',
      members: ['a', 'b'].map((member) => ({ node: member, priority: 1 })),
    };
    const weigh = (weight: number): void => {
      nodes.replace('test', { nodes: [node('a', 'up', weight), node('b')], groups: [group] });
    };
    weigh(1);
    for (let count = 0; count < 20; count += 1) begin('a', ['s']);
    vi.advanceTimersByTime(2000);
    const before = ends.splice(0).length;
    weigh(1000);
    vi.advanceTimersByTime(2000);
    const heavy = ends.splice(0);
    weigh(0.001);
    vi.advanceTimersByTime(2000);

    expect(before).toBeLessThan(20);
    expect(heavy).toEqual([]);
    expect(new Set(ends.map((end) => end.replace(/^u\d+ /, '')))).toEqual(
      new Set(['rebalanced within 60000']),
    );
    expect(ends).toHaveLength(20);
  });

  it('go to a new member of their group, and stay when nothing is different', () => {
    const { nodes, set, begin, ends } = start();
    begin('b', ['mine']);
    const groupOf = (...members: readonly string[]) => ({
      ...GROUP,
      name: 'mine',
      members: members.map((member, index) => ({ node: member, priority: index + 1 })),
    });
    set('up');
    const rows = { nodes: [node('a'), node('b')] };
    nodes.replace('test', { ...rows, groups: [groupOf('b')] });
    vi.advanceTimersByTime(1000);
    expect(ends).toEqual([]);
    nodes.replace('test', { ...rows, groups: [groupOf('a', 'b')] });
    vi.advanceTimersByTime(1000);

    expect(ends.splice(0)).toEqual(['u1 rebalanced within 60000']);
    nodes.replace('test', { nodes: [node('a'), node('b')], groups: [groupOf('a', 'b')] });
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each(['draining', 'down'] as const)(
    'leave a node that is %s, though its failures are forgotten',
    (state) => {
      const { rebalance, set, begin, ends } = start();
      begin('a');
      set(state);
      rebalance.returned('a');
      vi.advanceTimersByTime(1000);

      expect(ends).toEqual(['u1 drained within 60000']);
    },
  );

  it('leave a node that is gone, though its failures are forgotten', () => {
    const { nodes, rebalance, begin, ends } = start();
    begin('a');
    nodes.replace('test', { nodes: [node('b')] });
    rebalance.returned('a');
    vi.advanceTimersByTime(31_000);

    expect(ends).toEqual(['u1 drained within 60000']);
  });

  it('stay when they are over', () => {
    const { set, begin, ends } = start();
    const session = begin('a');
    set('draining');
    session[Symbol.dispose]();
    vi.advanceTimersByTime(1000);

    expect(ends).toEqual([]);
  });
});
