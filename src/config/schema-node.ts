import { z } from 'zod';
import type { MailProtocol } from '../../protocols/protocol.ts';
import { PROTOCOLS } from '../protocols.ts';
import { modeFromWord } from './schema-listener.ts';
import { file, fingerprint, host, port, proxyName } from './values.ts';

const nodeTlsSchema = z.preprocess(
  modeFromWord,
  z.strictObject({
    mode: z
      .enum(['implicit', 'starttls', 'none'])
      .default('implicit')
      .describe('implicit (TLS from the start), starttls (STARTTLS or STLS) or none'),
    caFile: file
      .optional()
      .describe(
        'PEM file of the authorities that vouch for the node; default: the public authorities that Node brings along',
      ),
    serverName: host.optional().describe('name that the certificate must have; the host if it is left out'),
    pin: fingerprint
      .optional()
      .describe("SHA-256 fingerprint of the node's certificate in hex, which alone decides then"),
  }),
);

const portsShape = Object.fromEntries(
  [...PROTOCOLS.values()].map((protocol) => [protocol.name, portOf(protocol)]),
);

function portOf({ name, ports: { clear, tls } }: MailProtocol) {
  const usual = tls === undefined ? `${clear}, by STARTTLS` : `${tls} with implicit TLS, else ${clear}`;
  return port.optional().describe(`${name.toUpperCase()} port: ${usual}`);
}

export const nodeSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[A-Za-z0-9*](?:[A-Za-z0-9.*-]*[A-Za-z0-9*])?$/, {
      error: 'this is not a host name or an IPv4 address',
    })
    .describe(
      'name of the node as the directory says it; a * stands for one label or part of one, as *.mail.example.org',
    ),
  host: host.optional().describe('host name or IP address to connect to; the name itself if it is left out'),
  kind: z
    .enum(['dovecot', 'courier', 'generic'])
    .describe(
      'how the node takes what it must be told: dovecot, courier, or generic (not at all: any other server, with trust: plain-authzid)',
    ),
  ports: z.strictObject(portsShape).prefault({}).describe('ports of the node by protocol'),
  tls: nodeTlsSchema
    .prefault('implicit')
    .describe('implicit, starttls or none, or a map with mode and caFile'),
  trust: z
    .enum(['scram-sha-256', 'cram-md5', 'cram-sha1', 'cram-sha256', 'plain-authzid', 'replay'])
    .optional()
    .describe('how the node believes this proxy: dovecot scram-sha-256, courier cram-sha256, if left out'),
  proxyName: proxyName.optional().describe("this proxy's name towards this node, if it differs"),
  keyFile: file.optional().describe("file with this proxy's key towards this node, if it differs"),
  requires: z
    .array(z.string().regex(/^[a-z][a-z0-9_]*$/, { error: 'this is not the name of a forwarded value' }))
    .optional()
    .describe('forwarded values without which a login fails: home, uid, gid, if left out; none for generic'),
  allowUnauthenticate: z
    .boolean()
    .default(false)
    .describe('takes a node that lets clients leave their login by UNAUTHENTICATE, as Cyrus does'),
  state: z
    .enum(['up', 'draining', 'down'])
    .default('up')
    .describe('up, draining (no users who have another place), or down (nobody)'),
  weight: z.number().positive().default(1).describe('share of the users of its groups'),
});

export type NodeConfig = z.output<typeof nodeSchema>;
