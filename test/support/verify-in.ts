import type {
  Account,
  Directory,
  DirectoryContext,
  LoginName,
  PasswordVerdict,
} from '../../auth/directory.ts';
import type { Secret } from '../../auth/secret.ts';

type Verified =
  | { readonly kind: 'right'; readonly account: Account; readonly unverified?: true }
  | {
      readonly kind: 'refused';
      readonly reason: 'unknownUser' | Exclude<PasswordVerdict, 'right' | 'leftToNode'>;
      readonly known: string | undefined;
    };

/** Asks a directory for a name and then about its password, as the authenticator does. */
export async function verifyIn(
  directory: Directory,
  login: LoginName,
  password: Secret,
  { signal, ...context }: DirectoryContext & { readonly signal: AbortSignal },
): Promise<Verified> {
  const found = await directory.find(login, context, signal);
  if (found === undefined) {
    return { kind: 'refused', reason: 'unknownUser', known: undefined };
  }
  const verdict = await found.verify(password, signal);
  if (verdict === 'right') {
    return { kind: 'right', account: found.account() };
  }
  return verdict === 'leftToNode'
    ? { kind: 'right', account: found.account(), unverified: true }
    : { kind: 'refused', reason: verdict, known: found.name };
}
