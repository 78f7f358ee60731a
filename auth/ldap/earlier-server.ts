import { Deadline } from '../deadline.ts';
import { type Schema, searchForAll } from '../entries/schema.ts';
import { pause } from '../pause.ts';
import { dialAsService, type LdapTarget, type ServiceAccount } from './dial.ts';
import { cookieOfNow, readRootDse } from './root-dse.ts';
import { LdapUnreachable } from './unreachable.ts';

/** How it is found out whether a server can be followed. */
export interface FollowableTerms {
  readonly account: ServiceAccount | undefined;
  readonly schema: Schema;
  readonly connectMs: number;
  /** Whether it has to tell where its changes stand, as content synchronisation needs. */
  readonly needsCookie: () => boolean;
}

/** Waits until one of these servers can be followed. @returns its index; `undefined` when it is stopped before. */
export async function findFollowable(
  servers: readonly LdapTarget[],
  everyMs: number,
  terms: FollowableTerms,
  signal: AbortSignal,
): Promise<number | undefined> {
  while (servers.length > 0 && (await pause(everyMs, signal))) {
    for (const [index, target] of servers.entries()) {
      if (await canFollow(target, terms, signal)) return index;
    }
  }
  return undefined;
}

async function canFollow(target: LdapTarget, terms: FollowableTerms, signal: AbortSignal): Promise<boolean> {
  const { account, schema, connectMs, needsCookie } = terms;
  try {
    using deadline = new Deadline(connectMs, signal);
    const connection = await dialAsService(target, account, deadline.signal);
    try {
      const suffix = (await readRootDse(connection, deadline.signal)).suffixOf(searchForAll(schema).base);
      return !needsCookie() || (await cookieOfNow(connection, suffix, deadline.signal)) !== undefined;
    } finally {
      connection.close();
    }
  } catch (error) {
    if (!(error instanceof LdapUnreachable)) throw error;
    return false;
  }
}
