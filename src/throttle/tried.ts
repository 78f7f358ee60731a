import type { Proof } from '../../auth/sasl.ts';
import type { Secret } from '../../auth/secret.ts';

/** Stands for what a login tried; nothing, where it can't have been a guess. */
export type Tried =
  /** A password, which is the same guess when it is tried again. */
  | { readonly kind: 'password'; readonly password: Secret }
  /** The mechanism has found the proof right, or wrong, by itself. */
  | { readonly kind: 'proved' | 'refuted' }
  /** Nothing was judged, as the client's binding is not to this TLS. */
  | { readonly kind: 'unbound' }
  /** A token or a certificate, right or wrong, which is no guess at a user's password; `token` as above. */
  | { readonly kind: 'noPassword'; readonly token?: Secret };

/** What a client's proof says of what it tried. */
export function triedBy(proof: Proof): Tried {
  if (proof.kind === 'password') {
    return { kind: proof.kind, password: proof.password };
  }
  if (proof.kind === 'refuted' && proof.reason === 'channelBinding') {
    return { kind: 'unbound' };
  }
  if (proof.shown === undefined) {
    return { kind: proof.kind };
  }
  const token = proof.kind === 'refuted' ? proof.tried : undefined;
  return { kind: 'noPassword', ...(token !== undefined && { token }) };
}

/** The token that was tried and refused, if it was one. */
export function tokenOf(tried: Tried): Secret | undefined {
  return tried.kind === 'noPassword' ? tried.token : undefined;
}
