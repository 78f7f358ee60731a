import { z } from 'zod';
import { decoysSchema } from './schema-decoys.ts';
import { directorySchema } from './schema-directory.ts';
import { externalSchema } from './schema-external.ts';
import { groupSchema } from './schema-group.ts';
import { listenerSchema, listenerTlsDefaults } from './schema-listener.ts';
import { delegateSchema, namesSchema } from './schema-names.ts';
import { nodeSchema } from './schema-node.ts';
import { nodesFromSchema } from './schema-nodes-from.ts';
import { oauthSchema } from './schema-oauth.ts';
import { throttleSchema } from './schema-throttle.ts';
import { delay, duration, file, listeningPort, network, proxyName, size } from './values.ts';

const timesSchema = z.strictObject({
  proxyHeader: duration.prefault('5s').describe("how long a balancer's PROXY header may take"),
  unauthenticated: duration.prefault('120s').describe('how long a client may take to log in, in all'),
  tlsHandshake: duration.prefault('10s').describe('how long a TLS handshake may take'),
  directory: duration.prefault('6s').describe('how long one login may wait for the directory, in all'),
  node: duration.prefault('15s').describe('how long one login may wait for its nodes, in all'),
  connect: duration.prefault('5s').describe('how long connecting to a node may take'),
  connectWithSpare: duration.prefault('2s').describe('the same while another member of the home is left'),
  loginWithSpare: duration
    .prefault('5s')
    .describe("how long a node's greeting and proof may take while another member of the home is left"),
  failure: delay
    .prefault('2s')
    .describe('how long after its login a failure is answered, at the earliest; 0s where nobody guesses'),
  halfClose: duration
    .prefault('5s')
    .describe('how long a relayed session may go on in one direction after the other has ended'),
  hold: delay
    .prefault('60s')
    .describe('how long a right login waits whose account is held, as while it is moved; 0s for not at all'),
  trustCheck: delay
    .prefault('1h')
    .describe('how often a node is tried whether it refuses a wrong proof; 0s for never'),
  spread: delay
    .prefault('30s')
    .describe('over how long clients are sent away whose node died with all its sessions; 0s for at once'),
  stop: duration.prefault('300s').describe('how long sessions may go on after SIGTERM'),
});

const limitsSchema = z.strictObject({
  connections: z.int().min(1).default(8000).describe('connections of clients at the same time'),
  memory: size
    .optional()
    .describe(
      'memory of this process; beyond 80 % of it new clients are refused. What the machine or its container has if it is left out',
    ),
  failures: z.int().min(1).default(10).describe('failed logins on one connection, after which it is closed'),
  unauthenticated: z
    .int()
    .min(1)
    .default(4000)
    .describe('connections that are not logged in; for one more, the oldest is closed'),
  unauthenticatedPerAddress: z
    .int()
    .min(1)
    .default(20)
    .describe(
      'the same of one IPv4 address, or of a /64 of IPv6, once a quarter of them is taken; not where throttle.exempt or balancers has it',
    ),
  unauthenticatedPerNetwork: z.int().min(1).default(80).describe('the same of a /48 of IPv6'),
  connectingPerNode: z
    .int()
    .min(1)
    .default(50)
    .describe('logins that connect to one node at the same time; others wait for their turn'),
  held: z.int().min(1).default(500).describe('logins that wait at the same time as their account is held'),
  sessionsPerUser: z.int().min(1).optional().describe('sessions of one user; no limit if it is left out'),
  sessionsPerUserAndAddress: z
    .int()
    .min(1)
    .optional()
    .describe('sessions of one user from one address; no limit if it is left out'),
});

const healthSchema = z.strictObject({
  probe: z
    .enum(['greeting', 'tcp', 'off'])
    .default('greeting')
    .describe(
      'how a node is tried that is down: by its greeting, by connecting (tcp), or by logins alone (off)',
    ),
  every: duration.prefault('5s').describe('how long a node that is down is left alone between two trials'),
  all: z.boolean().default(false).describe('whether nodes that work are probed as often too'),
});

