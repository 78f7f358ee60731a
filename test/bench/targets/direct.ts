import type { Target } from './target.ts';

/** No proxy at all: what load and node themselves can do. */
export const direct: Target = {
  name: 'direct',
  what: 'load and node without a proxy',
  missing: undefined,
  needsLdap: false,
  nodeTls: false,
  share: 1,
  start: (world) => Promise.resolve({ ports: world.node, programs: [] }),
};
