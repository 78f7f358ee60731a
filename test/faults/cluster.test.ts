import { expect, it } from 'vitest';
import type { NodeName } from '../support/cluster.ts';
import { looksWrong } from './deaths.ts';
import { Story } from './story.ts';
import { addNode, entryOf, MEMBERS, memberFor, membersOf, type StoryUser } from './story-cluster.ts';

const NODES: readonly NodeName[] = ['node-a', 'node-b', 'node-c', 'node-p'];

/** Whether each user of the group has his longer session at the one of these members that is his. */
function places(story: Story, members: readonly NodeName[]): boolean {
  return story.cluster.grouped.every((user) => {
    const [open, ...others] = story.openOf(user.name);
    return others.length === 0 && open?.node === memberFor(user, members);
  });
}

function nothingAmiss(story: Story): void {
  const { failed, astray, load, cluster } = story;
  const bugs = [0, 1].flatMap((index) => cluster.proxies.log(index)).filter(({ event }) => event === 'bug');
  story.show(
    `${load.logins.length} logins and ${load.stays.length} longer sessions, ${failed.length} failed`,
  );
  expect({ failed, astray, bugs, wrong: load.logins.filter(looksWrong) }).toEqual({
    failed: [],
    astray: [],
    bugs: [],
    wrong: [],
  });
}

it('a cluster whose servers die one after the other fails no login that has a living home', async () => {
  await using story = await Story.begin();
  const { admin, lone } = story.cluster;
  await addNode(admin, 'node-d');
  await story.move(
    'a node that came',
    [1, 3].flatMap((index) => lone[index] ?? []),
    () => 'node-d',
  );

  for (const name of ['ldap-replica', 'ldap-master'] as const) await story.killDirectory(name);
  for (const name of [...NODES, 'node-d'] as const) await story.killNode(name);
  await story.endProxy(0, 'SIGKILL');
  await story.endProxy(1, 'SIGTERM');

  await story.until('each user of the group is on one member', () => places(story, MEMBERS));
  nothingAmiss(story);
  expect(story.lost.filter(({ line }) => line?.how !== 'moved')).toEqual([]);
});

it('a cluster that changes in its directory alone takes users to their new homes, and fails no login', async () => {
  await using story = await Story.begin();
  const { admin, lone, group } = story.cluster;

  await addNode(admin, 'node-d');
  await story.move('a node that came', lone.slice(0, 2), () => 'node-d');
  const more: readonly NodeName[] = [...MEMBERS, 'node-d'];
  await admin.set(group, 'homingMember', ...membersOf(more));
  for (const user of story.cluster.grouped) user.homes = more;
  await story.until('the new member has its users', () => places(story, more));

  const next = ({ homes }: StoryUser): NodeName =>
    NODES[(NODES.indexOf(homes.at(-1) ?? 'node-d') + 1) % NODES.length] ?? 'node-a';
  await story.move('all at once', lone, next);
  await story.killDirectory('ldap-replica', () => story.move('while the replica is dead', lone, next));
  await story.move('behind its restart', lone, next);
  await story.killDirectory('ldap-master');
  await story.move("behind the master's restart", lone, next);

  await admin.set(entryOf('node-b'), 'homingState', 'draining');
  const left = more.filter((name) => name !== 'node-b');
  await story.until('users of the group leave the node that drains', () => places(story, left));
  await story.more(3);
  await admin.set(entryOf('node-b'), 'homingState', 'up');
  await story.until('they come back', () => places(story, more));

  nothingAmiss(story);
  const ended = story.load.stays.filter(({ untilMs }) => untilMs < Number.POSITIVE_INFINITY);
  const how = new Set(ended.map((stay) => story.endOf(stay).line?.how));
  expect(how).toEqual(new Set(['moved', 'drained', 'rebalanced']));
});
