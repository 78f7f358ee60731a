import { Deadline } from '../deadline.ts';
import type { Entry } from '../entries/entry.ts';
import { type Schema, searchForAll } from '../entries/schema.ts';
import { LDAP_CODE, resultText, searchHints } from './codes.ts';
import { dialAsService, type LdapTarget, type ServiceAccount } from './dial.ts';
import { LdapUnreachable } from './unreachable.ts';

/** What is read as a whole. */
export interface LdapReadOptions {
  readonly servers: readonly LdapTarget[];
  readonly account: ServiceAccount | undefined;
  readonly schema: Schema;
  readonly connectMs: number;
  readonly operationMs: number;
}

/**
 * Reads all entries of a schema from the first server that gives them, on a connection of its own.
 * @param most beyond so many nothing is given: a part of them would look as if the others were gone.
 * @throws {LdapUnreachable} with what each server said.
 */
export async function readAllEntries(
  options: LdapReadOptions,
  most: number,
  signal: AbortSignal,
): Promise<readonly Entry[]> {
  const failures: string[] = [];
  for (const target of options.servers) {
    try {
      return await readFrom(target, options, most, signal);
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
  most: number,
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
    if (result.code === LDAP_CODE.success && entries.length <= most && !result.isOversized) {
      return entries;
    }
    const amiss = result.isOversized
      ? 'an entry that is too large'
      : resultText(result, searchHints(search.base));
    const why = entries.length > most ? `more than ${most} entries` : amiss;
    throw new LdapUnreachable(`${target.url}: search below ${search.base}: ${why}`, { stage: 'lost' });
  } finally {
    connection.close();
  }
}
