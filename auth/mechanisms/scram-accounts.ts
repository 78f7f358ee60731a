import type { Credentials } from '../authenticator.ts';
import type { Account } from '../directory.ts';
import { clearTextOf, splitValue } from '../passwords/schemes.ts';
import { readStoredKey } from '../passwords/scram.ts';
import { FRESH_MS } from '../sasl.ts';
import type { DerivedKeys } from './derived-keys.ts';
import type { Disguise } from './disguise.ts';
import type { ScramHash, StoredKey } from './scram-keys.ts';
import type { ScramFinding, ScramTerms } from './scram-server.ts';
import { inTime, type Refusal, type StoredAccounts, whyNone } from './stored-accounts.ts';

/** What SCRAM needs besides the accounts; one for the whole process. */
export interface ScramSupport {
  readonly disguise: Disguise;
  readonly derivedKeys: DerivedKeys;
}

const SCHEME: Readonly<Record<ScramHash, string>> = { sha1: 'SCRAM-SHA-1', sha256: 'SCRAM-SHA-256' };

/**
 * Finds SCRAM keys in the directory: stored ones, or of a password that is stored in clear text. Who has neither looks
 * to the client like anybody whose proof is wrong, since all else would say that the account exists; the log says what
 * is missing.
 */
export function findScramKeys(
  hash: ScramHash,
  accounts: StoredAccounts,
  { disguise, derivedKeys }: ScramSupport,
): ScramTerms['find'] {
  return async (authcid, signal) => {
    const foundMs = performance.now();
    const answer = await inTime(accounts, signal, (limited) => accounts.credentials(authcid, limited));
    if (answer.kind === 'unknown') {
      return answer;
    }
    const credentials = answer.told;
    const shape = disguise.shapeFor(hash, credentials.login);
    if (credentials.kind === 'none') {
      return { kind: 'decoy', ...shape, why: whyNone(credentials) };
    }
    const { account, values, allowCleartext } = credentials;
    const confirmed = (value: string) => (limit: AbortSignal) =>
      performance.now() - foundMs < FRESH_MS
        ? Promise.resolve(account)
        : confirm(accounts, { authcid, value }, limit);
    for (const value of values) {
      const stored = storedKeyOf(hash, value);
      if (stored !== undefined) {
        disguise.saw(hash, account.entry, stored);
        return { kind: 'key', account, ...stored, keys: () => stored, confirm: confirmed(value) };
      }
    }
    const [clear] = values.flatMap((value) => {
      const password = clearTextOf(value, { allowCleartext });
      return password === undefined ? [] : [{ value, password }];
    });
    if (clear === undefined) {
      return { kind: 'decoy', ...shape, why: nothingStored(hash, credentials) };
    }
    // With the salt that the name would have if it were nobody's.
    const keys = async (limit: AbortSignal) => {
      const derived = await inTime(accounts, limit, (limited) =>
        derivedKeys.derive(hash, clear.password, shape, limited),
      );
      return derived.kind === 'told' ? derived.told : derived.why;
    };
    return { kind: 'key', account, ...shape, keys, confirm: confirmed(clear.value) };
  };
}

function storedKeyOf(hash: ScramHash, value: string): StoredKey | undefined {
  const { scheme, rest } = splitValue(value);
  return scheme === SCHEME[hash] ? readStoredKey(scheme, rest) : undefined;
}

/** Looks an account up again whose client has shown that it knows what a stored value is of. */
async function confirm(
  accounts: StoredAccounts,
  { authcid, value }: { readonly authcid: Buffer; readonly value: string },
  signal: AbortSignal,
): Promise<Account | Refusal> {
  const answer = await inTime(accounts, signal, (limited) => accounts.credentials(authcid, limited));
  if (answer.kind === 'unknown') {
    return answer.why;
  }
  const credentials = answer.told;
  if (credentials.kind === 'none') {
    return whyNone(credentials);
  }
  const { account, values } = credentials;
  const detail = 'its stored password was changed during the login';
  return values.includes(value) ? account : { reason: 'wrongPassword', known: account.name, detail };
}

function nothingStored(
  hash: ScramHash,
  { account, values }: Extract<Credentials, { kind: 'found' }>,
): Extract<ScramFinding, { kind: 'decoy' }>['why'] {
  const what =
    values.length === 0
      ? 'it has no stored password, or bindDn may not read it'
      : `it has no whole {${SCHEME[hash]}} value among its stored passwords`;
  const detail = `${what} (${account.entry}); make one with: homing hash --scheme SCRAM-SHA-256`;
  return { reason: 'noStoredKey', known: account.name, detail };
}
