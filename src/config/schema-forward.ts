/** What the settings of all kinds of directories have. */
import { z } from 'zod';
import { domain } from './values.ts';

/** Whose users a directory has. */
export const domains = z
  .array(domain)
  .min(1)
  .optional()
  .describe('domains of the login names that are looked up here; all if it is left out');

const forwardSource = z.unknown().transform((written, context) => {
  const text = typeof written === 'number' ? String(written) : written;
  if (typeof text === 'string' && /^[A-Za-z][A-Za-z0-9.;-]*$/.test(text)) {
    return { kind: 'attribute' as const, attribute: text };
  }
  if (typeof text === 'string') return { kind: 'template' as const, template: text };
  context.addIssue({
    code: 'custom',
    message: 'this does not say where a value comes from',
    params: {
      hint: 'the name of an attribute, or a text as "/srv/mail/%d/%n" (%u, %n, %d, %{attribute}) or "5000"',
    },
  });
  return z.NEVER;
});

/** What nodes are told, and from where. */
export const forward = z
  .record(z.string().regex(/^[a-z][a-z0-9_]*$/), forwardSource)
  .optional()
  .describe('what the node is told: home, uid, gid, quota … by attribute, or as a text with %u, %n, %d');
