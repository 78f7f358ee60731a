import { afterAll, describe, expect, it, vi } from 'vitest';
import { pop3 } from '../../protocols/pop3/pop3.ts';
import type { MailProtocol } from '../../protocols/protocol.ts';
import { ConfigFolder, good } from '../support/config-folder.ts';
import { run } from '../support/test-terminal.ts';

// What one more folder in protocols/ and its line in src/protocols.ts bring.
vi.mock(import('../../src/protocols.ts'), async (original) => {
  const registry = await original();
  const sieve: MailProtocol = { ...pop3, name: 'sieve', ports: { clear: 4190 }, alpn: 'managesieve' };
  (registry.PROTOCOLS as Map<string, MailProtocol>).set(sieve.name, sieve);
  return registry;
});

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

const LISTENER = '- { protocol: imap, address: 127.0.0.1, port: 1143, tls: starttls }';
const NODE = '- { name: node-a, host: 192.0.2.1, kind: dovecot, tls: { caFile: ca.pem } }';

function listening(listener: string, node = NODE): string {
  return good(LISTENER, listener).replace(NODE, node);
}

describe('one more protocol', () => {
  it('can be listened for and connected to, on its usual port', () => {
    const { settings } = folder.load(
      listening('- { protocol: sieve, tls: starttls }', '- { name: a, kind: dovecot, tls: starttls }'),
    );

    expect(settings.listeners).toMatchObject([{ protocol: 'sieve', port: 4190 }]);
    expect(Object.fromEntries(settings.nodes[0]?.ports ?? [])).toEqual({ imap: 143, pop3: 110, sieve: 4190 });
  });

  it('needs a port to listen on where it has no usual one with TLS from the start', () => {
    const node = '- { name: a, kind: dovecot, ports: { sieve: 5190 } }';

    expect(folder.refusal(listening('- ¶{ protocol: sieve }', node))).toBe(
      'port is missing: sieve has no usual one with TLS from the start (port: …, or tls: starttls)',
    );
    expect(
      folder.load(listening('- { protocol: sieve, port: 5190 }', node)).settings.listeners,
    ).toMatchObject([{ port: 5190, tls: { mode: 'implicit' } }]);
  });

  it('needs the port of each node where it has no usual one, if clients may log in by it', () => {
    const sieve = '- { protocol: sieve, tls: starttls }';

    expect(folder.refusal(listening(sieve, '- ¶{ name: a, kind: dovecot }'))).toBe(
      'this node needs a sieve port: there is no usual one with TLS from the start ' +
        '(ports: { sieve: … }, or tls: starttls)',
    );
    expect(folder.load(listening(LISTENER)).settings.nodes[0]?.ports.has('sieve')).toBe(false);
  });

  it('may be allowed or forbidden by the directory', () => {
    const rule = 'services: [{ kind: listedIn, attribute: a, values: { sieve: [s] }, absent: forbidden }]';
    const text = good('preset: qmail', `preset: qmail\n    ${rule}`);

    expect(folder.load(text).directories[0]?.options.schema.options.services).toMatchObject([
      { values: { sieve: ['s'] } },
    ]);
  });

  it('is among the words of messages and help', async () => {
    expect(folder.refusal(listening('- { protocol: ¶sive }'))).toBe(
      'this is not one of imap, pop3, sieve (did you mean sieve?)',
    );
    expect((await run(['explain', '--help'])).output).toContain('"imap", "pop3", "sieve"');
  });
});
