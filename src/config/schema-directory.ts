import { z } from 'zod';
import { PROTOCOLS } from '../protocols.ts';
import { domains, forward } from './schema-forward.ts';
import { httpSchema } from './schema-http.ts';
import { delay, duration, file, host } from './values.ts';

/** The name of an attribute. */
export const attribute = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9.;-]*$/, { error: 'this is not the name of an attribute' });
const meaning = z.enum(['active', 'disabled', 'held', 'locked']);
const absence = z.enum(['allowed', 'forbidden']);
const service = z.enum([...PROTOCOLS.keys(), '*']);

const statusRule = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('table'),
    attribute: attribute.describe('attribute that says whether an account is in use'),
    values: z.record(z.string(), meaning).describe('active, disabled, held or locked by value'),
    absent: meaning.default('active').describe('what holds without the attribute'),
    unknown: meaning.default('disabled').describe('what a value means that is not in the table'),
  }),
  z.strictObject({
    kind: z.literal('bits'),
    attribute: attribute.describe('attribute with bits, as userAccountControl'),
    disabled: z.int().min(1).describe('bits that disable an account'),
  }),
]);

const serviceRule = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('forbiddenBy'),
    attributes: z.partialRecord(service, attribute).describe('flag that forbids a service, by service'),
  }),
  z.strictObject({
    kind: z.literal('allowedBy'),
    attributes: z.partialRecord(service, attribute).describe('flag that allows a service, by service'),
    absent: absence.describe('what holds without the flag'),
  }),
  z.strictObject({
    kind: z.literal('listedIn'),
    attribute: attribute.describe('attribute that lists the allowed services'),
    values: z
      .partialRecord(service, z.array(z.string()).min(1))
      .describe('values of which an account needs one, by service'),
    absent: absence.describe('what holds without the attribute'),
  }),
  z.strictObject({
    kind: z.literal('accessFilter'),
    attribute: attribute.describe("attribute with rules of Sun's kind: +imap,pop:*"),
  }),
]);

const schemaShape = {
  domains,
  preset: z
    .enum(['inetLocalMailRecipient', 'qmail', 'courier', 'zimbra', 'sun', 'activeDirectory'])
    .optional()
    .describe('the schema, by name; every setting below it replaces one of the preset'),
  base: z.string().optional().describe("DN to search under; %d stands for the login's domain"),
  scope: z.enum(['sub', 'one']).optional().describe('sub (the whole tree) or one (one level)'),
  filters: z
    .array(z.string())
    .min(1)
    .optional()
    .describe(
      'filters that find the entry, tried in order; %u is the login name, %n its local part, %d its domain',
    ),
  nameAttribute: attribute
    .optional()
    .describe('attribute of the account name, which the node knows the user by'),
  homeAttributes: z.array(attribute).optional().describe('attributes that name the home nodes, best first'),
  defaultHomes: z.array(z.string()).optional().describe('home nodes of an entry that names none'),
  status: z.array(statusRule).optional().describe('how to see that an account is disabled, held or locked'),
  services: z.array(serviceRule).optional().describe('how to see which services an account may use'),
  forward,
  delegateAttribute: attribute
    .optional()
    .describe(
      'attribute of an entry that says for whom it may act: account names, domains, or *; none if it is left out',
    ),
  passwordAttribute: attribute
    .optional()
    .describe('attribute of the stored password, for verify: hash and readPasswords'),
};

const allowCleartext = z
  .boolean()
  .default(false)
  .describe('whether a stored password may be in clear text, without {SCHEME} or with {CLEARTEXT}');

const readPasswords = z
  .boolean()
  .optional()
  .describe(
    'whether bindDn reads stored passwords for SCRAM, CRAM-MD5 and APOP; only with verify: hash if it is left out',
  );

const cacheSchema = z.strictObject({
  routes: delay
    .prefault('0s')
    .describe('entries that were found are good for so long; a change that is followed ends that at once'),
  negative: delay.prefault('0s').describe('so are names for which there was no entry'),
  stale: delay.prefault('1h').describe('so are entries while no server answers'),
  passwords: delay
    .prefault('0s')
    .describe(
      'right passwords are good for so long; any change of the entry that is followed ends that at once',
    ),
  passwordsWhileDown: delay.prefault('0s').describe('so are right passwords while no server answers'),
  entries: z.int().min(1).max(1_000_000).default(20_000).describe('so many of each are remembered'),
});

/** How LDAP servers are reached, and as whom. */
export const connectionShape = {
  urls: z
    .array(z.string().regex(/^ldaps?:\/\/[^/?#\s@]+\/?$/, { error: 'this is not the URL of an LDAP server' }))
    .min(1)
    .describe('servers with the same data, as ldap://host or ldaps://host:port'),
  startTls: z
    .boolean()
    .default(false)
    .describe('whether ldap:// connections go on in TLS before anything is said'),
  caFile: file
    .optional()
    .describe(
      'PEM file of the authorities that vouch for the servers; default: the public authorities that Node brings along',
    ),
  serverName: host
    .optional()
    .describe("name that the servers' certificates must have; the host if it is left out"),
  insecure: z.boolean().default(false).describe('sends passwords to a server on another host in clear text'),
  bindDn: z.string().min(1).optional().describe('DN that searches; anonymous if it is left out'),
  passwordFile: file.optional().describe("file with the bindDn's password"),
  connect: duration.prefault('2s').describe('how long connecting to a server may take'),
  operation: duration.prefault('3s').describe('how long one operation of a server may take'),
};

const ldapSchema = z.strictObject({
  kind: z.literal('ldap'),
  ...connectionShape,
  order: z
    .enum(['failover', 'roundRobin'])
    .default('failover')
    .describe('failover (the first server that is up) or roundRobin (each in turn)'),
  verify: z
    .enum(['bind', 'hash', 'node'])
    .default('bind')
    .describe(
      'bind as the user (the server knows lockout and expiry), compare the stored hash, or leave it to the node',
    ),
  readPasswords,
  allowCleartext,
  maxBinds: z
    .int()
    .min(1)
    .max(1000)
    .default(16)
    .describe('passwords verified at the same time, by each server'),
  follow: z
    .enum(['auto', 'sync', 'poll', 'off'])
    .default('auto')
    .describe(
      'how changes are learned of: sync (RFC 4533), poll (modifyTimestamp), off, or auto: sync where it is offered, else poll',
    ),
  pollEvery: duration.prefault('5s').describe('time between two polls'),
  recheckEvery: duration
    .prefault('5m')
    .describe('how often sessions are looked up again while polling, which does not show removed entries'),
  cache: cacheSchema.prefault({}).describe('what is remembered of the directory, and for how long'),
  ...schemaShape,
});

const ldifSchema = z.strictObject({
  kind: z.literal('ldif'),
  file: file.describe('LDIF file with the entries, mode 600: it has the hashes of all passwords'),
  follow: z
    .enum(['auto', 'off'])
    .default('auto')
    .describe('whether the file is read again when it changes: auto or off'),
  allowCleartext,
  ...schemaShape,
});

export const directorySchema = z.discriminatedUnion('kind', [ldapSchema, ldifSchema, httpSchema]);

export type DirectoryConfig = z.output<typeof directorySchema>;
export type LdapConfig = z.output<typeof ldapSchema>;
export type LdifConfig = z.output<typeof ldifSchema>;
