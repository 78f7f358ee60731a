import { afterAll, describe, expect, it, vi } from 'vitest';
import { pop3 } from '../../protocols/pop3/pop3.ts';
import type { MailProtocol } from '../../protocols/protocol.ts';
import { nodeTlsAt } from '../../src/protocols.ts';
import type { NodeTls } from '../../src/settings.ts';
import { ConfigFolder, good } from '../support/config-folder.ts';
import { run } from '../support/test-terminal.ts';

// What one more folder in protocols/ and its line in src/protocols.ts bring.
vi.mock(import('../../src/protocols.ts'), async (original) => {
  const registry = await original();
  const mupdate: MailProtocol = { ...pop3, name: 'mupdate', ports: { clear: 3905 }, absentFrom: ['courier'] };
  (registry.PROTOCOLS as Map<string, MailProtocol>).set(mupdate.name, mupdate);
  return registry;
});

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

const LISTENER = '- { protocol: imap, address: 127.0.0.1, port: 1143, tls: starttls }';
const TLS: NodeTls = { mode: 'implicit', ca: undefined, serverName: undefined, pin: undefined };
const NODE = '- { name: node-a, host: 192.0.2.1, kind: dovecot, tls: { caFile: ca.pem } }';

function listening(listener: string, node = NODE): string {
  return good(LISTENER, listener).replace(NODE, node);
}

describe('one more protocol', () => {
  it('can be listened for and connected to, on its usual port', () => {
    const { settings } = folder.load(
      listening('- { protocol: mupdate, tls: starttls }', '- { name: a, kind: dovecot, tls: starttls }'),
    );

    expect(settings.listeners).toMatchObject([{ protocol: 'mupdate', port: 3905 }]);
    expect(settings.nodes[0]?.ports.get('mupdate')).toBe(3905);
  });

  it('needs a port to listen on where it has no usual one with TLS from the start', () => {
    const node = '- { name: a, kind: dovecot, ports: { mupdate: 5190 } }';

    expect(folder.refusal(listening('- ¶{ protocol: mupdate }', node))).toBe(
      'port is missing: mupdate has no usual one with TLS from the start (port: …, or tls: starttls)',
    );
    expect(
      folder.load(listening('- { protocol: mupdate, port: 5190 }', node)).settings.listeners,
    ).toMatchObject([{ port: 5190, tls: { mode: 'implicit' } }]);
  });

  it('is spoken by STARTTLS on the usual port of a node in TLS where it has none for TLS from the start', () => {
    const { settings } = folder.load(listening(LISTENER, '- { name: a, kind: dovecot }'));
    const [node] = settings.nodes;

    expect(node?.ports.get('mupdate')).toBe(3905);
    expect(nodeTlsAt('mupdate', 3905, TLS).mode).toBe('starttls');
    expect(nodeTlsAt('mupdate', 5190, TLS).mode).toBe('implicit');
    expect(nodeTlsAt('imap', 143, TLS).mode).toBe('implicit');
    expect(nodeTlsAt('mupdate', 3905, { mode: 'none' }).mode).toBe('none');
  });

  it('has no port at a kind of node that does not speak it, unless the configuration names one', () => {
    const portsOf = (node: string) => folder.load(listening(LISTENER, node)).settings.nodes[0]?.ports;

    expect(portsOf('- { name: a, kind: courier }')?.has('mupdate')).toBe(false);
    expect(portsOf('- { name: a, kind: courier, ports: { mupdate: 5190 } }')?.get('mupdate')).toBe(5190);
  });

  it('may be allowed or forbidden by the directory', () => {
    const rule = 'services: [{ kind: listedIn, attribute: a, values: { mupdate: [s] }, absent: forbidden }]';
    const text = good('preset: qmail', `preset: qmail\n    ${rule}`);

    expect(folder.load(text).directories[0]).toMatchObject({
      options: { schema: { options: { services: [{ values: { mupdate: ['s'] } }] } } },
    });
  });

  it('is among the words of messages and help', async () => {
    expect(folder.refusal(listening('- { protocol: ¶mupdat }'))).toBe(
      'this is not one of imap, pop3, sieve, mupdate (did you mean mupdate?)',
    );
    expect((await run(['explain', '--help'])).output).toContain('"imap", "pop3", "sieve", "mupdate"');
  });
});
