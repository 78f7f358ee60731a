import { createHash } from 'node:crypto';
import { makeApop } from '../../auth/mechanisms/digest-server.ts';
import type { Apop } from '../../protocols/protocol.ts';

/** Stands in the greeting where APOP is offered; always the same, so that each conversation can be played again. */
export const TIMESTAMP = '<1896.697170952@fuzz>';
const PASSWORD = 'p';

/** The digest by which anybody gets in whom the directory does not refuse. */
export const RIGHT_DIGEST = createHash('md5').update(`${TIMESTAMP}${PASSWORD}`).digest('hex');

/** APOP over a directory in which every name is an account, but for `b`. */
export function scriptedApop(): Apop {
  return makeApop(
    {
      directoryMs: 60_000,
      credentials: async (octets) => {
        const login = octets.toString('latin1');
        const account = {
          name: login,
          entry: `uid=${login}`,
          homes: [],
          forwarded: new Map(),
          bar: undefined,
        };
        return login === 'b'
          ? { kind: 'none', login, reason: 'unknownUser' }
          : { kind: 'found', login, account, values: [PASSWORD], allowCleartext: true };
      },
    },
    TIMESTAMP,
  );
}
