import { hostname } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigFolder, GOOD, good } from '../support/config-folder.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

const NODE = '- { name: node-a, host: 192.0.2.1, kind: dovecot, tls: { caFile: ca.pem } }';

function nodes(text: string): string {
  return good(NODE, text);
}

describe('nodes', () => {
  it('have the usual ports for their TLS', () => {
    const { settings } = folder.load(
      nodes(`- { name: a, kind: dovecot }
  - { name: b, kind: dovecot, tls: starttls }
  - { name: c, kind: dovecot, ports: { imap: 1993 } }`),
    );

    expect(settings.nodes.map(({ ports }) => Object.fromEntries(ports))).toEqual([
      { imap: 993, pop3: 995, sieve: 4190 },
      { imap: 143, pop3: 110, sieve: 4190 },
      { imap: 1993, pop3: 995, sieve: 4190 },
    ]);
  });

  it('believe the proxy in the way of their kind, and must be told of the account', () => {
    const { settings } = folder.load(
      nodes(`- { name: a, kind: dovecot }
  - { name: b, kind: courier }
  - { name: c, kind: generic, trust: replay }
  - { name: d, kind: dovecot, trust: replay }`),
    );

    expect(settings.nodes.map(({ trust, required }) => [trust.kind, required])).toEqual([
      ['scram-sha-256', ['home', 'uid', 'gid']],
      ['cram-sha256', ['home', 'uid', 'gid']],
      ['replay', []],
      ['replay', []],
    ]);
  });

  it('may know the proxy by another name and key', () => {
    folder.write('other.key', 'another-key-of-this-proxy\n');

    const { settings } = folder.load(
      nodes('- { name: a, kind: dovecot, proxyName: front, keyFile: other.key }'),
    );

    const trust = settings.nodes[0]?.trust;
    expect(trust).toMatchObject({ name: 'front' });
    expect(trust?.kind === 'scram-sha-256' && trust.key.octets.toString()).toBe('another-key-of-this-proxy');
  });

  it('may be pinned to a certificate, in the way openssl writes it', () => {
    const pin = Array.from({ length: 32 }, () => 'AB').join(':');

    const { settings } = folder.load(nodes(`- { name: a, kind: dovecot, tls: { pin: '${pin}' } }`));

    expect(settings.nodes[0]?.tls).toMatchObject({ pin: 'ab'.repeat(32) });
    expect(folder.refusal(nodes("- { name: a, kind: dovecot, tls: { pin: ¶'AB:CD' } }"))).toContain(
      'this is not a SHA-256 fingerprint',
    );
  });

  it('are refused twice under one name', () => {
    expect(folder.refusal(nodes('- { name: a, kind: dovecot }\n  - { name: ¶A, kind: dovecot }'))).toBe(
      'nodes[0] has this name already (one node for a name)',
    );
  });

  it.each(['127.0.0.1', 'localhost'])('are refused at %s when that is our own listener', (host) => {
    const text = nodes(`- ¶{ name: a, host: ${host}, kind: dovecot, ports: { imap: 1143 } }`);

    expect(folder.refusal(text)).toContain("this proxy's own imap listener: logins would go round for ever");
  });

  it('are refused under any name of this host when we listen everywhere', () => {
    const text = nodes(`- ¶{ name: a, host: '${hostname()}', kind: dovecot, ports: { imap: 1143 } }`);

    expect(folder.refusal(text.replace('address: 127.0.0.1, ', ''))).toContain(
      "this proxy's own imap listener",
    );
  });

  it('may be on this host at other ports', () => {
    const text = nodes('- { name: a, host: 127.0.0.1, kind: dovecot, ports: { imap: 2143 } }');

    expect(folder.load(text).settings.nodes).toHaveLength(1);
  });

  it.each(['replay', 'plain-authzid'])('are refused with trust %s and no TLS', (trust) => {
    expect(
      folder.refusal(nodes(`- { name: a, host: 127.0.0.1, kind: generic, tls: none, trust: ¶${trust} }`)),
    ).toContain(`${trust} sends a password, so it needs TLS`);
  });

  it('are refused as Courier with a trust that does not carry the account', () => {
    expect(folder.refusal(nodes('- { name: a, kind: courier, trust: ¶scram-sha-256 }'))).toContain(
      'cram-sha256',
    );
  });

  it('need a trust to be chosen when they are of no known kind', () => {
    expect(folder.refusal(nodes('- ¶{ name: a, kind: generic }'))).toContain('trust is missing');
  });

  it('are warned of without TLS, unless they are on this host', () => {
    const far = folder.load(nodes('- { name: a, host: 192.0.2.1, kind: courier, tls: none }'));
    const near = folder.load(nodes('- { name: a, host: 127.0.0.1, kind: courier, tls: none }'));

    expect(far.warnings).toMatchObject([
      {
        setting: 'nodes[0].tls',
        message: expect.stringContaining('CRAM does not prove that it is the node'),
      },
    ]);
    expect(near.warnings).toEqual([]);
  });

  it.each(['*.mail.example.org', '*.example.org', 'node*.example.org', 'a.*.example.org'])(
    'may be allowed by the pattern %s, which ends in a domain',
    (name) => {
      const { settings } = folder.load(nodes(`- { name: '${name}', kind: dovecot }`));

      expect(settings.nodes[0]).toMatchObject({ name, host: undefined });
    },
  );

  it.each([
    ['*', 'ends in a domain of yours'],
    ['mail.*', 'ends in a domain of yours'],
    ['node*', 'ends in a domain of yours'],
    ['*.mail', 'ends in a domain of yours'],
    ['*.org', 'ends in a domain of yours'],
    ['mail.*.example', 'ends in a domain of yours'],
    ['*.a.1', 'ends in a domain of yours'],
    ['*example.org', 'as *.example.org'],
    ['*mail.example.org', 'as *.mail.example.org'],
    ['10.0.0.*', 'a node for each address'],
    ['10.*.1', 'a node for each address'],
    ['*.10', 'a node for each address'],
    ['*.0.0.1', 'a node for each address'],
  ])('are refused with the pattern %s, which matches strangers', (name, right) => {
    const refusal = folder.refusal(nodes(`- { name: ¶'${name}', kind: dovecot }`));

    expect(refusal).toContain('this matches hosts of strangers');
    expect(refusal).toContain(right);
  });

  it.each([
    ['127.0.0.1:23491', '127.0.0.1; ports have settings of their own'],
    ['[2001:db8::1]:143', '2001:db8::1; ports'],
    ['mail.example.org:143', 'mail.example.org; ports'],
    ['10.0.0.300', 'as mail.example.org'],
    ['1234', 'as mail.example.org'],
    ['a b', 'as mail.example.org'],
  ])('are refused with the host %s', (host, right) => {
    expect(folder.refusal(nodes(`- { name: a, host: ¶'${host}', kind: dovecot }`))).toContain(
      `this is not a host name or an IP address (${right}`,
    );
  });

  it.each(['2001:db8::1', 'fe80::1%eth0', 'mail.example.org.', 'node_1'])('may have the host %s', (host) => {
    const { settings } = folder.load(nodes(`- { name: a, host: '${host}', kind: dovecot }`));

    expect(settings.nodes).toMatchObject([{ host }]);
  });

  it('are refused with a pattern and one host for all', () => {
    expect(folder.refusal(nodes("- { name: '*.example.org', host: ¶192.0.2.1, kind: dovecot }"))).toContain(
      'a name with * stands for many hosts',
    );
  });

  it('are refused when they require what no directory says', () => {
    expect(folder.refusal(nodes('- ¶{ name: a, kind: dovecot, requires: [home, mail_host] }'))).toBe(
      'no directory says mail_host, which this node requires (forward: { mail_host: … } in a directory)',
    );
  });

  it('are refused when the proxy has no key, or one that could be guessed', () => {
    expect(folder.refusal(good('keyFile: proxy1.key', '').replace('- { name', '- ¶{ name'))).toContain(
      'homing secret makes one',
    );
    expect(folder.refusal(good('keyFile: proxy1.key', 'keyFile: ¶short.key'))).toContain(
      'shorter than 16 characters',
    );
  });

  it('are refused with an authority that is none', () => {
    folder.write('empty.pem', '');

    expect(folder.refusal(good('caFile: ca.pem', 'caFile: ¶empty.pem'))).toContain(
      'no certificate in this file',
    );
    expect(folder.refusal(good('caFile: ca.pem', 'caFile: ¶gone.pem'))).toContain('there is no such file');
  });

  it('have names that a directory can say', () => {
    expect(folder.refusal(nodes("- { name: ¶'a b', kind: dovecot }"))).toContain('not a host name');
    expect(folder.load(GOOD).settings.nodes).toHaveLength(1);
  });
});
