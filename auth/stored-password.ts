import { type Entry, valuesOf } from './entry.ts';
import { LoginFailure } from './failure.ts';
import { type PasswordRules, verifyPassword } from './password-schemes.ts';
import type { Schema } from './schema.ts';
import type { Secret } from './secret.ts';

/**
 * Compares a password with what an entry stores.
 * @throws {LoginFailure} `directoryFault` when nothing is stored, or nothing that can be verified: a user whose
 * entry can't be read must not be told that the password is wrong; `directoryDown` when it had no turn in time.
 */
export async function verifyStored(
  { entry, schema, rules }: { readonly entry: Entry; readonly schema: Schema; readonly rules: PasswordRules },
  password: Secret,
  signal: AbortSignal,
): Promise<'right' | 'wrongPassword'> {
  const attribute = schema.options.password;
  const match = await verifyPassword(valuesOf(entry, attribute), password, rules, signal);
  if (match === 'unverifiable') {
    throw new LoginFailure('directoryFault', `${entry.dn}: no ${attribute} that can be read and verified`);
  }
  return match === 'right' ? 'right' : 'wrongPassword';
}
