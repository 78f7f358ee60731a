/** From what an entry names as its home to the nodes that may serve it, in order, with the reasons in words. */
import type { GroupSettings } from '../settings.ts';
import { type Choosable, type Fitness, orderHome, orderMembers } from './choice.ts';
import type { NodeHealth } from './node-health.ts';
import type { KnownNode, NodeTable } from './node-table.ts';
import { readHomes, type WrittenHome } from './written-home.ts';

/** A node that may serve an account. */
export interface Candidate {
  readonly node: KnownNode;
  readonly port: number;
  /** Why it stands where it does, for an operator. */
  readonly reason: string;
}

/** A node that a home names, and that may not serve it. */
export interface PassedBy {
  readonly name: string;
  readonly why: string;
  /** Whether it may serve it when its state changes. */
  readonly isDown: boolean;
}

/** What the choice is made from. */
export interface ChoiceTerms {
  readonly service: string;
  readonly nodes: NodeTable;
  readonly health: NodeHealth;
}

/** A node of the home with what the choice needs of it. */
interface Place extends Choosable {
  readonly node: KnownNode;
  readonly port: number;
  readonly group: string | undefined;
  /** Weights of the ready members of its priority. */
  readonly among: number;
}

/** Orders the nodes of a home, best first. @param user the account name. */
export function chooseNodes(
  user: string,
  homes: readonly string[],
  terms: ChoiceTerms,
): { readonly candidates: readonly Candidate[]; readonly passedBy: readonly PassedBy[] } {
  const passedBy: PassedBy[] = [];
  const seen = new Set<string>();
  const places = readHomes(homes)
    .flatMap((home) => placesOf(user, home, terms, passedBy))
    .filter(({ name }) => !seen.has(name) && seen.add(name));
  const ordered = orderHome(places);
  const isLeftOut = (place: Place): boolean => !ordered.includes(place);
  passedBy.push(
    ...places.filter(isLeftOut).map(({ name }) => ({ name, why: 'it is draining', isDown: false })),
  );
  const better = passedBy.filter(({ isDown }) => isDown).map(({ name }) => `${name} is down`);
  const troubles = ordered
    .filter(({ fitness }) => fitness === 'unusable')
    .map(({ name }) => `${name} can't be used`);
  const candidates = ordered.map((place, index) => ({
    node: place.node,
    port: place.port,
    reason: reasonOf(place, index, ordered, [...better, ...troubles]),
  }));
  return { candidates, passedBy };
}

interface WantedMember {
  readonly name: string;
  readonly weight: number | undefined;
  readonly priority: number;
}

function placesOf(
  user: string,
  home: WrittenHome,
  terms: ChoiceTerms,
  passedBy: PassedBy[],
): readonly Place[] {
  const group = home.kind === 'name' ? terms.nodes.findGroup(home.name) : undefined;
  const label = home.kind === 'members' ? home.group : group?.name;
  const found = membersOf(home, group).flatMap((member) => {
    const node = terms.nodes.find(member.name);
    if (node !== undefined && node.settings.state !== 'down') return [{ ...member, node }];
    const why = node === undefined ? 'it is not in the node table' : 'its state is down';
    passedBy.push({ name: node?.name ?? member.name, why, isDown: node !== undefined });
    return [];
  });
  const services =
    group?.kind === 'shared'
      ? new Set(
          found.flatMap(({ node }) =>
            [...node.settings.ports.keys()].filter((name) => group.services?.includes(name) !== false),
          ),
        )
      : new Set([terms.service]);
  const places = found.flatMap(({ node, weight, priority }) => {
    const port = node.settings.ports.get(terms.service);
    if (port === undefined) {
      passedBy.push({ name: node.name, why: `it has no ${terms.service} port`, isDown: false });
      return [];
    }
    const fitness = fitnessOf(node, services, terms);
    return [
      {
        name: node.name,
        node,
        port,
        priority,
        fitness,
        group: label,
        weight: weight ?? node.settings.weight ?? 1,
      },
    ];
  });
  return orderMembers(user, places).map((place) => ({ ...place, among: sumBeside(place, places) }));
}

function membersOf(home: WrittenHome, group: GroupSettings | undefined): readonly WantedMember[] {
  if (home.kind === 'members') {
    return home.members.map(({ node, priority }) => ({ name: node, weight: undefined, priority }));
  }
  if (group === undefined) return [{ name: home.name, weight: undefined, priority: 1 }];
  return group.members.map(({ node, weight, priority }) => ({ name: node, weight, priority }));
}

/** All services of a user with shared storage meet on one member, so that one must be good for all of them. */
function fitnessOf(
  node: KnownNode,
  services: ReadonlySet<string>,
  { service, health }: ChoiceTerms,
): Fitness {
  if (!health.usable(node, service)) return 'unusable';
  if (node.settings.state === 'draining') return 'draining';
  const servesAll = [...services].every((name) => node.settings.ports.has(name) && health.usable(node, name));
  return servesAll ? 'whole' : 'partial';
}

function sumBeside({ priority, fitness }: Choosable, members: readonly Choosable[]): number {
  return members
    .filter((member) => member.priority === priority && member.fitness === fitness)
    .reduce((sum, { weight }) => sum + weight, 0);
}

function reasonOf(
  place: Place,
  index: number,
  ordered: readonly Place[],
  troubles: readonly string[],
): string {
  const { group, priority, weight, among, fitness } = place;
  const others = troubles.filter((trouble) => !trouble.startsWith(`${place.name} `));
  const because = index === 0 && others.length > 0 ? `: ${others.join(', ')}` : '';
  if (fitness === 'unusable') return "can't be used now, so it comes last";
  if (fitness === 'draining') return `draining, and no other node may serve${because}`;
  if (group === undefined) return `${index === 0 ? 'first of the home' : 'next of the home'}${because}`;
  const first = ordered.find((other) => other.group === group) === place;
  const score = first ? 'highest score' : 'a lower score';
  const share = `group ${group}, weight ${weight} of ${among}, ${score}`;
  return priority === 1 ? `${share}${because}` : `${share}, spare of priority ${priority}${because}`;
}
