/** A member of a home that the entry itself gives a priority. */
export interface WrittenMember {
  readonly node: string;
  readonly priority: number;
}

/** A part of a home, as the entry names it: the name of a node or group, or a group with its members. */
export type WrittenHome =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'members'; readonly group: string; readonly members: readonly WrittenMember[] };

/** PowerMail's way to name mutually redundant homes; a host name has no colon. */
const POWERMAIL = /^\s*([^:]+):(\d{1,9}):([^:]+)$/;

/** The parts of a home. Values as PowerMail has them, `group:priority:address`, are one part for each group. */
export function readHomes(homes: readonly string[]): readonly WrittenHome[] {
  const parts: WrittenHome[] = [];
  const groups = new Map<string, WrittenMember[]>();
  for (const home of homes) {
    const [, group, priority, node] = POWERMAIL.exec(home) ?? [];
    if (group === undefined || node === undefined) {
      parts.push({ kind: 'name', name: home });
      continue;
    }
    const key = group.trim().toLowerCase();
    const members = groups.get(key) ?? [];
    if (!groups.has(key)) parts.push({ kind: 'members', group: key, members });
    members.push({ node: node.trim(), priority: Number(priority) });
    groups.set(key, members);
  }
  return parts;
}