const endSessionsSchema = z.strictObject({
  movedWithin: duration
    .prefault('60s')
    .describe(
      'how long sessions of a moved or held user may go on; they end as soon as nothing is said for 2s',
    ),
  movedPerSecond: z
    .number()
    .min(0.1)
    .default(20)
    .describe('sessions that are moved in a second from a node that drains, or home to one that works again'),
  disabled: z.boolean().default(true).describe('whether the sessions of a disabled or removed user end'),
  passwordChanged: z
    .boolean()
    .default(false)
    .describe(
      'whether sessions end when their password is changed; LDAP servers tell by pwdChangedTime, pwdLastSet',
    ),
});

const logSchema = z.strictObject({
  level: z
    .enum(['error', 'warn', 'info', 'debug'])
    .default('info')
    .describe('the least important lines that are written'),
  format: z
    .enum(['auto', 'json', 'pretty'])
    .default('auto')
    .describe('json, pretty (as people read it), or auto: pretty on a terminal only'),
});

const adminSchema = z.strictObject({
  address: z
    .union([z.ipv4(), z.ipv6()], { error: 'this is not an IP address' })
    .default('127.0.0.1')
    .describe(
      'IP address of the admin listener; whoever can reach it can read the metrics, and who is on this machine can forget failed logins',
    ),
  port: listeningPort.default(9143).describe('port of the admin listener'),
});

/** Every setting of the configuration file, its default, and what it is for. */
export const configSchema = z.strictObject({
  name: proxyName.optional().describe("this proxy's name towards the nodes; the host name if it is left out"),
  keyFile: file.optional().describe("file with this proxy's key, made by `homing secret`"),
  listeners: z.array(listenerSchema).min(1).describe('where clients are listened for'),
  tls: listenerTlsDefaults
    .prefault({})
    .describe('certificateFile, keyFile, minVersion and ciphers for all listeners that say nothing else'),
  balancers: z
    .array(network)
    .default([])
    .describe('balancers that send no PROXY header: limits per address do not hold for them'),
  directories: z
    .array(directorySchema)
    .min(1)
    .describe('where accounts are: the first one whose domains fit a login is asked'),
  nodes: z.array(nodeSchema).default([]).describe('the mail servers that may be connected to'),
  nodesFrom: nodesFromSchema.optional().describe('more of them, as entries of an LDAP directory'),
  groups: z.array(groupSchema).default([]).describe('nodes that serve users together, behind one name'),
  times: timesSchema.prefault({}).describe('how long things may take'),
  limits: limitsSchema.prefault({}).describe('how much is taken on'),
  health: healthSchema.prefault({}).describe('how it is found out whether nodes work'),
  endSessions: endSessionsSchema
    .prefault({})
    .describe('what ends sessions that go on, when the directory tells of it (follow)'),
  sourceAddresses: z
    .array(z.union([z.ipv4(), z.ipv6()], { error: 'this is not an IP address' }))
    .default([])
    .describe(
      'IP addresses of this machine that connections to nodes leave from in turn: each has about 28,000 ports; the system chooses if it is left out',
    ),
  throttle: throttleSchema.prefault({}).describe('how failed logins slow down and stop whoever guesses'),
  oauth: oauthSchema
    .optional()
    .describe('whose tokens are taken, for OAUTHBEARER and XOAUTH2; none if it is left out'),
  external: externalSchema
    .optional()
    .describe("whose a client's certificate is, for the mechanism EXTERNAL; none if it is left out"),
  names: namesSchema.prefault({}).describe('what login names may look like'),
  scramDecoys: decoysSchema
    .prefault({})
    .describe('what SCRAM tells of names that have no key, so that nobody learns which names are accounts'),
  delegates: z.array(delegateSchema).default([]).describe('accounts that may act for others, as webmail'),
  log: logSchema.prefault({}).describe('what is logged, and how'),
  admin: adminSchema.optional().describe('HTTP listener with /metrics and /readyz; none if it is left out'),
});
