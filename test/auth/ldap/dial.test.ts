import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { dialLdap } from '../../../auth/ldap/dial.ts';
import { TestCa } from '../../support/test-ca.ts';

const ca = new TestCa('Directory CA');
const NEVER = new AbortController().signal;
afterEach(() => {
  vi.unstubAllEnvs();
});

async function dialled(shown: { readonly certificate: string; readonly key: string }): Promise<string> {
  const server = createServer({ cert: shown.certificate, key: shown.key }, (socket) =>
    socket.on('error', () => undefined),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const target = {
    url: 'ldaps://ldap1.example.org',
    host: '127.0.0.1',
    port,
    tls: 'implicit',
    ca: Buffer.from(ca.certificate),
    serverName: 'localhost',
  } as const;
  try {
    (await dialLdap(target, NEVER)).close();
    return 'connected';
  } catch (error) {
    return String(error);
  } finally {
    server.close();
  }
}

describe('the way to an LDAP server', () => {
  it('is open where its certificate has its name', async () => {
    expect(await dialled(ca.issue({ commonName: 'localhost' }))).toBe('connected');
  });

  it.each([
    ['of another authority', new TestCa('Other CA').issue({ commonName: 'localhost' }), /certificate/],
    ['with a common name alone', ca.issue({ commonName: 'localhost', nameless: true }), /no subjectAltName/],
  ])('F12 is closed to a certificate %s, whatever the environment says', async (_what, shown, why) => {
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');

    expect(await dialled(shown)).toMatch(why);
  });
});
