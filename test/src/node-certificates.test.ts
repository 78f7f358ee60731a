import { describe, expect, it } from 'vitest';
import { HostileNode } from '../support/hostile-node.ts';
import { proxyBefore } from '../support/proxy-before.ts';
import { type KeyPair, TestCa } from '../support/test-ca.ts';
import { Wire } from '../support/wire.ts';

const NAME = 'mail.node.example.org';
const ca = new TestCa('CA of the nodes');
const foreign = new TestCa('Another CA');
const other = ca.issue({ commonName: NAME });

async function loginResult(certificate: KeyPair, mode: 'implicit' | 'starttls', serverName: string) {
  await using node = await HostileNode.start(
    {
      greeting: '* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n',
      reply: (line) => {
        if (line === 'S STARTTLS') {
          return 'S OK go\r\n';
        }
        if (line === 'C CAPABILITY') {
          return '* CAPABILITY IMAP4rev1\r\nC OK\r\n';
        }
        return line.startsWith('L AUTH') ? '+ PDFAbm9kZT4=\r\n' : 'L OK [CAPABILITY IMAP4rev1] in\r\n';
      },
    },
    { mode, certificate },
  );
  const tls = { mode, ca: Buffer.from(ca.certificate), serverName, pin: undefined };
  await using running = await proxyBefore({ protocol: 'imap', node: { port: node.port, tls } });
  await using client = await Wire.open({ port: running.port });
  await client.line();
  client.send('a LOGIN u p');
  const answer = await client.line();
  const { result } = await running.event('login');
  return { answer, result, proofs: node.heard.filter((line) => line.includes('AUTHENTICATE')) };
}

describe.each(['implicit', 'starttls'] as const)('H20 X11 a node that is reached by TLS %s', (mode) => {
  it.each([
    ['has no such name', other, 'other.node.example.org'],
    ['has the name as common name alone', ca.issue({ commonName: NAME, hostNames: [] }), NAME],
    [
      'has the name as common name, and no other at all',
      ca.issue({ commonName: NAME, nameless: true }),
      NAME,
    ],
    ['has a wildcard for two labels', ca.issue({ commonName: 'x', hostNames: ['*.example.org'] }), NAME],
    ['has a wildcard inside', ca.issue({ commonName: 'x', hostNames: ['mail.*.example.org'] }), NAME],
    ['has a certificate of another CA', foreign.issue({ commonName: 'x', hostNames: [NAME] }), NAME],
    ['is its own CA', { certificate: foreign.certificate, key: foreign.key }, NAME],
    ['has an expired certificate', ca.issue({ commonName: 'x', hostNames: [NAME], expired: true }), NAME],
  ])('gets no proof where it %s', async (_what, certificate, serverName) => {
    const { answer, result, proofs } = await loginResult(certificate, mode, serverName);

    expect(answer).toMatch(/^a NO \[UNAVAILABLE\]/);
    expect(result).toBe('nodeTlsFailed');
    expect(proofs).toEqual([]);
  });

  it.each([
    ['the name', [NAME]],
    ['a wildcard for its first label', ['*.node.example.org']],
  ])('is believed where its certificate has %s', async (_what, hostNames) => {
    const { answer, proofs } = await loginResult(ca.issue({ commonName: 'x', hostNames }), mode, NAME);

    expect(answer).toMatch(/^a OK /);
    expect(proofs).toHaveLength(1);
  });
});
