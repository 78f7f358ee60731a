import { afterAll, describe, expect, it } from 'vitest';
import { hashScram } from '../../auth/passwords/scram.ts';
import { Secret } from '../../auth/secret.ts';
import { ConfigFolder, GOOD, good } from '../support/config-folder.ts';
import { run } from '../support/test-terminal.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

const SCRAM = `dn: uid=ann,dc=example\nuid: ann\nuserPassword: ${await hashScram(new Secret(Buffer.from('x')), 4096)}\n`;
const HASH = '\ndn: uid=bob,dc=example\nuid: bob\nuserPassword: {SSHA512}AAAA\n';
const CLEAR = '\ndn: uid=cat,dc=example\nuid: cat\nuserPassword: secret\n';

const LISTENER = '- { protocol: imap, address: 127.0.0.1, port: 1143, tls: starttls }';
const LDAP = GOOD.slice(GOOD.indexOf('  - kind: ldap'), GOOD.indexOf('nodes:'));
const ldap = (settings: string) => `${LDAP}    ${settings}\n`;
const ldif = (settings = '') =>
  `  - { kind: ldif, domains: [x.org], file: offers.ldif, base: dc=example, preset: qmail${settings} }\n`;

/** A configuration with these directories and one listener. */
function config(directories: string, listener = LISTENER): string {
  return good(LDAP, directories).replace(LISTENER, listener);
}

function offered(directories: string): readonly string[] | undefined {
  return folder.load(config(directories)).settings.listeners[0]?.mechanisms;
}

function naming(mechanisms: string, terms = 'protocol: imap, tls: starttls'): string {
  return `- { ${terms}, mechanisms: [${mechanisms}] }`;
}

describe('M3 M9 the usual mechanisms of a listener', () => {
  const ALL = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'PLAIN', 'LOGIN'];

  it.each([
    ['LDAP without the right to read passwords', ldap(''), '', ['PLAIN', 'LOGIN']],
    ['LDAP whose hashes are compared', ldap('verify: hash'), '', ['PLAIN', 'LOGIN']],
    ['LDAP that is read for nothing else', ldap('readPasswords: true'), '', ALL],
    ['a file with SCRAM keys', ldif(), SCRAM, ALL],
    ['a file in which one account has none', ldif(), SCRAM + HASH, ['PLAIN', 'LOGIN']],
    ['a file without passwords', ldif(), 'dn: uid=ann,dc=example\nuid: ann\n', ['PLAIN', 'LOGIN']],
    ['a file with clear text that is allowed', ldif(', allowCleartext: true'), SCRAM + CLEAR, ALL],
    ['one directory with keys and one without', ldap('') + ldif(), SCRAM, ['PLAIN', 'LOGIN']],
    ['two directories with keys', ldap('readPasswords: true') + ldif(), SCRAM, ALL],
  ])('work for everybody: %s', (_what, directories, content, expected) => {
    folder.write('offers.ldif', content);

    expect(offered(directories)).toEqual(expected);
  });

  it('are shown by homing check', async () => {
    folder.write('offers.ldif', SCRAM);

    const { output } = await run(['check', folder.write('homing.yaml', config(ldif()))]);

    expect(output).toContain('STARTTLS, offers SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\n');
    expect(output).toContain('passwords by hash, stored passwords are read\n');
  });
});

