/** Computes crypt(3) hashes in a thread of its own: in the main one they would stop every connection. */
import { parentPort } from 'node:worker_threads';
import { hashSync } from 'bcryptjs';
import { type ShaCryptSetting, shaCrypt } from './sha-crypt.ts';

/** One hash to compute. */
export type CryptJob = { readonly password: string } & CryptSetting;

/** How to compute it: by SHA-2, or by bcrypt with all of the value but the hash. */
export type CryptSetting =
  | ({ readonly kind: 'sha' } & ShaCryptSetting)
  | { readonly kind: 'bcrypt'; readonly setting: string };

parentPort?.on('message', (job: CryptJob) => {
  parentPort?.postMessage(
    job.kind === 'sha' ? shaCrypt(Buffer.from(job.password), job) : hashSync(job.password, job.setting),
  );
});
