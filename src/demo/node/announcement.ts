import { decodeBase64 } from '../../../auth/base64.ts';

/** What a proxy told of a login before it proved itself. */
export interface Announcement {
  /** All of it, by the names that the protocol has for it. */
  readonly facts: ReadonlyMap<string, string>;
  /** What a node needs to know of the account, by its forward name. */
  readonly forwarded: ReadonlyMap<string, string>;
}

/** Nothing was told. */
export const UNANNOUNCED: Announcement = { facts: new Map(), forwarded: new Map() };

/** What a node can't do without: it has no user database of its own. */
const REQUIRED = ['home', 'uid', 'gid'];

/** Names what the proxy should have told and did not. */
export function missingFrom({ forwarded }: Announcement): readonly string[] {
  return REQUIRED.filter((name) => !forwarded.has(name));
}

/** Reads the parameters of IMAP's ID as Dovecot does: `x-forward-home` and its like. */
export function readIdParameters(parameters: ReadonlyMap<string, string>): Announcement {
  const prefix = 'x-forward-';
  const facts = [...parameters].filter(([name]) => name.startsWith('x-'));
  const forwarded = facts
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, value]) => [name.slice(prefix.length), value] as const);
  return { facts: new Map(facts), forwarded: new Map(forwarded) };
}

/** Reads the arguments of POP3's XCLIENT; `FORWARD` holds `name=value` pairs between TABs, in base64. */
export function readXclient(text: string): Announcement {
  const pairs = text.split(' ').map(splitPair);
  const forward = decodeBase64(new Map(pairs).get('FORWARD') ?? '') ?? Buffer.alloc(0);
  const forwarded = forward.toString('utf8').split('\t').filter(Boolean).map(splitPair);
  const facts = [
    ...pairs.filter(([name]) => name !== 'FORWARD'),
    ...forwarded.map(([name, value]) => [`FORWARD ${name}`, value] as const),
  ];
  return { facts: new Map(facts), forwarded: new Map(forwarded) };
}

function splitPair(pair: string): readonly [string, string] {
  const [name = '', ...value] = pair.split('=');
  return [name, value.join('=')];
}
