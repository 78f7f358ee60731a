import { Deadline } from '../deadline.ts';
import type { Entry } from '../entries/entry.ts';
import { type Schema, searchForAll } from '../entries/schema.ts';
import { LDAP_CODE, resultText, searchHints } from './codes.ts';
import { dialAsService, type LdapTarget, type ServiceAccount } from './dial.ts';
import type { LdapSearchResult } from './search.ts';
import { LdapUnreachable } from './unreachable.ts';

/** What is read as a whole. */
export interface LdapReadOptions {
  readonly servers: readonly LdapTarget[];
  readonly account: ServiceAccount | undefined;
  readonly schema: Schema;
  readonly connectMs: number;
  readonly operationMs: number;
}

/** How many entries are taken for all of them. */
export interface EntryCounts {
  /** Beyond so many nothing is given: a part of them would look as if the others were gone. */
  readonly most: number;
  /** So many there were: a server that shows fewer than half of them has lost the others, or our right to see them. */
  readonly before: number;
}

/**
 * Reads all entries of a schema from the first server that gives them, on a connection of its own.
 * @throws {LdapUnreachable} with what each server said.
 */
export async function readAllEntries(
  options: LdapReadOptions,
  counts: EntryCounts,
  signal: AbortSignal,
): Promise<readonly Entry[]> {
  const failures: string[] = [];
  for (const target of options.servers) {
    try {
      return await readFrom(target, options, counts, signal);
    } catch (error) {
      if (!(error instanceof LdapUnreachable)) {
        throw error;
      }
      failures.push(error.message);
    }
  }
  throw new LdapUnreachable(failures.join('; '), { stage: 'connect' });
}

async function readFrom(
  target: LdapTarget,
  { account, schema, connectMs, operationMs }: LdapReadOptions,
  { most, before }: EntryCounts,
  signal: AbortSignal,
): Promise<readonly Entry[]> {
  using dialling = new Deadline(connectMs, signal);
  const connection = await dialAsService(target, account, dialling.signal);
  try {
    using deadline = new Deadline(operationMs, signal);
    const entries: Entry[] = [];
    const search = { ...searchForAll(schema), attributes: schema.attributes, sizeLimit: most };
    const result = await connection.stream(
      search,
      (message) => {
        if (message.kind === 'entry' && entries.length <= most) entries.push(message.entry);
      },
      deadline.signal,
    );
    const why = whyNotAll(result, entries.length, { most, before }, search.base);
    if (why === undefined) return entries;
    throw new LdapUnreachable(`${target.url}: search below ${search.base}: ${why}`, { stage: 'lost' });
  } finally {
    connection.close();
  }
}

function whyNotAll(
  result: LdapSearchResult,
  found: number,
  { most, before }: EntryCounts,
  base: string,
): string | undefined {
  if (found > most) return `more than ${most} entries`;
  if (result.isOversized) return 'an entry that is too large';
  if (result.code !== LDAP_CODE.success) return resultText(result, searchHints(base));
  return found < before / 2
    ? `${found} entries, where ${before} were: if that is right, restart the proxy`
    : undefined;
}
