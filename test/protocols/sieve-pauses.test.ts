import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { plainClient } from '../../auth/mechanisms/plain.ts';
import { Secret } from '../../auth/secret.ts';
import type { NodeTerms, Origin } from '../../protocols/protocol.ts';
import { sieve } from '../../protocols/sieve/sieve.ts';
import { visit } from '../support/scripted-node.ts';

vi.mock('node:timers/promises', async (original) => {
  const timers = await original<typeof import('node:timers/promises')>();
  return { ...timers, setTimeout: vi.fn(timers.setTimeout) };
});

const PAUSE_MS = 50;
const ORIGIN: Origin = {
  client: { ip: '203.0.113.8', port: 6666 },
  listener: { ip: '198.51.100.1', port: 4190 },
  sessionId: 'abcdefghijklmnopqrstuv',
  ttl: 4,
  forwarded: new Map(),
};
const DOVECOT = '"IMPLEMENTATION" "Dovecot (Debian) Pigeonhole"\r\n"SASL" "PLAIN"\r\nOK "ready"\r\n';
const RENAMED = '"IMPLEMENTATION" "example"\r\n"SASL" "PLAIN"\r\n"XCLIENT"\r\nOK "ready"\r\n';
const CYRUS = '"IMPLEMENTATION" "Cyrus timsieved v3.8.1"\r\n"SASL" "PLAIN"\r\nOK "ready"\r\n';

/** Logs in at a node that lets everybody in. @returns how often the proxy paused. */
async function pausesAt(greeting: string, terms: Partial<NodeTerms> & { readonly tls: boolean }) {
  const sasl = plainClient('u', 'proxy1', new Secret(Buffer.from('key')));
  const { session } = await visit(
    sieve,
    greeting,
    (line) => (line === 'CAPABILITY' ? '"VERSION" "1.0"\r\nOK "Listed."\r\n' : 'OK "Done."\r\n'),
    { startTls: false, announce: undefined, sasl, ...terms },
  );
  expect(session).toBeDefined();
  return vi.mocked(sleep).mock.calls.filter(([ms]) => ms === PAUSE_MS).length;
}

beforeEach(() => void vi.mocked(sleep).mockClear());

describe('the pause before each line to a ManageSieve node', () => {
  it('is there for Dovecot in TLS, which else overlooks lines', async () => {
    expect(await pausesAt(DOVECOT, { tls: true })).toBe(2);
  });

  it('is there for a Dovecot by its entry, whatever name it gives itself', async () => {
    expect(await pausesAt(RENAMED, { tls: true, announce: ORIGIN })).toBe(3);
  });

  it.each([
    ['other servers in TLS', CYRUS, true],
    ['Dovecot in clear text', DOVECOT, false],
  ])('is not there for %s', async (_, greeting, tls) => {
    expect(await pausesAt(greeting, { tls })).toBe(0);
  });
});
