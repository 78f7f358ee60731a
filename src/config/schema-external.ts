import { z } from 'zod';
import type { CertificateEntry, CertificateMap } from '../../auth/mechanisms/external.ts';
import { fingerprint } from './values.ts';

const FIELDS = ['fingerprint', 'subject', 'email', 'commonName'] as const;

const entrySchema = z
  .strictObject({
    fingerprint: fingerprint.optional().describe('SHA-256 fingerprint of the certificate in hex'),
    subject: z
      .string()
      .min(1)
      .optional()
      .describe('subject of the certificate, most specific part first, as CN=ann,O=Example'),
    email: z.string().min(1).optional().describe('mail address in the certificate (subjectAltName)'),
    commonName: z.string().min(1).optional().describe('common name in the certificate'),
    account: z.string().min(1).describe('login name of the account that such a certificate is for'),
  })
  .check((context) => {
    const count = FIELDS.filter((field) => context.value[field] !== undefined).length;
    if (count === 1) return;
    context.issues.push({
      code: 'custom',
      input: undefined,
      message: count === 0 ? 'this names no certificate' : 'this names a certificate in two ways',
      params: { hint: `one of ${FIELDS.join(', ')}, and the account` },
    });
  });

/** How a client's certificate becomes an account, for the mechanism EXTERNAL. */
export const externalSchema = z
  .strictObject({
    user: z
      .enum(['email', 'commonName'])
      .optional()
      .describe(
        'field of the certificate that is the login name; only those in map are let in if it is left out',
      ),
    map: z
      .array(entrySchema)
      .min(1)
      .optional()
      .describe('certificates by one of their fields, and their accounts; tried before user'),
  })
  .check((context) => {
    if (context.value.user !== undefined || context.value.map !== undefined) return;
    context.issues.push({
      code: 'custom',
      input: undefined,
      message: 'this lets nobody in',
      params: { hint: 'user: email, or a map' },
    });
  });

/** Makes the map of certificates of its settings. */
export function buildExternal({ user, map = [] }: z.output<typeof externalSchema>): CertificateMap {
  return { user, entries: map.flatMap(entriesOf) };
}

function entriesOf(written: z.output<typeof entrySchema>): readonly CertificateEntry[] {
  return FIELDS.flatMap((field) => {
    const value = written[field];
    return value === undefined ? [] : [{ field, value, account: written.account }];
  });
}
