/** What clients send by OAUTHBEARER (RFC 7628 section 3.1) and XOAUTH2 (Google's). */
import { Secret } from '../secret.ts';

/** A token, and for whom and where the client says it is. */
export interface BearerMessage {
  /** As whom the client wants to act; empty when it named nobody. */
  readonly user: Buffer;
  /** `undefined` when there is no token that could be one (RFC 6750 section 2.1). */
  readonly token: Secret | undefined;
  /** The host that the client says it connected to. */
  readonly host?: string;
}

const SEPARATOR = '\x01';
/** RFC 7628 section 3.1: kvpair. A user's name may hold any octets of UTF-8. */
const PAIR = /^([A-Za-z]+)=([\t\r\n\x20-\x7e\x80-\xff]*)$/;
/** RFC 5801 section 4: no channel binding (`n`, `y`), since a bearer token has none. */
const GS2_HEADER = /^[ny],(?:a=([^\0,]+))?,$/;
const SASL_NAME = /^(?:[^=]|=2C|=3D)+$/;
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;

/** Reads a client's first message of OAUTHBEARER. @returns `undefined` when it does not follow the grammar. */
export function parseOauthBearer(message: Buffer): BearerMessage | undefined {
  const text = message.toString('latin1');
  const header = text.indexOf(SEPARATOR);
  const gs2 = GS2_HEADER.exec(text.slice(0, Math.max(0, header)));
  const pairs = gs2 === null ? undefined : readPairs(text.slice(header + 1));
  const authzid = gs2?.[1] ?? '';
  if (pairs === undefined || (authzid !== '' && !SASL_NAME.test(authzid))) {
    return undefined;
  }
  const host = pairs.get('host');
  return {
    user: Buffer.from(authzid.replaceAll('=2C', ',').replaceAll('=3D', '='), 'latin1'),
    token: readToken(pairs),
    ...(host !== undefined && { host }),
  };
}

/** Reads a client's first message of XOAUTH2. @returns `undefined` when it does not follow the grammar. */
export function parseXoauth2(message: Buffer): BearerMessage | undefined {
  const pairs = readPairs(message.toString('latin1'));
  const user = pairs?.get('user');
  if (pairs === undefined || user === undefined) {
    return undefined;
  }
  return { user: Buffer.from(user, 'latin1'), token: readToken(pairs) };
}

/** Reads pairs that end in a separator each, and one more behind them. Each key may be there once. */
function readPairs(text: string): ReadonlyMap<string, string> | undefined {
  const parts = text.split(SEPARATOR);
  if (parts.pop() !== '' || parts.pop() !== '') {
    return undefined;
  }
  const pairs = new Map<string, string>();
  for (const part of parts) {
    const [, key, value] = PAIR.exec(part) ?? [];
    if (key === undefined || value === undefined || pairs.has(key)) {
      return undefined;
    }
    pairs.set(key, value);
  }
  return pairs;
}

function readToken(pairs: ReadonlyMap<string, string>): Secret | undefined {
  const [, token] = BEARER.exec(pairs.get('auth') ?? '') ?? [];
  return token === undefined ? undefined : new Secret(Buffer.from(token, 'latin1'));
}
