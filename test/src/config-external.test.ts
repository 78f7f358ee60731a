import { afterAll, describe, expect, it } from 'vitest';
import { ConfigFolder, GOOD, good } from '../support/config-folder.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

const PIN = 'AB:'.repeat(31).concat('CD');

describe('external', () => {
  it('says which field of a certificate is the login name', () => {
    const { settings } = folder.load(`${GOOD}external: { user: email }\n`);

    expect(settings.external).toEqual({ user: 'email', entries: [] });
  });

  it('maps certificates to accounts by one field each', () => {
    const { settings } = folder.load(`${GOOD}external:
  map:
    - { fingerprint: '${PIN}', account: ann }
    - { subject: 'CN=bob,O=Example', account: bob }
`);

    expect(settings.external).toEqual({
      user: undefined,
      entries: [
        { field: 'fingerprint', value: `${'ab'.repeat(31)}cd`, account: 'ann' },
        { field: 'subject', value: 'CN=bob,O=Example', account: 'bob' },
      ],
    });
  });

  it('is nothing where it is left out', () => {
    expect(folder.load(GOOD).settings.external).toBeUndefined();
  });

  it.each([
    ['that lets nobody in', 'external: ¶{}', 'this lets nobody in (user: email, or a map)'],
    [
      'with a misspelt field',
      'external: { user: email, ¶maps: [] }',
      'there is no setting "maps" (did you mean map?)',
    ],
    [
      'with an entry without a certificate',
      'external: { map: [¶{ account: ann }] }',
      'this names no certificate (one of fingerprint, subject, email, commonName, and the account)',
    ],
    [
      'with an entry that could mean two certificates',
      'external: { map: [¶{ account: ann, email: a@b, commonName: ann }] }',
      'this names a certificate in two ways (one of fingerprint, subject, email, commonName, and the account)',
    ],
    [
      'with half a fingerprint',
      "external: { map: [{ account: ann, fingerprint: ¶'AB:CD' }] }",
      'this is not a SHA-256 fingerprint (SHA-256 fingerprint of the certificate in hex)',
    ],
  ])('is refused %s', (_what, text, problem) => {
    expect(folder.refusal(`${GOOD}${text}\n`)).toBe(problem);
  });

  const OFFERED = good('tls: starttls }', 'tls: starttls, mechanisms: [PLAIN, ¶EXTERNAL] }');
  const WITH_MAP = `${OFFERED}external: { user: email }\n`;

  it('is refused where no certificate can come', () => {
    expect(folder.refusal(WITH_MAP)).toBe(
      'EXTERNAL is never offered here, as no client is asked for a certificate ' +
        '(tls.clientCertificates, or proxyProtocol from balancers that ask for them)',
    );
  });

  it.each([
    [
      'the listener asks for certificates',
      'tls: starttls',
      'tls: { mode: starttls, clientCertificates: { caFile: ca.pem } }',
    ],
    [
      'all listeners do',
      '  keyFile: key.pem',
      '  keyFile: key.pem\n  clientCertificates: { caFile: ca.pem }',
    ],
    ['a balancer does', 'tls: starttls', 'tls: starttls, proxyProtocol: { from: [192.0.2.9] }'],
  ])('is good where %s', (_what, part, by) => {
    const { settings } = folder.load(WITH_MAP.replace('¶', '').replace(part, by));

    expect(settings.external?.user).toBe('email');
  });

  it('is needed where a listener offers EXTERNAL', () => {
    expect(folder.refusal(OFFERED)).toBe(
      'EXTERNAL needs the setting external (external: { user: email }, or a map)',
    );
  });
});
