import { afterAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../auth/passwords/schemes.ts';
import { Secret } from '../../auth/secret.ts';
import type { DirectorySettings } from '../../src/config/directories.ts';
import { CANARY, ConfigFolder, GOOD, good } from '../support/config-folder.ts';

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

/** What Active Directory's preset leaves open. */
const TOLD = 'homeAttributes: [mailHost], forward: { home: /srv/%u, uid: 5000, gid: 5000 }';
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

  it('are followed as they can be, if nothing else is said', () => {
    expect(loaded(`  ${LDAP}urls: [ldaps://a] }`)).toMatchObject({
      name: 'ldaps://a:636/dc=example',
      options: { follow: { mode: 'auto', pollMs: 5000, recheckMs: 300_000, timestamp: 'modifyTimestamp' } },
    });
    expect(loaded(`  ${LDAP}urls: [ldaps://a], follow: off }`)).toMatchObject({
      options: { follow: undefined },
    });
    expect(
      loaded(`  ${LDAP}urls: [ldaps://a], preset: activeDirectory, ${TOLD} }`.replace('preset: qmail, ', '')),
    ).toMatchObject({
      options: { follow: { timestamp: 'whenChanged' } },
    });
  });

  it('are doubtful with a way to follow them that does nothing', () => {
    const { warnings } = folder.load(
      directories(
        '  - { kind: ldap, base: dc=example, preset: activeDirectory, urls: [ldaps://a], follow: sync, recheckEvery: 1s, ' +
          `${TOLD} }`,
      ),
    );

    expect(warnings).toMatchObject([
      { setting: 'directories[0].follow', message: expect.stringContaining('no content synchronisation') },
      { setting: 'directories[0].recheckEvery', message: expect.stringContaining('shorter than pollEvery') },
    ]);
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

  it.each([
    ["'(uid=%u'", '1 more )'],
    ['uid=%u', '((uid=%u))'],
    ["'(&(uid=%u)(mailHost=*)'", '1 more )'],
    ["'(uid=%u))'", '1 more ('],
  ])('are refused once with the filter %s, whose parentheses do not match', (filter, right) => {
    expect(folder.refusal(directories(`  ${LDAP}urls: [ldaps://a], filters: [¶${filter}] }`))).toBe(
      `the parentheses of this filter do not match (${right.startsWith('1') ? `${right} where they are missing` : right.slice(1, -1)})`,
    );
  });

  it('are told of %u for %s in a filter', () => {
    expect(folder.refusal(directories(`  ${LDAP}urls: [ldaps://a], filters: [¶(mail=%s)] }`))).toContain(
      '((mail=%u))',
    );
  });

  it.each(['people.example.org', 'ou=people,example', 'dc=a,,dc=b'])(
    'are refused with the base %s',
    (base) => {
      expect(folder.refusal(good('base: ou=people,dc=example,dc=org', `base: ¶'${base}'`))).toContain(
        'this is not a DN (the DN below which the accounts are',
      );
    },
  );

  it.each(['o=%d,o=internet', 'ou=a\\,b + l=c , dc=example', '2.5.4.10=x'])('take the base %s', (base) => {
    expect(
      folder.load(good('base: ou=people,dc=example,dc=org', `base: '${base}'`)).directories,
    ).toHaveLength(1);
  });

  it('search as a DN, or as Active Directory names its users', () => {
    const account = (name: string) => good('bindDn: cn=homing,dc=example,dc=org', `bindDn: ${name}`);
    const inActiveDirectory = account('homing@example.org').replace(
      'preset: qmail',
      'preset: activeDirectory\n    homeAttributes: [mailHost]\n    forward: { home: a, uid: b, gid: c }',
    );

    expect(folder.refusal(account('¶homing'))).toContain('this is not a DN');
    expect(folder.refusal(account('¶homing@example.org'))).toContain('this is not a DN');
    expect(folder.load(inActiveDirectory).directories).toHaveLength(1);
  });

  it('warns of passwords that are remembered though changes are not followed', () => {
    const cached = (follow: string) =>
      directories(`  ${LDAP}urls: [ldaps://a], follow: ${follow}, cache: { passwords: 5m } }`);

    expect(folder.load(cached('off')).warnings).toMatchObject([
      {
        setting: 'directories[0].cache.passwords',
        message: expect.stringContaining('was changed or locked lets in for 300s more'),
      },
    ]);
    expect(folder.load(cached('auto')).warnings).toEqual([]);
  });

  it('are warned of startTls for servers that are in TLS anyway', () => {
    const { warnings } = folder.load(directories(`  ${LDAP}urls: [ldaps://a], startTls: true }`));

    expect(warnings).toMatchObject([
      {
        setting: 'directories[0].startTls',
        hint: 'ldap:// with startTls: true, or ldaps:// without startTls',
      },
    ]);
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
    expect(directory).toMatchObject({
      options: {
        schema: {
          options: {
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
          },
        },
      },
    });
  });

  it('must say where the home is: Active Directory has no usual attribute for it', () => {
    const text = directories(`
  - ¶kind: ldif
    file: people.ldif
    preset: activeDirectory
    forward: { home: '/srv/%u', uid: 5000, gid: 5000 }`);

    expect(folder.refusal(text)).toContain('homeAttributes is missing');
  });

  it('has domains, without an @', () => {
    const text = good('    preset: qmail', "    preset: qmail\n    domains: [¶'@example.org']");

    expect(folder.refusal(text)).toBe('this is not a domain (example.org)');
  });

  it('is asked for domains of its own, or else for all', () => {
    const ldif = '- { kind: ldif, file: people.ldif, preset: qmail';
    const all = directories(`  ${ldif} }\n  - ¶{ kind: ldif, file: people.ldif, preset: qmail }`);
    const same = directories(
      `  ${ldif}, domains: [a.org] }\n  ${ldif}, domains: [b.org, ¶A.org] }\n  ${ldif} }`,
    );

    expect(folder.refusal(all)).toBe(
      'directories[0] is asked for all domains already, so this one never is (domains: [example.org] in one of them)',
    );
    expect(folder.refusal(same)).toContain('directories[0] is asked for A.org already');
    expect(folder.load(same.replace('¶A', 'c')).directories).toHaveLength(3);
  });

  it('is warned of a name near to one that nodes are told of', () => {
    const { warnings } = folder.load(
      good('    preset: qmail', '    preset: qmail\n    forward: { homedir: homeDirectory, acl: aclGroups }'),
    );

    expect(warnings).toMatchObject([
      { setting: 'directories[0].forward.homedir', hint: 'did you mean home?' },
    ]);
  });

  it('forwards under names in lower case', () => {
    const text = good('    preset: qmail', '    preset: qmail\n    forward: { ¶homeDir: homeDirectory }');

    expect(folder.refusal(text)).toContain('"homeDir" is not a name that can be here (what the node is told');
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

  it('are warned of passwords that nobody could log in with, by line and without the password', () => {
    folder.write(
      'mixed.ldif',
      `dn: uid=a\nuid: a\nuserPassword: ${CANARY}\n\ndn: uid=b\nuid: b\nuserPassword:: ${Buffer.from(`{PLAIN}${CANARY}`).toString('base64')}
userPassword: {CRYPT}${CANARY}\n\ndn: uid=c\nuid: c\nUserPassword: {ssha512}${CANARY}\n`,
    );
    const ldif = (more: string) =>
      folder.load(directories(`  - { kind: ldif, file: mixed.ldif, preset: qmail${more} }`)).warnings;

    expect(ldif('')).toMatchObject([
      {
        setting: 'directories[0].file',
        message: expect.stringContaining('mixed.ldif, line 3, 7: a password in clear'),
      },
      {
        message: expect.stringContaining('line 8: a password hashed in a way'),
        hint: expect.stringContaining('homing hash'),
      },
    ]);
    expect(ldif(', allowCleartext: true')).toHaveLength(1);
    expect(JSON.stringify(ldif(''))).not.toContain(CANARY);
  });

  it('are not warned of what homing hash makes', async () => {
    const schemes = ['ARGON2', 'SSHA512', 'SCRAM-SHA-256'] as const;
    const secret = new Secret(Buffer.from(CANARY));
    const lines = await Promise.all(schemes.map((scheme) => hashPassword(scheme, secret)));
    folder.write(
      'hashed.ldif',
      `dn: uid=a\nuid: a\n${lines.map((line) => `userPassword: ${line}\n`).join('')}`,
    );

    const text = directories('  - { kind: ldif, file: hashed.ldif, preset: qmail }');

    expect(folder.load(text).warnings).toEqual([]);
  });

  it('are refused with a file that others can read, since it has password hashes', () => {
    folder.write('open.ldif', 'dn: uid=a\nuid: a\n', 0o644);

    expect(folder.refusal(directories('  - { kind: ldif, file: ¶open.ldif, preset: qmail }'))).toContain(
      'chmod 600',
    );
  });
});
