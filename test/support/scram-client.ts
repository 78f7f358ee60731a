/** A SCRAM client that can be told to do everything wrong; by the RFC's formulas, not by the program's. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';

export interface ScramClientTerms {
  readonly user?: string;
  readonly password?: string;
  readonly hash?: 'sha1' | 'sha256';
  /** Flag and authzid, as `n,,` or `p=tls-exporter,a=bob,`. */
  readonly gs2Header?: string;
  /** What `c=` holds behind the GS2 header. */
  readonly binding?: Buffer;
  readonly nonce?: string;
}

/** The client-first-message. */
export function clientFirst({
  user = 'alice',
  gs2Header = 'n,,',
  nonce = 'clientNonce',
}: ScramClientTerms): string {
  return `${gs2Header}n=${user},r=${nonce}`;
}

/** The client-final-message to a server-first-message, and the server-final-message that proves the server. */
export function clientFinal(
  serverFirst: string,
  { user = 'alice', password = 'secret', hash = 'sha256', ...terms }: ScramClientTerms,
): { readonly message: string; readonly expected: string } {
  const { gs2Header = 'n,,', binding = Buffer.alloc(0), nonce: own = 'clientNonce' } = terms;
  const [, nonce = '', salt = '', iterations = ''] = /^r=([^,]*),s=([^,]*),i=(\d+)$/.exec(serverFirst) ?? [];
  const salted = pbkdf2Sync(
    password,
    Buffer.from(salt, 'base64'),
    Number(iterations),
    hash === 'sha1' ? 20 : 32,
    hash,
  );
  const hmac = (key: Buffer, text: string) => createHmac(hash, key).update(text).digest();
  const clientKey = hmac(salted, 'Client Key');
  const storedKey = createHash(hash).update(clientKey).digest();
  const bound = Buffer.concat([Buffer.from(gs2Header), binding]).toString('base64');
  const withoutProof = `c=${bound},r=${nonce}`;
  const authMessage = `n=${user},r=${own},${serverFirst},${withoutProof}`;
  const signature = hmac(storedKey, authMessage);
  const proof = Buffer.from(clientKey.map((octet, at) => octet ^ (signature[at] ?? 0)));
  const serverSignature = hmac(hmac(salted, 'Server Key'), authMessage).toString('base64');
  return { message: `${withoutProof},p=${proof.toString('base64')}`, expected: `v=${serverSignature}` };
}
