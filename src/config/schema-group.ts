import { z } from 'zod';

const weight = z.number().positive().optional();

const memberSchema = z.preprocess(
  (written) => (typeof written === 'string' ? { node: written } : written),
  z.strictObject({
    node: z.string().min(1).describe('name of a node, or one that a pattern among the nodes allows'),
    weight: weight.describe("share of the group's users; the node's own if it is left out"),
    priority: z
      .int()
      .min(1)
      .default(1)
      .describe('others than 1 are spares, used while no member of a lower number can be'),
  }),
);

export const groupSchema = z.strictObject({
  name: z
    .string()
    .max(253)
    .regex(/^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/, {
      error: 'a group name is written like a host name',
    })
    .describe('name of the group as the directory says it; no host is ever looked up by it'),
  kind: z
    .enum(['shared', 'replicas'])
    .describe('shared (storage: all sessions of a user on one member) or replicas (each service by itself)'),
  members: z.array(memberSchema).min(1).describe('its nodes: names, or maps where weight or priority differ'),
});
