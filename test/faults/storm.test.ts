import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { cluster } from '../support/cluster.ts';
import { liveSession, metricsOf } from '../support/live-sessions.ts';
import { clusterConfig, RunningProxy } from '../support/running-proxy.ts';
import { resetAtOnce } from '../support/sockets.ts';
import type { Wire } from '../support/wire.ts';

const STORM_MS = 60_000;
const CALM_MS = 5000;
const AT_ONCE = 200;
/** Of the quiet log: the first lines of a kind, then one each ten seconds. */
const LINES = 30;

/** Asks the node again and again. @returns how long the slowest but one in a hundred took, in milliseconds. */
async function slowest(wire: Wire, forMs: number): Promise<number> {
  const took: number[] = [];
  for (const end = performance.now() + forMs; performance.now() < end; ) {
    const start = performance.now();
    wire.send('n NOOP');
    await wire.linesUntil(/^n OK/);
    took.push(performance.now() - start);
    await sleep(10);
  }
  return took.sort((one, other) => one - other)[Math.floor(took.length * 0.99)] ?? 0;
}

it('F33 a minute of resets, as many as go: a session goes on, and the log is short', async () => {
  await using proxy = await RunningProxy.start(
    clusterConfig(cluster(), { admin: { port: 0 }, log: { level: 'info', format: 'json' } }),
  );
  await using wire = await liveSession(proxy, 'imap', 'alice');
  const before = await slowest(wire, CALM_MS);
  const port = proxy.port('imap', 'none');
  let sent = 0;
  const storm = async (): Promise<void> => {
    for (const end = performance.now() + STORM_MS; performance.now() < end; sent += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, () => resetAtOnce(port)));
    }
  };

  const [during] = await Promise.all([slowest(wire, STORM_MS), storm()]);

  process.stdout.write(
    `${Math.round((sent * 1000) / STORM_MS)} resets a second; 99 % of NOOPs: ${before.toFixed(1)} ms before, ${during.toFixed(1)} ms in the storm\n`,
  );
  const lines = proxy.log.filter(
    ({ event }) => event === 'connectionEnd' || event === 'connectionRefused' || event === 'repeated',
  );
  expect(lines.length).toBeLessThan(LINES);
  expect(proxy.log.filter(({ event }) => event === 'sessionEnd' || event === 'bug')).toEqual([]);
  expect(await metricsOf(proxy)).toMatch(/^homing_sessions\{protocol="imap"\} 1$/m);
});