describe('the mechanisms that a listener names', () => {
  it('are offered in this order', () => {
    const text = config(ldap('readPasswords: true'), naming('PLAIN, SCRAM-SHA-1, SCRAM-SHA-256'));

    expect(folder.load(text).settings.listeners[0]?.mechanisms).toEqual([
      'PLAIN',
      'SCRAM-SHA-1',
      'SCRAM-SHA-256',
    ]);
  });

  it.each(['SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS', 'SCRAM-SHA-1', 'CRAM-MD5'])(
    'are refused where no directory gives what %s needs',
    (mechanism) => {
      expect(folder.refusal(config(ldap(''), naming(`PLAIN, ¶${mechanism}`)))).toBe(
        `${mechanism} needs what is stored of a password, and no directory is read for that ` +
          '(readPasswords: true (or verify: hash) for a directory; deploy/openldap/README.md tells which right bindDn needs)',
      );
    },
  );

  it.each([
    ['CRAM-MD5', 'protocol: imap, tls: starttls'],
    ['APOP', 'protocol: pop3'],
  ])('are refused where %s would need clear text that no directory may have', (mechanism, terms) => {
    const refusal = folder.refusal(config(ldap('readPasswords: true'), naming(`¶${mechanism}`, terms)));

    expect(refusal).toBe(
      `${mechanism} needs passwords in clear text, and no directory may have them ` +
        '(SCRAM-SHA-256; or allowCleartext: true for a directory)',
    );
  });

  it.each([
    ['SCRAM-SHA-1', ldif(), SCRAM],
    ['SCRAM-SHA-256', ldif(), HASH + CLEAR],
    ['CRAM-MD5', ldif(', allowCleartext: true'), SCRAM],
  ])('are warned of where the file has nothing that %s works with', (mechanism, directories, content) => {
    folder.write('offers.ldif', content);

    const { warnings } = folder.load(config(directories, naming(`PLAIN, ${mechanism}`)));

    expect(warnings).toContainEqual(
      expect.objectContaining({
        setting: 'listeners[0].mechanisms[1]',
        message: `no password that is stored in the LDIF file works with ${mechanism}, so nobody can log in by it`,
      }),
    );
  });

  it.each([
    ['SCRAM-SHA-256', ldif(), SCRAM + HASH],
    ['SCRAM-SHA-1', ldif(', allowCleartext: true'), SCRAM + CLEAR],
    ['SCRAM-SHA-1', ldap('readPasswords: true') + ldif(), SCRAM],
  ])('are not warned of where %s may work for somebody', (mechanism, directories, content) => {
    folder.write('offers.ldif', content);

    expect(folder.load(config(directories, naming(mechanism))).warnings).toEqual([]);
  });

  it('may need clear text where a directory has it', () => {
    const text = config(
      ldap('readPasswords: true\n    allowCleartext: true'),
      naming('APOP, CRAM-MD5, PLAIN', 'protocol: pop3'),
    );

    expect(folder.load(text).settings.listeners[0]?.mechanisms).toEqual(['APOP', 'CRAM-MD5', 'PLAIN']);
  });

  it('M4 are refused with APOP in IMAP, before STLS, twice, or bound to no TLS', () => {
    const refusal = (mechanisms: string, terms: string) =>
      folder.refusal(
        config(ldap('readPasswords: true\n    allowCleartext: true'), naming(mechanisms, terms)),
      );

    expect(refusal('¶APOP', 'protocol: imap')).toContain('APOP is a command of POP3');
    expect(refusal('¶APOP', 'protocol: pop3, tls: starttls')).toContain('comes before STLS');
    expect(refusal('PLAIN, ¶PLAIN', 'protocol: imap')).toContain('in the list already');
    expect(refusal('¶SCRAM-SHA-256-PLUS', 'protocol: imap, tls: none, allowPlaintext: true')).toContain(
      'there is none (SCRAM-SHA-256)',
    );
  });

  it('are not judged by directories that have problems of their own', () => {
    const text = config(ldap('readPasswords: maybe'), naming('SCRAM-SHA-256'));

    expect(folder.problems(text)).toEqual([expect.stringContaining('directories[0].readPasswords')]);
  });
});

describe('readPasswords', () => {
  it('is refused where only nodes verify passwords', () => {
    const text = config(ldap('verify: node\n    readPasswords: ¶true')).replace(
      'kind: dovecot,',
      'kind: generic, trust: replay,',
    );

    expect(folder.refusal(text)).toContain('each node wants the password itself');
  });
});
