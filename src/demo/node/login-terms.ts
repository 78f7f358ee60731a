import type { MailStore } from './mail-store.ts';
import type { TrustedProxy } from './proxy-proof.ts';

/** What a node's side of a login needs to know. */
export interface LoginTerms extends TrustedProxy {
  /** The node's own name. */
  readonly name: string;
  readonly mailStore: MailStore;
}
