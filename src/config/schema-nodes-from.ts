import { z } from 'zod';
import { attribute, connectionShape } from './schema-directory.ts';
import { nodeSchema } from './schema-node.ts';
import { duration } from './values.ts';

const { urls, ...connection } = connectionShape;
const { name: _name, host: _host, ...defaults } = nodeSchema.shape;

/** Names of attributes by what they say; those of deploy/openldap's homing.schema, if they are left out. */
const attributesSchema = z.strictObject({
  name: attribute.default('cn').describe('name of a node or group'),
  host: attribute.default('homingHost').describe('host of a node; its name if it is absent'),
  kind: attribute.default('homingKind').describe('dovecot, courier or generic'),
  ports: attribute.default('homingPort').describe('values as `imap 993`'),
  tls: attribute.default('homingTls').describe('implicit or starttls; none only where the defaults say so'),
  trust: attribute.default('homingTrust').describe('how the node believes this proxy'),
  state: attribute.default('homingState').describe('up, draining or down'),
  weight: attribute.default('homingWeight').describe('share of the users of its groups'),
  members: attribute
    .default('homingMember')
    .describe('makes a group: values as `node-a` or `node-b weight=2 priority=2`'),
  groupKind: attribute.default('homingGroupKind').describe('shared or replicas'),
});

export const nodesFromSchema = z.strictObject({
  directory: z
    .int()
    .min(0)
    .optional()
    .describe('the LDAP directory, counted from 0, whose servers and bindDn are used; or urls'),
  urls: urls.optional().describe('servers with the same data, where no directory is meant'),
  ...connection,
  base: z.string().min(1).describe('DN below which the entries of nodes and groups are'),
  filter: z
    .string()
    .default('(|(objectClass=homingNode)(objectClass=homingGroup))')
    .describe('filter that finds them'),
  attributes: attributesSchema.prefault({}).describe('attributes of the entries'),
  allow: z
    .array(nodeSchema.shape.name)
    .min(1)
    .describe('hosts that an entry may name, on any port; a * stands for one label or part of one'),
  defaults: z
    .strictObject(defaults)
    .describe('settings of each node, as below nodes; its entry may say others, but none that is weaker'),
  follow: z
    .enum(['auto', 'sync', 'poll'])
    .default('auto')
    .describe('how changes are learned of: sync (RFC 4533), poll, or auto: sync where it is offered'),
  pollEvery: duration.prefault('5s').describe('time between two polls'),
});

export type NodesFromConfig = z.output<typeof nodesFromSchema>;
