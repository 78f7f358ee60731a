import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { keepCertificate } from '../../src/demo/certificate.ts';

const YEAR_MS = 366 * 24 * 3_600_000;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'homing-certificate-'));
});

afterEach(async () => {
  vi.useRealTimers();
  await rm(folder, { recursive: true });
});

// RSA keys are made: on a busy machine that takes its time.
describe('the certificate of the demonstration', { timeout: 30_000 }, () => {
  it('is for localhost and 127.0.0.1', async () => {
    const files = { certificate: join(folder, 'c.pem'), key: join(folder, 'c.key') };

    await keepCertificate(files);

    const certificate = new X509Certificate(await readFile(files.certificate));
    expect(certificate.checkHost('localhost')).toBe('localhost');
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
  });

  it('is made anew when it has expired', async () => {
    const files = { certificate: join(folder, 'c.pem'), key: join(folder, 'c.key') };
    await keepCertificate(files);
    const first = await readFile(files.certificate, 'utf8');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + YEAR_MS });

    await keepCertificate(files);

    expect(await readFile(files.certificate, 'utf8')).not.toBe(first);
  });
});
