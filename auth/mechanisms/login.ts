import type { SaslServer } from '../sasl.ts';
import { Secret } from '../secret.ts';

/**
 * The server's side of LOGIN (draft-murchison-sasl-login): asks for the user name, then for the password. Some
 * clients send the name as initial response; then only the password is asked for.
 */
export function loginServer(): SaslServer {
  let authcid: Buffer | undefined;
  return {
    step(response) {
      if (response === undefined) {
        return { kind: 'challenge', challenge: Buffer.from('Username:') };
      }
      if (authcid === undefined) {
        authcid = Buffer.from(response);
        return { kind: 'challenge', challenge: Buffer.from('Password:') };
      }
      const password = new Secret(Buffer.from(response));
      return { kind: 'proof', proof: { kind: 'password', authzid: Buffer.alloc(0), authcid, password } };
    },
  };
}
