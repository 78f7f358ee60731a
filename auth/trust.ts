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
