import { z } from 'zod';
import { domains, forward } from './schema-forward.ts';
import { anyWebUrl, duration, file } from './values.ts';

/** Names that the protocol or HTTP itself has, which nobody may say otherwise. */
const TAKEN =
  /^(?:auth-.*|client-ip|host|connection|content-length|transfer-encoding|te|trailer|upgrade|expect)$/i;

const headerName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9-]*$/, { error: 'this is not the name of a header' })
  .refine((name) => !TAKEN.test(name), { error: 'this header is not free' });

const headerValue = z.string().regex(/^[\x20-\x7e]*$/, { error: 'a header has one line of ASCII' });

/** A web service that answers as nginx's `auth_http` asks. */
export const httpSchema = z.strictObject({
  kind: z.literal('http'),
  domains,
  url: anyWebUrl.describe("URL of the service that nginx's auth_http names"),
  socket: file.optional().describe('Unix socket that it listens on, instead of the host and port of the URL'),
  caFile: file
    .optional()
    .describe(
      'PEM file of the authorities that vouch for it; default: the public authorities that Node brings along',
    ),
  insecure: z.boolean().default(false).describe('sends passwords to another host in clear text'),
  headers: z
    .record(headerName, headerValue)
    .default({})
    .describe('headers that each request has besides, as auth_http_header adds them'),
  headerFiles: z
    .record(headerName, file)
    .default({})
    .describe('the same, of which the value is a secret: the file that it is in, by header'),
  lookup: z
    .enum(['none', 'external'])
    .default('none')
    .describe(
      'external asks for users without a password (tokens, certificates, delegates) by Auth-Method: external',
    ),
  operation: duration.prefault('5s').describe('how long one request may take'),
  maxRequests: z.int().min(1).max(1000).default(32).describe('requests at the same time'),
  forward,
});

export type HttpConfig = z.output<typeof httpSchema>;
