import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import forge from 'node-forge';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigFolder, GOOD, good } from '../support/config-folder.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

const LISTENER = '- { protocol: imap, address: 127.0.0.1, port: 1143, tls: starttls }';

function listeners(text: string): string {
  return good(LISTENER, text);
}

describe('listeners', () => {
  it('have the usual ports of their protocol, and TLS from the start', () => {
    const { settings } = folder.load(
      listeners(`- { protocol: imap }
  - { protocol: pop3 }
  - { protocol: imap, tls: starttls }
  - { protocol: pop3, tls: starttls }`),
    );

    expect(settings.listeners.map(({ port, tls }) => [port, tls.mode])).toEqual([
      [993, 'implicit'],
      [995, 'implicit'],
      [143, 'starttls'],
      [110, 'starttls'],
    ]);
    expect(settings.listeners[0]).toMatchObject({
      address: '::',
      allowPlaintext: false,
      greeting: 'Homing ready.',
      mechanisms: ['PLAIN', 'LOGIN'],
    });
  });

  it('may each have a certificate of their own', () => {
    const { settings } = folder.load(
      listeners(
        '- { protocol: imap, tls: { certificateFile: expired.pem, keyFile: expired-key.pem, minVersion: TLSv1.3 } }',
      ),
    );

    expect(settings.listeners[0]?.tls).toMatchObject({ mode: 'implicit', minVersion: 'TLSv1.3' });
  });

  it('may say what their nodes can do', () => {
    const { settings } = folder.load(listeners('- { protocol: imap, capabilities: [IDLE, THREAD=REFS] }'));

    expect(settings.listeners[0]?.capabilities).toEqual(['IDLE', 'THREAD=REFS']);
    expect(folder.refusal(listeners('- { protocol: imap, capabilities: [¶"a b"] }'))).toContain(
      'this is not the name of a capability',
    );
  });

  it('I32 take passwords in clear text only when that is asked for by name', () => {
    expect(folder.refusal(listeners('- { protocol: imap, tls: ¶none }'))).toContain('allowPlaintext: true');

    const { settings } = folder.load(listeners('- { protocol: imap, tls: none, allowPlaintext: true }'));
    expect(settings.listeners[0]).toMatchObject({ tls: { mode: 'none' }, allowPlaintext: true, port: 143 });
  });

  it('are refused when they would take the same port', () => {
    const two = `${LISTENER}\n  - ¶{ protocol: pop3, address: 127.0.0.1, port: 1143 }`;

    expect(folder.refusal(listeners(two))).toBe(
      'listeners[0] has port 1143 already (one listener for a port)',
    );
  });

  it('are refused when one of them is on every address of the host', () => {
    const two = (first: string, second: string) =>
      `- { protocol: imap, port: 1143${first} }\n  - ¶{ protocol: pop3, port: 1143${second} }`;

    expect(folder.refusal(listeners(two('', ', address: 127.0.0.1')))).toContain('has port 1143 already');
    expect(folder.refusal(listeners(two(', address: 192.0.2.1', ', address: 0.0.0.0')))).toContain('already');
    const apart = two(', address: 127.0.0.1', ", address: '::1'").replace('¶', '');
    expect(folder.load(listeners(apart)).settings.listeners).toHaveLength(2);
  });

  it("are refused on the admin listener's port", () => {
    expect(folder.refusal(`${GOOD}admin: { port: ¶1143 }\n`)).toBe(
      'listeners[0] has port 1143 already (a port of its own, as 9143)',
    );
    expect(folder.load(`${GOOD}admin: { port: 1143, address: '::1' }\n`).admin?.port).toBe(1143);
    const anyPorts = `${good('port: 1143', 'port: 0')}admin: { port: 0 }\n`;
    expect(folder.load(anyPorts).admin?.port).toBe(0);
  });

  it('are refused with TLS and no certificate', () => {
    const text = good('  certificateFile: cert.pem\n', '').replace('tls: starttls', 'tls: ¶starttls');

    expect(folder.refusal(text)).toBe(
      'TLS needs a certificateFile (set tls.certificateFile for all listeners, or here)',
    );
  });

  it('are refused with the key of another certificate', () => {
    expect(folder.refusal(good('keyFile: key.pem', 'keyFile: ¶other-key.pem'))).toContain(
      'this key is not that of the certificate',
    );
  });

  it("are refused with the two files in each other's place, whoever can read them", () => {
    const swapped = good(': cert.pem\n  keyFile: key.pem', ': ¶key.pem\n  keyFile: cert.pem');
    chmodSync(join(folder.path, 'cert.pem'), 0o644);

    expect(folder.refusal(swapped)).toBe(
      'certificateFile and keyFile are swapped (certificateFile: cert.pem, keyFile: key.pem)',
    );
  });

  it('are refused with files that hold no certificate or key', () => {
    folder.write('text.txt', 'no PEM');
    folder.write('cut.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    folder.write(
      'locked.pem',
      '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n',
    );

    expect(folder.refusal(good(': cert.pem', ': ¶text.txt'))).toContain(
      'there is no certificate in this file',
    );
    expect(folder.refusal(good(': cert.pem', ': ¶cut.pem'))).toContain("this certificate can't be read");
    expect(folder.refusal(good(': key.pem', ': ¶text.txt'))).toContain("this key can't be read");
    expect(folder.refusal(good(': key.pem', ': ¶locked.pem'))).toContain('this key has a passphrase');
  });

  it('are refused with a certificate that OpenSSL does not take', () => {
    const weak = weakCertificate();
    folder.write('weak.pem', weak.certificate);
    folder.write('weak-key.pem', weak.key);
    const cut = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    folder.write('cut-chain.pem', readFileSync(join(folder.path, 'cert.pem'), 'latin1') + cut);

    expect(
      folder.refusal(good(': cert.pem\n  keyFile: key.pem', ': ¶weak.pem\n  keyFile: weak-key.pem')),
    ).toContain('OpenSSL does not take this certificate: ERR_SSL_EE_KEY_TOO_SMALL');
    expect(folder.refusal(good(': cert.pem', ': ¶cut-chain.pem'))).toContain('its chain behind it');
  });

  it('are refused with ciphers that OpenSSL does not know', () => {
    const tls = '{ mode: implicit, ciphers: ¶AES-NONSENSE }';

    expect(folder.refusal(listeners(`- { protocol: imap, tls: ${tls} }`))).toContain(
      'this names no cipher that OpenSSL knows',
    );
  });

  it('are warned of a certificate that has ended', () => {
    const { warnings } = folder.load(
      good(': cert.pem\n  keyFile: key.pem', ': expired.pem\n  keyFile: expired-key.pem'),
    );

    expect(warnings).toMatchObject([{ setting: 'tls.certificateFile', line: 7, hint: 'renew it' }]);
  });

  it('have a greeting that no client takes for a code or a timestamp', () => {
    expect(folder.refusal(listeners(`- { protocol: imap, greeting: ¶'[ALERT] hi' }`))).toContain('no [ or <');
    expect(folder.refusal(listeners('- { protocol: imap, greeting: ¶"a\\r\\nb" }'))).toContain(
      'one line of ASCII',
    );
  });

  it('have an address that is one', () => {
    expect(folder.refusal(listeners('- { protocol: imap, address: ¶localhost }'))).toContain(
      'this is not an IP address',
    );
    expect(folder.refusal(listeners('- { protocol: imap, port: ¶99999 }'))).toContain('at most 65535');
  });
});

function weakCertificate(): { readonly certificate: string; readonly key: string } {
  const keys = forge.pki.rsa.generateKeyPair({ bits: 1024 });
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = keys.publicKey;
  certificate.validity.notAfter = new Date(Date.now() + 3_600_000);
  certificate.sign(keys.privateKey, forge.md.sha256.create());
  return {
    certificate: forge.pki.certificateToPem(certificate),
    key: forge.pki.privateKeyToPem(keys.privateKey),
  };
}
