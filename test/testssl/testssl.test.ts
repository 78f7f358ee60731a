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

interface Finding {
  readonly id: string;
  readonly severity: string;
  readonly finding: string;
}

const SEVERE = new Set(['MEDIUM', 'HIGH', 'CRITICAL', 'FATAL', 'WARN']);

/** What neither the proxy nor its certificate of a test can have: revocation, DNS records, and GOST in the tool. */
const ELSEWHERE = new Set(['cert_revocation', 'OCSP_stapling', 'DNS_CAArecord', 'engine_problem']);

/** What is wrong in the eyes of testssl.sh, from MEDIUM on. */
async function findings(target: string): Promise<readonly Finding[]> {
  const json = '/tmp/testssl.json';
  const options = `--add-ca /homing/ca.pem --ip one --warnings off --color 0 --quiet --jsonfile ${json}`;
  const script = `rm -f ${json}; testssl ${options} ${target} > /tmp/testssl.out 2>&1; cat ${json} || cat /tmp/testssl.out`;
  const { output } = await exec('clients', ['sh', '-c', script]);
  const all = JSON.parse(output) as Finding[];
  // A run that was cut short finds nothing either.
  expect(all.length).toBeGreaterThan(100);
  return all.filter(({ id, severity }) => SEVERE.has(severity) && !ELSEWHERE.has(id));
}

// Two minutes each on two cores.
describe('testssl.sh', { timeout: 900_000 }, () => {
  it('finds nothing weak in TLS from the start', async () => {
    expect(await findings(`localhost:${proxy.port('imap', 'implicit')}`)).toEqual([]);
  });

  it('finds nothing weak behind STARTTLS', async () => {
    expect(await findings(`-t imap localhost:${proxy.port('imap', 'starttls')}`)).toEqual([]);
  });

  it('finds nothing weak behind STLS', async () => {
    expect(await findings(`-t pop3 localhost:${proxy.port('pop3', 'starttls')}`)).toEqual([]);
  });
});
