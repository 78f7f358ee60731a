import type { Target } from '../target.ts';
import { config } from './config.ts';
import { imapFrontend } from './imap-frontend.ts';
import { imapNode } from './imap-node.ts';
import { ldapMessage } from './ldap-message.ts';
import { ldif } from './ldif.ts';
import { loginFilter } from './login-filter.ts';
import { pop3Frontend } from './pop3-frontend.ts';
import { pop3Node } from './pop3-node.ts';

/** All that is fuzzed; a new target is a file beside this one and a line here. */
export const TARGETS: readonly Target[] = [
  imapFrontend,
  pop3Frontend,
  imapNode,
  pop3Node,
  ldif,
  loginFilter,
  ldapMessage,
  config,
];
