import { createSecureContext } from 'node:tls';
import { z } from 'zod';
import { MECHANISMS } from '../mechanisms.ts';
import { PROTOCOLS } from '../protocols.ts';
import { nearest } from './suggest.ts';
import { domain, file, listeningPort, network } from './values.ts';

const tlsShape = {
  certificateFile: file.optional().describe('PEM file of the certificate, with the chain behind it'),
  keyFile: file.optional().describe("PEM file of the certificate's private key"),
  certificates: z
    .array(
      z.strictObject({
        certificateFile: file.describe('PEM file of a further certificate'),
        keyFile: file.describe('PEM file of its private key'),
      }),
    )
    .optional()
    .describe('further certificates: clients are shown the one for the name that they ask for'),
  minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).optional().describe('the oldest version that is spoken'),
  ciphers: z
    .string()
    .refine(isCipherList, { error: 'this names no cipher that OpenSSL knows' })
    .optional()
    .describe("OpenSSL's list for TLS 1.2; a safe one if it is left out"),
  clientCertificates: z
    .preprocess(
      nullFromNone,
      z
        .strictObject({
          caFile: file.describe('PEM file of the authorities whose certificates clients may show'),
          crlFile: file
            .optional()
            .describe('PEM file of the lists of revoked certificates, one of each authority in caFile'),
        })
        .nullable(),
    )
    .optional()
    .describe(
      'asks clients for certificates; who has none can log in all the same; on a listener, none for none',
    ),
};

/** `none` is no map, and nothing at all is a mistake. */
function nullFromNone(written: unknown): unknown {
  if (written === 'none') return null;
  return written === null ? '' : written;
}

function isCipherList(ciphers: string): boolean {
  try {
    createSecureContext({ ciphers });
    return true;
  } catch {
    // OpenSSL's errors have no class of their own, and nothing else can fail here.
    return false;
  }
}

export const listenerTlsDefaults = z.strictObject(tlsShape);

const listenerTlsSchema = z.preprocess(
  modeFromWord,
  z.strictObject({
    mode: z
      .enum(['implicit', 'starttls', 'none'])
      .default('implicit')
      .describe('implicit (TLS from the start), starttls (STARTTLS or STLS) or none'),
    ...tlsShape,
  }),
);

/** Lets `tls: starttls` stand for `tls: { mode: starttls }`; and `tls: true` be told of the words. */
export function modeFromWord(written: unknown): unknown {
  return typeof written === 'string' || typeof written === 'boolean' ? { mode: written } : written;
}

const protocols = [...PROTOCOLS.keys()];
const EITHER = new Intl.ListFormat('en-GB', { type: 'disjunction' });

/** What people call a protocol by its URL, its port or its long name, and what it is here. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  imaps: 'protocol: imap, which is in TLS from the start, on port 993, unless tls says otherwise',
  imap4: 'imap',
  pop3s: 'protocol: pop3, which is in TLS from the start, on port 995, unless tls says otherwise',
  pops: 'protocol: pop3, which is in TLS from the start, on port 995, unless tls says otherwise',
  managesieve: 'protocol: sieve, with tls: starttls',
};

const protocolName = z.string().check((context) => {
  const { value } = context;
  if (PROTOCOLS.has(value)) return;
  const near = nearest(value, protocols);
  const hint = OTHER_NAMES[value.toLowerCase()] ?? (near === undefined ? undefined : `did you mean ${near}?`);
  context.issues.push({
    code: 'custom',
    input: undefined,
    message: `this is not one of ${protocols.join(', ')}`,
    params: { hint },
  });
});

export const listenerSchema = z.strictObject({
  protocol: protocolName.describe(`the mail protocol: ${EITHER.format(protocols)}`),
  address: z
    .union([z.ipv4(), z.ipv6()], { error: 'this is not an IP address' })
    .default('::')
    .describe('IP address to listen on; :: is every address of the host, IPv4 too'),
  port: listeningPort.optional().describe("port to listen on; the protocol's usual one if it is left out"),
  tls: listenerTlsSchema
    .prefault('implicit')
    .describe('implicit, starttls or none, or a map with mode and files'),
  allowPlaintext: z
    .boolean()
    .default(false)
    .describe('takes passwords in clear text: only where nobody can listen in'),
  proxyProtocol: z
    .strictObject({
      from: z
        .array(network)
        .min(1)
        .describe('addresses of the balancers; nobody else may connect to this listener'),
    })
    .optional()
    .describe(
      'a balancer introduces each connection by a PROXY header, version 1 or 2; no header is taken without it',
    ),
  defaultDomain: domain
    .optional()
    .describe(
      'domain of a login name that has none, on this listener; names.defaultDomain if it is left out',
    ),
  greeting: z
    .string()
    .max(200)
    // RFC 9051 and RFC 1939 give a meaning to a greeting's [code] and <timestamp>.
    .regex(/^[\x20-\x7e]+$/, { error: 'a greeting is one line of ASCII' })
    .regex(/^[^[<]*$/, { error: 'a greeting has no [ or <, which clients would take for more than text' })
    .default('Homing ready.')
    .describe("text of the first line that a client sees, behind the protocol's own words"),
  capabilities: z
    .array(
      z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,64}$/, { error: 'this is not the name of a capability' }),
    )
    .optional()
    .describe(
      "what clients are told before the login that the nodes can do: IMAP and POP3 capabilities, Sieve extensions; the protocol's own list if it is left out",
    ),
  mechanisms: z
    .array(z.enum(MECHANISMS))
    .min(1)
    .optional()
    .describe(
      'mechanisms that are offered, the preferred one first; if it is left out PLAIN and LOGIN, and before them ' +
        'SCRAM-SHA-256-PLUS and SCRAM-SHA-256 where the directories have keys for them',
    ),
});

export type ListenerConfig = z.output<typeof listenerSchema>;
export type ListenerTlsDefaults = z.output<typeof listenerTlsDefaults>;
