import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cluster, exec } from '../support/cluster.ts';
import { clusterConfig, RunningProxy } from '../support/running-proxy.ts';

let proxy: RunningProxy;
beforeAll(async () => {
  proxy = await RunningProxy.start(clusterConfig(cluster()));
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
});

/** Runs openssl s_client, which is told these lines, each a moment after the other. */
async function openssl(options: string, lines: readonly string[] = []): Promise<string> {
  const typing = ['sleep 1', ...lines.map((line) => `echo '${line}'; sleep 1`)].join('; ');
  const target = `-connect localhost:${proxy.port('imap', 'implicit')} -CAfile /homing/ca.pem`;
  const script = `(${typing}) | timeout 20 openssl s_client ${target} ${options} 2>&1`;
  const { output } = await exec('clients', ['sh', '-c', script]);
  return output;
}

describe('openssl s_client', () => {
  it('A25 is not negotiated with again in TLS 1.2', async () => {
    const output = await openssl('-tls1_2', ['R']);

    expect(output).toContain('* OK ');
    expect(output).toMatch(/RENEGOTIATING[\s\S]*(?:no renegotiation|handshake failure)/i);
  });

  it.each(['-tls1', '-tls1_1'])('I31 A25 is refused with %s', async (version) => {
    const output = await openssl(`${version} -cipher DEFAULT@SECLEVEL=0`);

    expect(output).not.toContain('* OK ');
    // The proxy's own words, not that the client would not have it.
    expect(output).toMatch(/alert protocol version/i);
  });

  it('A25 resumes a session in TLS 1.3, and may send nothing before it is resumed', async () => {
    const first = await openssl('-tls1_3 -sess_out /tmp/session.pem', ['a LOGOUT']);
    const second = await openssl('-tls1_3 -sess_in /tmp/session.pem', ['a LOGOUT']);

    expect(first).toContain('Max Early Data: 0');
    expect(second).toContain('Reused, TLSv1.3');
  });

  it('A7 is refused with the name of another protocol by ALPN, and taken with ours', async () => {
    const foreign = await openssl('-alpn http/1.1,pop3');
    const own = await openssl('-alpn http/1.1,imap', ['a LOGOUT']);

    expect(foreign).toMatch(/no application protocol/i);
    expect(foreign).not.toContain('* OK ');
    expect(own).toContain('ALPN protocol: imap');
  });
});
