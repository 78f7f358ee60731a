import { afterAll, describe, expect, it } from 'vitest';
import type { DirectorySettings } from '../../src/config/directories.ts';
import { ConfigFolder, GOOD, good } from '../support/config-folder.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

const START = GOOD.indexOf('  - kind: ldap');
const END = GOOD.indexOf('nodes:');

function directories(text: string): string {
  return `${GOOD.slice(0, START)}${text.replace(/^\n/, '')}\n${GOOD.slice(END)}`;
}

function loaded(text: string): DirectorySettings | undefined {
  return folder.load(directories(text)).directories[0];
}

const LDAP = '- { kind: ldap, base: dc=example, preset: qmail, ';

describe('LDAP directories', () => {
  it('have the usual ports, and TLS as their URL says', () => {
    const directory = loaded(`  ${LDAP}urls: [ldaps://a, 'ldaps://[2001:db8::1]:1636', ldap://127.0.0.1] }`);

    expect(directory?.options).toMatchObject({
      servers: [
        { host: 'a', port: 636, tls: 'implicit' },
        { host: '2001:db8::1', port: 1636, tls: 'implicit' },
        { host: '127.0.0.1', port: 389, tls: 'none' },
      ],
      order: 'failover',
      account: undefined,
      connectMs: 2000,
      operationMs: 3000,
    });
  });

  it('go on in TLS when that is asked for', () => {
    expect(loaded(`  ${LDAP}urls: [ldap://a], startTls: true, caFile: ca.pem }`)?.options).toMatchObject({
      servers: [{ port: 389, tls: 'startTls', ca: expect.any(Buffer) }],
    });
  });

  it('get no password in clear text, unless that is asked for by name', () => {
    expect(folder.refusal(directories(`  ${LDAP}urls: [ldaps://a, ¶ldap://b] }`))).toBe(
      'passwords would go to b in clear text (ldaps://, or startTls: true; or insecure: true where nobody can listen in)',
    );
    expect(loaded(`  ${LDAP}urls: [ldap://b], insecure: true }`)?.options).toMatchObject({
      servers: [{ tls: 'none' }],
    });
  });

  it('are refused with a URL that is none', () => {
    expect(folder.refusal(directories(`  ${LDAP}urls: [¶'http://a'] }`))).toContain(
      'not the URL of an LDAP server',
    );
    expect(folder.refusal(directories(`  ${LDAP}urls: [¶'ldap://a:99999'] }`))).toContain(
      'not the URL of an LDAP server',
    );
  });

  it('need the password of the DN that searches, and no password without a DN', () => {
    expect(
      folder.refusal(good('    passwordFile: ldap.password\n', '').replace('bindDn: ', 'bindDn: ¶')),
    ).toContain('bindDn needs a passwordFile');
    expect(
      folder.refusal(
        good('    bindDn: cn=homing,dc=example,dc=org\n', '').replace('ldap.password', '¶ldap.password'),
      ),
    ).toContain('there is no bindDn');
  });

  it('need a base', () => {
    expect(
      folder.refusal(
        good('    base: ou=people,dc=example,dc=org\n', '').replace('kind: ldap', '¶kind: ldap'),
      ),
    ).toContain('base is missing');
  });

  it('are refused with a filter that finds the same entry for every name', () => {
    expect(
      folder.refusal(directories(`  ${LDAP}urls: [ldaps://a], filters: [(uid=%u), ¶(uid=admin)] }`)),
    ).toContain('it needs %u or %n');
  });

  it('may leave passwords to nodes, if there is one that verifies them', () => {
    const text = directories(`  ${LDAP}urls: [ldaps://a], verify: ¶node }`);

    expect(folder.refusal(text)).toContain('nobody would verify a password');
    const replay = text.replace('¶', '').replace('kind: dovecot', 'kind: dovecot, trust: replay');
    expect(folder.load(replay).directories[0]?.options).toMatchObject({ verify: 'node' });
  });
});

describe('every directory', () => {
  it('has a preset, of which each setting can be replaced', () => {
    const directory = loaded(`
  - kind: ldif
    file: people.ldif
    domains: [example.org]
    preset: qmail
    nameAttribute: mail
    homeAttributes: [mailHost, spareHost]
    status:
      - { kind: table, attribute: state, values: { on: active }, absent: disabled }
    services:
      - { kind: forbiddenBy, attributes: { imap: noImap } }
    forward: { home: '/srv/%d/%n', uid: 5000, acl: aclGroups }`);

    expect(directory?.domains).toEqual(['example.org']);
    expect(directory?.options.schema.options).toMatchObject({
      filters: ['(&(objectClass=qmailUser)(|(uid=%u)(mail=%u)(mailAlternateAddress=%u)))'],
      name: 'mail',
      home: ['mailHost', 'spareHost'],
      status: [{ kind: 'table', attribute: 'state', absent: 'disabled', unknown: 'disabled' }],
      services: [{ kind: 'forbiddenBy', attributes: { imap: 'noImap' } }],
      forward: {
        home: { kind: 'template', template: '/srv/%d/%n' },
        uid: { kind: 'template', template: '5000' },
        gid: { kind: 'attribute', attribute: 'gidNumber' },
        acl: { kind: 'attribute', attribute: 'aclGroups' },
      },
    });
  });

  it('must say where the home is: Active Directory has no usual attribute for it', () => {
    const text = directories(`
  - ¶kind: ldif
    file: people.ldif
    preset: activeDirectory
    forward: { home: '/srv/%u', uid: 5000, gid: 5000 }`);

    expect(folder.refusal(text)).toContain('home: name the attribute that holds the home node');
  });

  it('is told of a mistake deep inside', () => {
    const rule = '{ kind: table, attribute: a, values: { on: ¶actve } }';

    expect(
      folder.refusal(directories(`  - { kind: ldif, file: people.ldif, preset: qmail, status: [${rule}] }`)),
    ).toBe('this is not one of active, disabled, held, locked (did you mean active?)');
  });
});

describe('LDIF directories', () => {
  it('are refused with a file that is no LDIF', () => {
    folder.write('broken.ldif', 'dn: uid=a\nuid a\n');

    expect(folder.refusal(directories('  - { kind: ldif, file: ¶broken.ldif, preset: qmail }'))).toContain(
      'line 2',
    );
  });

  it('are refused with a file that others can read, since it has password hashes', () => {
    folder.write('open.ldif', 'dn: uid=a\nuid: a\n', 0o644);

    expect(folder.refusal(directories('  - { kind: ldif, file: ¶open.ldif, preset: qmail }'))).toContain(
      'chmod 600',
    );
  });
});
