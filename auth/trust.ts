import { LoginFailure } from './failure.ts';
import { type CramHash, cramClient } from './mechanisms/cram.ts';
import { plainClient } from './mechanisms/plain.ts';
import { ScramKeyring, scramClient } from './mechanisms/scram.ts';
import type { SaslClient } from './sasl.ts';
import type { Secret } from './secret.ts';

/** How a node believes this proxy. `name` and `key` are the proxy's own, towards this node. */
export type Trust =
  | {
      readonly kind: 'scram-sha-256' | 'cram-md5' | 'cram-sha1' | 'cram-sha256' | 'plain-authzid';
      readonly name: string;
      readonly key: Secret;
    }
  /** The user's own password; only inside verified TLS. */
  | { readonly kind: 'replay' };

/** For whom a proof is made, and what the node is told in it where the mechanism can carry that. */
export interface ProofSubject {
  /** Account name. */
  readonly user: string;
  /** The protocol's name, as `imap`. */
  readonly service: string;
  readonly facts: ReadonlyMap<string, string>;
  /** What the user proved himself with, for `replay` only; `undefined` where he proved himself without. */
  readonly password: Secret | undefined;
}

/**
 * Makes the proof for one login; the key material behind it is derived once and kept.
 * @throws {LoginFailure} `homeNotAllowed` where the node wants a password and there is none.
 */
export type Prover = (subject: ProofSubject) => SaslClient;

/** Whether a trust gives away what can be used again, so that it needs verified TLS. */
export function needsTls(trust: Trust): boolean {
  return trust.kind === 'plain-authzid' || trust.kind === 'replay';
}

/** Prepares the proofs for nodes that share one trust. */
export function createProver(trust: Trust): Prover {
  switch (trust.kind) {
    case 'scram-sha-256': {
      const keyring = new ScramKeyring(trust.key);
      return ({ user }) => scramClient(user, trust.name, keyring);
    }
    case 'cram-md5':
    case 'cram-sha1':
    case 'cram-sha256': {
      const hash = CRAM_HASH[trust.kind];
      return ({ user, service, facts }) =>
        cramClient(hash, { proxy: trust.name, key: trust.key, service, user, facts });
    }
    case 'plain-authzid':
      return ({ user }) => plainClient(user, trust.name, trust.key);
    case 'replay':
      return ({ user, password }) => plainClient('', user, requirePassword(password));
  }
}

function requirePassword(password: Secret | undefined): Secret {
  if (password === undefined) {
    throw new LoginFailure(
      'homeNotAllowed',
      "the node wants the user's own password (trust: replay), and the client proved itself without one",
    );
  }
  return password;
}

const CRAM_HASH: Readonly<Record<'cram-md5' | 'cram-sha1' | 'cram-sha256', CramHash>> = {
  'cram-md5': 'md5',
  'cram-sha1': 'sha1',
  'cram-sha256': 'sha256',
};
