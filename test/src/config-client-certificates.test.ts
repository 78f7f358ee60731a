import { afterAll, describe, expect, it } from 'vitest';
import { ConfigFolder, GOOD } from '../support/config-folder.ts';
import { TestCa } from '../support/test-ca.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

const ca = new TestCa('Clients');
const otherCa = new TestCa('Others');
folder.write('clients.pem', ca.certificate);
folder.write('two.pem', `${ca.certificate}${otherCa.certificate}`);
folder.write('none.crl', ca.revoke([]));
folder.write('both.crl', `Of Clients:\n${ca.revoke([])}\nOf Others:\n${otherCa.revoke([])}`);
folder.write('old.crl', ca.revoke([], { expired: true }));
folder.write('broken.crl', '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n');

function asking(clientCertificates: string): string {
  const tls = GOOD.replace(
    'keyFile: key.pem',
    `keyFile: key.pem\n  clientCertificates: { ${clientCertificates} }`,
  );
  return `${tls.replace('tls: starttls', 'tls: starttls, mechanisms: [EXTERNAL, PLAIN]')}external: { user: email }\n`;
}

function clientsOf(text: string) {
  const { settings, warnings } = folder.load(text);
  const tls = settings.listeners[0]?.tls;
  return {
    clients: tls === undefined || tls.mode === 'none' ? undefined : tls.clients,
    warnings: warnings.map(({ message }) => message),
  };
}

describe('tls.clientCertificates', () => {
  it('is nothing unless it is asked for', () => {
    expect(clientsOf(GOOD).clients).toBeUndefined();
  });

  it('has authorities, and all lists of a file', () => {
    const { clients, warnings } = clientsOf(asking('caFile: two.pem, crlFile: both.crl'));

    expect(clients?.authorities.toString()).toContain(ca.certificate);
    expect(clients?.revocations).toHaveLength(2);
    expect(warnings).toEqual([]);
  });

  it('can differ for a listener', () => {
    const tls = 'tls: { mode: starttls, clientCertificates: { caFile: clients.pem } }';

    const { clients } = clientsOf(GOOD.replace('tls: starttls', tls));

    expect(clients?.authorities.toString()).toBe(ca.certificate);
  });

  it('can be none for a listener, though others ask', () => {
    const none = 'tls: { mode: starttls, clientCertificates: none }';
    const asked = GOOD.replace(
      'keyFile: key.pem',
      'keyFile: key.pem\n  clientCertificates: { caFile: clients.pem }',
    );

    expect(clientsOf(asked).clients).toBeDefined();
    expect(clientsOf(asked.replace('tls: starttls', none)).clients).toBeUndefined();
    expect(folder.problems(asked.replace('{ caFile: clients.pem }', '')).join()).toContain(
      'this is empty: a map of settings is needed',
    );
  });

  it('is refused where a file has not what it should', () => {
    expect(folder.refusal(asking('caFile: ¶key.pem'))).toContain('there is no certificate in this file');
    expect(folder.refusal(asking('caFile: ¶none.pem'))).toContain('there is no such file');
    expect(folder.refusal(asking('caFile: clients.pem, crlFile: ¶clients.pem'))).toBe(
      'there is no list of revoked certificates in this file (PEM: -----BEGIN X509 CRL----- …)',
    );
    expect(folder.refusal(asking('caFile: clients.pem, crlFile: ¶broken.crl'))).toContain("can't be read");
    expect(folder.problems(asking('crlFile: none.crl')).join()).toContain('clientCertificates.caFile');
  });

  it('warns of lists that would have clients refused', () => {
    const expired = clientsOf(asking('caFile: clients.pem, crlFile: old.crl'));
    const missing = clientsOf(asking('caFile: two.pem, crlFile: none.crl'));

    expect(expired.warnings).toEqual([
      expect.stringMatching(/^a list ended on .*: clients of its authority/),
    ]);
    expect(missing.warnings).toEqual(['no list of CN=Others: its clients are refused']);
  });
});
