import { LoginFailure } from '../auth/failure.ts';
import { type HoldingOperator, MAX_HOLD_MS, type OperatorHolds } from './operator-holds.ts';
import { printable } from './printable.ts';

const MAX_ASKED = 512;
const MAX_OPERATOR = 64;
const FIND_MS = 5000;

/** What a question about held accounts came to: the status of HTTP, and lines for people. */
interface Told {
  readonly status: number;
  readonly text: string;
}

/** Shows who is held at this proxy. */
export function showHolds(holds: OperatorHolds): Told {
  const lines = holds
    .list()
    .map(({ account, leftMs, operator }) => `${account} for ${inMinutes(leftMs)} more, by ${operator}`);
  return told(200, ...(lines.length === 0 ? ['nobody is held at this proxy by a command'] : lines));
}

/** Holds the account of the login name that a query has, for so many seconds. */
export async function holdUser(
  holds: OperatorHolds,
  query: URLSearchParams,
  operator: HoldingOperator,
): Promise<Told> {
  const user = userOf(query);
  const forMs = Number(query.get('seconds')) * 1000;
  if (user === undefined || !(forMs > 0 && forMs <= MAX_HOLD_MS)) return WHICH;
  return await unlessAmiss(async () => {
    const outcome = await holds.hold(user, forMs, cut(operator), AbortSignal.timeout(FIND_MS));
    if (outcome.kind === 'unknown') return NOBODY;
    if (outcome.kind === 'tooMany') return told(409, 'too many accounts are held: release some');
    const { account, sessions } = outcome;
    return told(
      200,
      `${account} is held for ${inMinutes(forMs)}: logins wait, ${sessions} sessions end as soon as they are quiet`,
      'other proxies know nothing of it: the entry in the directory holds a user everywhere',
    );
  });
}

/** Lets go of the account that a query names. */
export async function releaseUser(
  holds: OperatorHolds,
  query: URLSearchParams,
  operator: HoldingOperator,
): Promise<Told> {
  const user = userOf(query);
  if (user === undefined) return WHICH;
  return await unlessAmiss(async () => {
    const account = await holds.release(user, cut(operator), AbortSignal.timeout(FIND_MS));
    return account === undefined
      ? told(404, 'this user was not held by a command')
      : told(200, `${account} is released`);
  });
}

const WHICH = told(400, 'which one, and how long? ?user=ann@example.org&seconds=600');
const NOBODY = told(404, 'no directory has an account of this name');

function userOf(query: URLSearchParams): string | undefined {
  const user = query.get('user') ?? '';
  return user === '' || user.length > MAX_ASKED ? undefined : user;
}

function cut({ name, ip }: HoldingOperator): HoldingOperator {
  return { name: printable(name, MAX_OPERATOR), ip };
}

async function unlessAmiss(tell: () => Promise<Told>): Promise<Told> {
  try {
    return await tell();
  } catch (error) {
    if (error instanceof LoginFailure)
      return told(503, `the directory can't say who that is: ${error.message}`);
    throw error;
  }
}

function inMinutes(ms: number): string {
  const minutes = Math.ceil(ms / 60_000);
  return `${minutes} minute${minutes === 1 ? '' : 's'}`;
}

function told(status: number, ...lines: readonly string[]): Told {
  return { status, text: lines.map((line) => `${printable(line, 1000)}\n`).join('') };
}
