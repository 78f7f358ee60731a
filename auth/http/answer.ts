import type { Account, LoginName } from '../directory.ts';
import type { Entry } from '../entries/entry.ts';
import { type ForwardMap, forwardedOf, withoutDomain } from '../entries/forwarded.ts';
import { LoginFailure } from '../failure.ts';
import { Secret } from '../secret.ts';

/** An answer's status and header, whose names are in lower case. */
export interface AnswerHead {
  readonly status: number;
  readonly headers: Readonly<Record<string, readonly string[] | undefined>>;
}

/** How answers are read. */
export interface AnswerTerms {
  /** The service, for operators. */
  readonly where: string;
  /** What nodes must be told; attributes are headers of the answer. */
  readonly forward: ForwardMap;
}

/** What the service says of a login. */
export type Answer =
  | { readonly kind: 'right'; readonly account: Account }
  /** `waitMs` is when it wants the client to be told. */
  | { readonly kind: 'wrong'; readonly waitMs: number | undefined }
  /** It wants to be asked again. */
  | { readonly kind: 'later'; readonly waitMs: number };

/** Nobody is asked again at once: that would go on and on. */
const LEAST_WAIT_MS = 1000;

/**
 * Reads an answer as nginx does, but for two things: nobody is let in without `Auth-Status: OK`, nor by an answer that
 * HTTP calls no success.
 * @throws {LoginFailure} `directoryFault` for what says nothing of the login.
 */
export function readAnswer(head: AnswerHead, login: LoginName, terms: AnswerTerms): Answer {
  const said = (header: string): string | undefined => only(head, header, terms);
  const status = said('Auth-Status');
  const fault = whyFault(head, status);
  if (fault !== undefined) {
    throw new LoginFailure('directoryFault', `${terms.where}: ${fault}`);
  }
  const waitMs = readWait(said('Auth-Wait'));
  switch (status) {
    case 'OK':
      return { kind: 'right', account: accountOf(head, login, terms) };
    case 'WAIT':
      return { kind: 'later', waitMs: Math.max(waitMs ?? 0, LEAST_WAIT_MS) };
    default:
      return { kind: 'wrong', waitMs };
  }
}

function whyFault({ status: code }: AnswerHead, status: string | undefined): string | undefined {
  const answered = `it answered HTTP ${code}`;
  if (code >= 500) return answered;
  if (code >= 300 && code < 400) return `${answered}: redirects are not followed`;
  if (status === undefined && (code === 401 || code === 403)) {
    return `${answered} without Auth-Status: does it want a header of its own? (headerFiles)`;
  }
  if (status === undefined) return `${answered} without Auth-Status`;
  return status === 'OK' && (code < 200 || code > 299) ? `${answered} with Auth-Status: OK` : undefined;
}

function accountOf(head: AnswerHead, login: LoginName, terms: AnswerTerms): Account {
  const said = (header: string): string | undefined => only(head, header, terms);
  const name = readName(said('Auth-User'), terms) ?? login.full;
  const server = said('Auth-Server') ?? '';
  const port = said('Auth-Port') ?? '';
  if (server === '' || !isPort(port)) {
    const lacking = server === '' ? 'Auth-Server' : 'a right Auth-Port';
    throw new LoginFailure('directoryFault', `${terms.where}: it lets ${name} in without ${lacking}`);
  }
  const password = said('Auth-Pass') ?? '';
  const entry: Entry = { dn: name, attributes: new Map(presentIn(head)) };
  const wanting = withoutDomain(terms.forward, name);
  return {
    name,
    entry: name,
    homes: [server],
    homePort: Number(port),
    ...(password !== '' && { nodePassword: new Secret(Buffer.from(password, 'latin1')) }),
    forwarded: forwardedOf(terms.forward, entry, name),
    ...(wanting.size > 0 && { withoutDomain: wanting }),
    bar: undefined,
  };
}

/** What stands twice may be the one or the other. */
function only({ headers }: AnswerHead, name: string, { where }: AnswerTerms): string | undefined {
  const [value, ...others] = headers[name.toLowerCase()] ?? [];
  if (others.length > 0) {
    throw new LoginFailure('directoryFault', `${where}: its answer has ${name} more than once`);
  }
  return value?.trim();
}

function readName(text: string | undefined, { where }: AnswerTerms): string | undefined {
  const octets = Buffer.from(text ?? '', 'latin1');
  const name = octets.toString('utf8');
  if (!Buffer.from(name).equals(octets)) {
    throw new LoginFailure('directoryFault', `${where}: its Auth-User is not UTF-8`);
  }
  return name === '' ? undefined : name;
}

function readWait(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,6}$/.test(text) ? Number(text) * 1000 : undefined;
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

function presentIn({ headers }: AnswerHead): readonly (readonly [string, readonly string[]])[] {
  return Object.entries(headers).flatMap(([name, values]) =>
    values === undefined ? [] : [[name, values] as const],
  );
}
