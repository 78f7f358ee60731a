import { describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster, type NodeName } from '../support/cluster.ts';
import { logIn, openSession, type ProtocolName } from '../support/mail-session.ts';
import { type Recording, RecordingRelay, spellings } from '../support/recording-relay.ts';
import { clusterConfig, clusterNode, RunningProxy } from '../support/running-proxy.ts';
import { Wire } from '../support/wire.ts';

const CASES = [
  ['imap', 'node-a', accounts.alice],
  ['pop3', 'node-a', accounts.alice],
  ['imap', 'node-b', accounts.bob],
  ['pop3', 'node-b', accounts.bob],
  ['imap', 'node-c', accounts.carol],
  ['pop3', 'node-c', accounts.carol],
] as const;

/** Logs an account in over a wire that is listened to, and gives what went over it. */
async function capture(protocol: ProtocolName, node: NodeName, account: { mail: string; password: string }) {
  const here = cluster();
  await using relay = await RecordingRelay.start(here.nodes[node][protocol]);
  const nodes = [clusterNode(here, node, { ports: { [protocol]: relay.port }, tls: 'none' })];
  await using proxy = await RunningProxy.start(clusterConfig(here, { nodes }));
  await using wire = await openSession(protocol, {
    port: proxy.port(protocol, 'implicit'),
    tls: 'implicit',
    ca: here.ca,
  });
  const answer = await logIn(protocol, wire, account.mail, account.password);
  return { answer, recording: relay.recordings[0] ?? { fromProxy: [], fromNode: [] }, output: proxy.output };
}

function text(octets: readonly Buffer[]): string {
  return Buffer.concat(octets).toString('latin1');
}

describe.each(CASES)('a captured conversation with the %s node %s', (protocol, node, account) => {
  it('A32 has no password of the user, no key of the proxy, and no proof that works twice', async () => {
    const { answer, recording, output } = await capture(protocol, node, account);
    const { key } = cluster().proxies.proxy1;
    const conversation = `${text(recording.fromProxy)}${text(recording.fromNode)}`;

    expect(answer).toMatch(/OK/);
    expect(conversation).toMatch(/SCRAM-SHA-256|CRAM-SHA256/);
    for (const spelling of [...spellings(account.password), ...spellings(key)]) {
      expect(conversation).not.toContain(spelling);
      expect(output).not.toContain(spelling);
    }
    const replayed = await replay(protocol, node, recording);
    expect(replayed).toMatch(/^(?:L NO|-ERR) /m);
    expect(replayed).not.toMatch(/^L OK|^\+OK [Ll]ogged/m);
  });
});

/** Sends a node what a proxy once sent it, line by line, each when the node has answered. */
async function replay(protocol: ProtocolName, node: NodeName, { fromProxy }: Recording): Promise<string> {
  await using wire = await Wire.open({ port: cluster().nodes[node][protocol] });
  const heard = [await wire.line()];
  const lines = text(fromProxy)
    .split('\r\n')
    .filter((line) => line !== '');
  for (const line of lines) {
    wire.send(line);
    const answer = await wire.lineOrEnd();
    if (answer === undefined) {
      break;
    }
    heard.push(answer);
    if (answer.startsWith('* ID')) {
      heard.push(await wire.line());
    }
  }
  return heard.join('\n');
}
