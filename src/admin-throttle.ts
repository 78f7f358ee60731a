import { printable } from './printable.ts';
import type { Asked, Found, ThrottleDesk } from './throttle/desk.ts';

/** Longer than any login name. */
const MAX_ASKED = 512;
const MAX_OPERATOR = 64;

/** What a question about the throttle came to: the status of HTTP, and lines for people. */
export interface Told {
  readonly status: number;
  readonly text: string;
}

/** Shows what is counted of the user or address that a query names. */
export async function showThrottle(desk: ThrottleDesk | undefined, query: URLSearchParams): Promise<Told> {
  const asked = askedBy(query);
  if (asked === undefined) return WHICH;
  if (desk === undefined) return OFF;
  const found = await desk.show(asked);
  return found === undefined ? notOne(asked) : { status: 200, text: textOf(found, 'nothing is counted') };
}

/** Forgets it, and shows what it was. */
export async function forgetThrottle(
  desk: ThrottleDesk | undefined,
  query: URLSearchParams,
  operator: { readonly name: string; readonly ip: string },
): Promise<Told> {
  const asked = askedBy(query);
  if (asked === undefined) return WHICH;
  if (desk === undefined) return OFF;
  const found = await desk.forget(asked, { ...operator, name: printable(operator.name, MAX_OPERATOR) });
  if (found === undefined) return notOne(asked);
  return { status: 200, text: textOf(found, 'nothing to forget', 'forgotten: ') };
}

const WHICH: Told = { status: 400, text: 'which one? ?user=ann@example.org or ?address=192.0.2.7\n' };
const OFF: Told = { status: 404, text: 'failed logins are not throttled (throttle.enabled: false)\n' };

function askedBy(query: URLSearchParams): Asked | undefined {
  const [one, ...more] = [...query];
  const [key, value = ''] = one ?? [];
  if (more.length > 0 || value === '' || value.length > MAX_ASKED) return undefined;
  if (key === 'user') return { user: value };
  return key === 'address' ? { address: value } : undefined;
}

function notOne(asked: Asked): Told {
  const what = 'user' in asked ? 'a login name that an account can have' : 'an IP address';
  return { status: 400, text: `this is not ${what}\n` };
}

function textOf({ counts, knownAt, isTight }: Found, nothing: string, before = ''): string {
  const lines = counts.map(({ kind, user, place, count, limit, refuses }) => {
    const whose = [user === undefined ? '' : `user ${user}`, place ?? ''].filter(Boolean).join(' from ');
    const what = kind === 'exchange' ? 'logins begun and not ended' : 'failures';
    const state = refuses ? ', more are refused' : '';
    return `${before}${whose}: ${Math.round(count * 10) / 10} of ${limit} ${what}${state}`;
  });
  return [
    ...(lines.length === 0 ? [nothing] : lines),
    ...(knownAt.length === 0 ? [] : [`known at ${knownAt.join(', ')}`]),
    ...(isTight ? ['failures come from everywhere: limits are a quarter (throttle.overall)'] : []),
  ]
    .map((line) => `${printable(line, 1000)}\n`)
    .join('');
}
