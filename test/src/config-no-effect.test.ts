import { afterAll, describe, expect, it } from 'vitest';
import { ConfigFolder, GOOD, good } from '../support/config-folder.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

const LISTENER = '- { protocol: imap, address: 127.0.0.1, port: 1143, tls: starttls }';
const CERTIFICATES = 'clientCertificates: { caFile: ca.pem }';

function listeners(...each: readonly string[]): string {
  return good(LISTENER, each.map((one) => `- ${one}`).join('\n  '));
}

function warned(text: string): string[] {
  return folder.load(text).warnings.map(({ setting, message }) => `${setting}: ${message}`);
}

describe('settings without effect', () => {
  const NOBODY = 'no client is let in by its certificate, as EXTERNAL is not offered';
  const withTls = (text: string) => text.replace('\ntls:\n', `\ntls:\n  ${CERTIFICATES}\n`);

  it('are certificates of clients, and what they are of, where nobody offers EXTERNAL', () => {
    expect(warned(`${withTls(GOOD)}external: { user: email }\n`)).toEqual([
      `external: ${NOBODY}`,
      `tls.clientCertificates: ${NOBODY}`,
    ]);
    expect(warned(listeners(`{ protocol: imap, tls: { mode: starttls, ${CERTIFICATES} } }`))).toEqual([
      `listeners[0].tls.clientCertificates: ${NOBODY} here`,
    ]);
  });

  it('are not those that some listener uses', () => {
    const external = '{ protocol: imap, mechanisms: [EXTERNAL, PLAIN] }';

    expect(
      warned(`${withTls(listeners(external, '{ protocol: pop3 }'))}external: { user: email }\n`),
    ).toEqual([]);
  });

  it('are balancers without headers where each listener has headers', () => {
    const proxied = '{ protocol: imap, proxyProtocol: { from: [192.0.2.10] } }';
    const balancers = 'balancers: [192.0.2.10]\n';
    const effect = expect.stringMatching(/^balancers\[0\]: each listener has its clients introduced/);

    expect(warned(listeners(proxied) + balancers)).toContainEqual(effect);
    expect(warned(listeners(proxied, '{ protocol: pop3 }') + balancers)).not.toContainEqual(effect);
  });
});

describe('names that lead nowhere', () => {
  it.each([
    ['a.org: b.org, ¶b.org: a.org', 'only one of the two lines'],
    ['¶a.org: b.org, b.org: c.org', 'a.org: c.org'],
  ])('are refused as other names of a domain: %s', (aliases, hint) => {
    const text = `${GOOD}names: { domainAliases: { ${aliases.replace('¶', '')} } }\n`;

    expect(folder.problems(text)).toContainEqual(expect.stringContaining(`itself (${hint})`));
  });

  it.each([
    ['@example.org', 'example.org'],
    ['*@example.org', 'example.org'],
    ['ann@', "as example.org, ann@example.org, or '*' alone for everybody"],
    [' ann', "as example.org, ann@example.org, or '*' alone for everybody"],
  ])('are refused for a delegate: %j', (name, hint) => {
    const text = `${GOOD}delegates:\n  - { account: w, mayActFor: [¶'${name}'] }\n`;

    expect(folder.refusal(text)).toBe(`this is no name and no domain, so it covers nobody (${hint})`);
  });

  it.each(['*', 'example.org', 'ann@example.org', 'ann', 'John Doe', 'a'])('are not %j', (name) => {
    const text = `${GOOD}delegates:\n  - { account: w, mayActFor: ['${name}'] }\n`;

    expect(folder.load(text).settings.delegates?.[0]?.mayActFor).toEqual([name]);
  });
});

describe('a protocol by another name', () => {
  it.each([
    ['imaps', 'protocol: imap, which is in TLS from the start, on port 993, unless tls says otherwise'],
    ['pop3s', 'protocol: pop3, which is in TLS from the start, on port 995, unless tls says otherwise'],
    ['managesieve', 'protocol: sieve, with tls: starttls'],
    ['imao', 'did you mean imap?'],
    ['smtp', 'the mail protocol: imap, pop3 or sieve'],
  ])('is refused with what is right: %s', (name, hint) => {
    expect(folder.refusal(listeners(`{ protocol: ¶${name} }`))).toBe(
      `this is not one of imap, pop3, sieve (${hint})`,
    );
  });
});

describe('an unknown mechanism', () => {
  it('is refused with those of the protocol', () => {
    const refusal = (protocol: string) =>
      folder.refusal(listeners(`{ protocol: ${protocol}, mechanisms: [¶GSSAPI] }`));

    expect(refusal('imap')).toMatch(/one of PLAIN, LOGIN, .*XOAUTH2 \(/);
    expect(refusal('pop3')).toMatch(/one of PLAIN, LOGIN, .*XOAUTH2, APOP \(/);
  });
});
