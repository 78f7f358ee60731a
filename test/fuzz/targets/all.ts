import type { Target } from '../target.ts';
import { config } from './config.ts';
import { imapFrontend } from './imap-frontend.ts';
import { imapNode } from './imap-node.ts';
import { ldapMessage } from './ldap-message.ts';
import { ldif } from './ldif.ts';
import { loginFilter } from './login-filter.ts';
import { pop3Frontend } from './pop3-frontend.ts';
import { pop3Node } from './pop3-node.ts';
import { proxyHeader } from './proxy-header.ts';
import { sasl } from './sasl.ts';
import { sieveFrontend } from './sieve-frontend.ts';
import { sieveNode } from './sieve-node.ts';

/** All that is fuzzed; a new target is a file beside this one and a line here. */
export const TARGETS: readonly Target[] = [
  imapFrontend,
  pop3Frontend,
  sieveFrontend,
  imapNode,
  pop3Node,
  sieveNode,
  sasl,
  proxyHeader,
  ldif,
  loginFilter,
  ldapMessage,
  config,
];
