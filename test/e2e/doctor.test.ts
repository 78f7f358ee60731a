import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import { accounts } from '../support/accounts.ts';
import { cluster, serverLog } from '../support/cluster.ts';
import { homing } from '../support/homing.ts';
import { clusterConfig, RunningProxy } from '../support/running-proxy.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'homing-doctor-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function doctor(changes: Record<string, unknown>, ...args: readonly string[]) {
  const config = join(folder, 'homing.yaml');
  writeFileSync(config, stringify(clusterConfig(cluster(), changes)));
  const { output, errors, code } = await homing(['doctor', '-c', config, ...args]);
  return { lines: output.trimEnd().split('\n'), errors, code };
}

describe('homing doctor', () => {
  it.each([
    ['node-a', ['imap', 'pop3', 'sieve']],
    ['node-b', ['imap', 'pop3', 'sieve']],
    ['node-c', ['imap', 'pop3']],
  ] as const)('finds that %s trusts this proxy alone, and uses what it is told', async (name, protocols) => {
    const node = `${name}.example.org`;
    const { lines, errors, code } = await doctor({}, node, '--user', accounts.alice.mail);

    expect([code, errors]).toEqual([0, '']);
    expect(lines).toEqual(
      protocols.flatMap((protocol) => [
        expect.stringMatching(new RegExp(`^ok +${node} ${protocol}: it refuses a wrong proof`)),
        expect.stringMatching(new RegExp(`^ok +${node} ${protocol}: it let alice in by this proxy's proof`)),
        expect.stringMatching(new RegExp(`^ok +${node} ${protocol}: it uses what it is told`)),
      ]),
    );
  });

  it('says of each node that is down that nothing could be told, and fails', async () => {
    const { lines, errors, code } = await doctor({}, 'node-down.example.org');

    expect(code).toBe(1);
    expect(lines[0]).toMatch(/^unknown {2}node-down\.example\.org imap: .*ECONNREFUSED/);
    expect(errors).toMatch(/^homing: 3 of the checks above are not right/);
  });

  it('finds out a key that the node does not know', async () => {
    const key = join(folder, 'strange.key');
    writeFileSync(key, 'not-the-key-that-this-node-has-for-the-proxy\n', { mode: 0o600 });
    const { lines, code } = await doctor(
      { keyFile: key },
      'node-a.example.org',
      '--user',
      accounts.alice.mail,
    );

    expect(code).toBe(1);
    expect(lines.slice(0, 2)).toEqual([
      expect.stringMatching(/^ok .* imap: it refuses a wrong proof/),
      expect.stringMatching(/^WRONG .* imap: .*AUTHORIZATIONFAILED/),
    ]);
  });
});

describe('a proxy', () => {
  it('tries the trust of its nodes when it starts, and gives logins to those that refuse', async () => {
    const before = await trials();
    await using proxy = await RunningProxy.start(
      clusterConfig(cluster(), { times: { failure: '0s', trustCheck: '1h' } }),
    );
    await vi.waitFor(async () => expect(await trials()).toBeGreaterThan(before), { timeout: 15_000 });

    expect(proxy.log.filter(({ event }) => event === 'nodeTrust' || event === 'bug')).toEqual([]);
  });
});

async function trials(): Promise<number> {
  return (await serverLog('node-b')).split('homing-trust-check').length;
}
