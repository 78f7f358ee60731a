/** What SCRAM tells of names that have no key. */
import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { MAX_ITERATIONS, MIN_ITERATIONS } from '../../auth/mechanisms/scram-keys.ts';
import { MAX_SALT_OCTETS, NEW_SHAPE } from '../../auth/passwords/scram.ts';
import { Secret } from '../../auth/secret.ts';
import type { DecoySettings, NodeSettings } from '../settings.ts';
import type { ConfigFiles } from './files.ts';
import type { Report } from './report.ts';
import { file } from './values.ts';

/** Whoever guesses it can tell decoys from accounts, by as many tries offline as he likes. */
const MIN_SECRET_OCTETS = 32;

export const decoysSchema = z.strictObject({
  secretFile: file
    .optional()
    .describe(
      "file with the secret that the decoys' salts are made of, the same on all proxies; this proxy's key if it is left out",
    ),
  iterations: z
    .int()
    .min(MIN_ITERATIONS)
    .max(MAX_ITERATIONS)
    .optional()
    .describe('iterations of decoys; as most accounts have that were seen, if saltOctets is left out too'),
  saltOctets: z
    .int()
    .min(1)
    .max(MAX_SALT_OCTETS)
    .optional()
    .describe(
      'octets in the salts of decoys; as most accounts have that were seen, if iterations is left out too',
    ),
});

/** Makes the decoys' terms of their settings. `nodes` have this proxy's keys. */
export function buildDecoys(
  { secretFile, iterations, saltOctets }: z.output<typeof decoysSchema>,
  nodes: readonly NodeSettings[],
  { files, report }: { readonly files: ConfigFiles; readonly report: Report },
): DecoySettings {
  const stated = iterations !== undefined || saltOctets !== undefined;
  const shape = stated
    ? { ...NEW_SHAPE, ...(iterations && { iterations }), ...(saltOctets && { saltOctets }) }
    : undefined;
  if (secretFile === undefined) {
    const secret = secretOfKeys(nodes);
    return { secret, source: secret === undefined ? 'chance' : 'key', shape };
  }
  const path = ['scramDecoys', 'secretFile'];
  const secret = files.readSecretLine(path, secretFile);
  if (secret !== undefined && secret.octets.length < MIN_SECRET_OCTETS) {
    report.problem(
      path,
      `this secret is shorter than ${MIN_SECRET_OCTETS} characters`,
      'make one with: homing secret --decoys',
    );
  }
  return { secret, source: 'file', shape };
}

/** Derives the secret from a key. Not from what stands for a password at the node: people make those up. */
function secretOfKeys(nodes: readonly NodeSettings[]): Secret | undefined {
  const [key] = nodes.flatMap(({ trust }) =>
    trust.kind === 'replay' || trust.kind === 'plain-authzid' ? [] : [trust.key],
  );
  return (
    key && new Secret(createHmac('sha256', key.octets).update('homing: salts of unknown names').digest())
  );
}
