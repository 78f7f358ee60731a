/** The node's side of SCRAM-SHA-256, for a fuzzer: with one key for all salts, and answers to messages of any kind. */
import { createHash, createHmac } from 'node:crypto';
import { ScramKeyring } from '../../auth/mechanisms/scram.ts';
import { Secret } from '../../auth/secret.ts';

const NONCE = 'fuzz';
const SALT = Buffer.from('the salt').toString('base64');
const KEYS = keysOf(Buffer.from('a key that was derived at once'));

/** A keyring that derives nothing: PBKDF2 would take nearly all of the time, and hold up what has to be in order. */
export class QuickKeyring extends ScramKeyring {
  constructor() {
    super(new Secret(Buffer.from('never used')));
  }

  override async keysFor(): Promise<typeof KEYS> {
    return KEYS;
  }
}

/** Gives the server-first-message to what the proxy said so far. */
export function serverFirst(said: string): string {
  return Buffer.from(serverFirstText(clientNonceOf(said))).toString('base64');
}

/** Gives the server-final-message, right if `said` holds an exchange that followed `serverFirst`. */
export function serverFinal(said: string): string {
  const messages = decodedParts(said);
  const clientFirst = messages.findLast((message) => /^[ny],/.test(message)) ?? '';
  const bare = clientFirst.slice(clientFirst.indexOf('n='));
  const withoutProof = (messages.findLast((message) => message.startsWith('c=')) ?? '').replace(/,p=.*$/, '');
  const authMessage = `${bare},${serverFirstText(clientNonceOf(said))},${withoutProof}`;
  return Buffer.from(`v=${hmac(KEYS.serverKey, authMessage).toString('base64')}`).toString('base64');
}

function serverFirstText(clientNonce: string): string {
  return `r=${clientNonce}${NONCE},s=${SALT},i=4096`;
}

function clientNonceOf(said: string): string {
  const message = decodedParts(said).findLast((part) => /^[ny],/.test(part)) ?? '';
  return /,r=([^,]+)$/.exec(message)?.[1] ?? 'nonce';
}

function decodedParts(said: string): readonly string[] {
  return (said.match(/[A-Za-z0-9+/]{8,}={0,2}/g) ?? []).map((part) =>
    Buffer.from(part, 'base64').toString('latin1'),
  );
}

function keysOf(clientKey: Buffer) {
  const storedKey = createHash('sha256').update(clientKey).digest();
  return { clientKey, storedKey, serverKey: hmac(clientKey, 'Server Key') };
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'latin1').digest();
}
