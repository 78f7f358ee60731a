import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { deriveStoredKey } from '../../auth/mechanisms/scram-keys.ts';
import { verifyPassword } from '../../auth/passwords/schemes.ts';
import { Secret } from '../../auth/secret.ts';
import { answerAll, ScriptedLdap, searchDone, searchEntry } from '../auth/ldap/scripted-ldap.ts';
import { CANARY, ConfigFolder, GOOD, good } from '../support/config-folder.ts';
import { run } from '../support/test-terminal.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

function file(name: string): string {
  return join(folder.path, name);
}

describe('homing', () => {
  it('tells its commands, with examples and exit codes', async () => {
    const { code, output } = await run(['--help']);

    expect(code).toBe(0);
    expect(output).toContain('homing check <file>');
    expect(output).toContain('Exit codes: 0 done');
  });

  it.each(['serve', 'check', 'explain', 'secret', 'hash'])('explains %s', async (command) => {
    const { code, output } = await run([command, '--help']);

    expect(code).toBe(0);
    expect(output).toContain(`homing ${command}`);
  });

  it.each([
    [[], 'which command?'],
    [['chekc'], 'check'],
    [['check'], 'homing: which file? homing check FILE\n'],
    [['explain', '-c', 'x'], 'homing: which user? homing explain USER\n'],
    [['serve', '--cofnig', 'x'], 'cofnig'],
  ])('ends with code 2 for %j', async (args, message) => {
    const { code, errors } = await run(args);

    expect(code).toBe(2);
    expect(errors).toContain(message);
  });
});

const { subjectAltName = '', validTo } = new X509Certificate(readFileSync(join(folder.path, 'cert.pem')));
const SHOWN = `${subjectAltName.replaceAll(/(DNS|IP Address):/g, '')}, until ${new Date(validTo).toISOString().slice(0, 10)}`;

describe('homing check', () => {
  it('says what a good configuration would run', async () => {
    const path = folder.write('homing.yaml', GOOD);

    const { code, output } = await run(['check', path]);

    expect(code).toBe(0);
    expect(output).toBe(`${path}: ok
  listens      imap on 127.0.0.1 port 1143, STARTTLS, offers PLAIN LOGIN
  shows        a certificate of ${SHOWN}
  asks         ldaps://ldap1.example.org:636 for all domains, below ou=people,dc=example,dc=org, passwords by bind
  connects to  node-a at 192.0.2.1 (dovecot), imap 993, pop3 995, sieve 4190, TLS from the start, scram-sha-256 as proxy1, must be told home, uid, gid
  throttles    beyond 4 wrong passwords of a user, 6 of one at an address, 30 of an address, within 15 min (defaults)
  limits       8000 connections, 4000 not logged in, 20 of those of an address, 80 of a /48 of IPv6, 10 failed logins on one connection (defaults)
  logs         info and above, auto
  admin        no listener
`);
  });

  it('says who may act for others, who introduces clients, and which limits are not the usual ones', async () => {
    const proxied = good(
      'tls: starttls',
      'tls: starttls, proxyProtocol: { from: [192.0.2.10, 10.0.0.0/24] }',
    );
    const more = `delegates: [{ account: webmail, mayActFor: [example.org, '*'] }]
limits: { connections: 100, sessionsPerUser: 9 }
throttle: { perUser: 3, exempt: [192.0.2.25] }
groups: [{ name: pool, kind: shared, members: [{ node: node-a, weight: 3, priority: 2 }] }]
`;
    const path = folder.write(
      'homing.yaml',
      proxied.replace('preset: qmail', 'preset: qmail\n    delegateAttribute: mayActFor') + more,
    );

    const { output } = await run(['check', path]);

    expect(output).toContain('  spreads over group pool (shared): node-a weight 3 priority 2\n  throttles ');
    expect(output).toContain(', by PROXY header from 192.0.2.10, 10.0.0.0/24, offers');
    expect(output).toContain('passwords by bind, delegates by mayActFor\n');
    expect(output).toContain('  lets act     webmail for example.org, everybody\n');
    expect(output).toContain('  throttles    beyond 3 wrong passwords of a user');
    expect(output).toContain('within 15 min, no address of 192.0.2.25\n');
    expect(output).toContain(
      '  limits       100 connections, 4000 not logged in, 20 of those of an address, 80 of a /48 of IPv6, 9 sessions of a user, ',
    );
    expect(output).not.toContain('(defaults)');
  });

  it('points at each mistake, and ends with code 1', async () => {
    const path = folder.write(
      'homing.yaml',
      good('address: 127.0.0.1', 'adress: 127.0.0.1').replace('imap', 'imao'),
    );

    const { code, output, errors } = await run(['check', path]);

    expect([code, output]).toEqual([1, '']);
    expect(errors).toBe(`${path}:5:17: listeners[0].protocol: this is not one of imap, pop3, sieve
      - { protocol: imao, adress: 127.0.0.1, port: 1143, tls: starttls }
                    ^
    right: did you mean imap?
${path}:5:23: listeners[0].adress: there is no setting "adress"
      - { protocol: imao, adress: 127.0.0.1, port: 1143, tls: starttls }
                          ^
    right: did you mean address?
`);
  });

  it('warns of what is allowed but seldom meant', async () => {
    const path = folder.write('homing.yaml', good('tls: { caFile: ca.pem }', 'tls: none'));

    const { code, output } = await run(['check', path]);

    expect(code).toBe(0);
    expect(output).toContain('warning: ');
    expect(output).toContain('without TLS mail to this node can be read on the way');
  });

  it('shows no secret', async () => {
    const path = folder.write('homing.yaml', good('passwordFile: ldap.password', `password: ${CANARY}`));
    const bad = await run(['check', path]);
    folder.write('homing.yaml', GOOD);
    const fine = await run(['check', path]);

    expect(JSON.stringify([bad, fine])).not.toContain(CANARY);
  });

  it('says in one line that there is no such file', async () => {
    const { code, errors } = await run(['check', '/nowhere/homing.yaml']);

    expect(code).toBe(1);
    expect(errors).toBe("homing: can't read the configuration /nowhere/homing.yaml: there is no such file\n");
  });
});

describe('homing hash', () => {
  it.each(['ARGON2', 'SSHA512', 'SCRAM-SHA-256'])(
    'makes a line in scheme %s that verifies',
    async (scheme) => {
      const { code, output } = await run(['hash', '--scheme', scheme], 'pässwörd x\nanother line\n');

      expect(code).toBe(0);
      const stored = output.trimEnd().replace('userPassword: ', '');
      expect(stored).toMatch(new RegExp(`^\\{${scheme}\\}`));
      const verify = (password: string) =>
        verifyPassword(
          [stored],
          new Secret(Buffer.from(password)),
          { allowCleartext: false },
          AbortSignal.timeout(4000),
        );
      expect(await verify('pässwörd x')).toBe('right');
      expect(await verify('another')).toBe('wrong');
    },
  );

  it('refuses an empty password', async () => {
    expect(await run(['hash'], '\n')).toEqual({
      code: 1,
      output: '',
      errors: 'homing: no password was given\n',
    });
  });
});

describe('homing secret', () => {
  it('makes a key that only its owner can read, and prints what the nodes need', async () => {
    const path = file('made.key');

    const { code, output } = await run(['secret', '--name', 'front-1', '--out', path]);

    expect(code).toBe(0);
    const key = readFileSync(path, 'latin1').trimEnd();
    expect(key).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(output).toContain(`    name: front-1\n    keyFile: ${path}\n`);
    expect(output).toContain(`    front-1:${key}\n`);
    const [, iterations, salt, storedKey, serverKey] =
      /^ {4}front-1:\{SCRAM-SHA-256\}(\d+),([^,]+),([^,]+),([^:]+)::::::$/m.exec(output) ?? [];
    const derived = await deriveStoredKey(
      new Secret(Buffer.from(key)),
      Buffer.from(salt ?? '', 'base64'),
      Number(iterations),
    );
    expect([iterations, storedKey, serverKey]).toEqual([
      '4096',
      derived.storedKey.toString('base64'),
      derived.serverKey.toString('base64'),
    ]);
  });

  it('makes the secret of decoys, which no node gets', async () => {
    const path = file('decoys.secret');

    const { code, output } = await run(['secret', '--decoys', '--out', path]);

    expect(code).toBe(0);
    const secret = readFileSync(path, 'latin1').trimEnd();
    expect(secret).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(output).toContain(`    scramDecoys: { secretFile: ${path} }\n`);
    expect(output).not.toContain(secret);
    expect((await run(['secret', '--decoys', '--out', path])).code).toBe(1);
    expect((await run(['secret', '--decoys', '--show', path])).code).toBe(2);
  });

  it('overwrites no key unasked', async () => {
    const path = folder.write('kept.key', 'a-key-that-is-in-use-now\n');

    const refused = await run(['secret', '--out', path]);

    expect(refused.code).toBe(1);
    expect(refused.errors).toContain('--force overwrites it');
    expect(readFileSync(path, 'latin1')).toBe('a-key-that-is-in-use-now\n');
    expect((await run(['secret', '--out', path, '--force'])).code).toBe(0);
    expect(readFileSync(path, 'latin1')).not.toBe('a-key-that-is-in-use-now\n');
  });

  it('prints the lines of a key that exists', async () => {
    const path = folder.write('shown.key', 'a-key-that-is-in-use-now\n');

    const { code, output } = await run(['secret', '--show', path]);

    expect(code).toBe(0);
    expect(output).toContain('    proxy1:a-key-that-is-in-use-now\n');
    expect(output).toContain('    proxy1:{SCRAM-SHA-256}4096,');
  });

  it('shows no key that others can read, as it is none any more', async () => {
    const path = folder.write('open.key', 'a-key-that-others-can-read\n', 0o644);

    const { code, errors } = await run(['secret', '--show', path]);

    expect(code).toBe(1);
    expect(errors).toContain('make a new key');
  });

  it.each([
    ['--name', 'a:b'],
    ['--iterations', '10'],
  ])('refuses %s %s', async (option, value) => {
    expect((await run(['secret', option, value, '--out', file('never.key')])).code).toBe(2);
  });
});

describe('homing explain', () => {
  const LDIF = `dn: uid=ann,dc=example
objectClass: qmailUser
uid: ann
mail: ann@example.org
mailHost: node-a
homeDirectory: /srv/ann
uidNumber: 5000
gidNumber: 5000
userPassword: ${CANARY}

dn: uid=bob,dc=example
objectClass: qmailUser
uid: bob
mail: bob@example.org
mailHost: elsewhere
accountStatus: disabled
userPassword: ${CANARY}

dn: uid=carl,dc=example
objectClass: qmailUser
uid: carl
mail: carl@example.org
mailHost: node-a
homeDirectory: /srv/carl
uidNumber: 5000
gidNumber: 5000
userPassword: other
`;

  function explain(args: readonly string[], input = '', more = '', status = '') {
    folder.write('people.ldif', LDIF);
    const directory = `  - { kind: ldif, file: people.ldif, preset: qmail, nameAttribute: mail, allowCleartext: true${status && `, ${status}`} }\n`;
    const text = `${GOOD.slice(0, GOOD.indexOf('  - kind: ldap'))}${directory}${GOOD.slice(GOOD.indexOf('nodes:'))}`;
    return run(
      ['explain', '--no-probe', '-c', folder.write('explain.yaml', `${text}${more}`), ...args],
      input,
    );
  }

  it('shows each step to the node, with its time', async () => {
    const { code, output } = await explain(['ANN']);

    expect(code).toBe(0);
    const steps = output.trimEnd().split('\n');
    expect(steps.every((step) => /^ *\d+\.\d ms {2}\w+ +/.test(step))).toBe(true);
    expect(steps.map((step) => step.replace(/^ *\d+\.\d ms {2}/, ''))).toEqual([
      'name       ann',
      expect.stringMatching(/^search .*: uid=ann,dc=example$/),
      'account    ann@example.org',
      'home       node-a',
      'forward    quota=0 (no mailQuotaSize in the entry: no limit)',
      'stored     clear text',
      'node       node-a: dovecot at 192.0.2.1 port 993, TLS from the start',
      'because    first of the home',
      'trust      scram-sha-256 as proxy1',
      'told       user ann@example.org, home=/srv/ann, uid=5000, gid=5000, quota=0',
      'result     a login would go to node-a',
    ]);
  });

  it('verifies a password, and shows it nowhere', async () => {
    const right = await explain(['ann', '--password'], `${CANARY}\n`);
    const wrong = await explain(['ann', '--password'], 'guess\n');

    expect([right.code, wrong.code]).toEqual([0, 1]);
    expect(wrong.output).toContain('a login would fail: wrongPassword');
    expect(wrong.errors).toContain('homing: the password is wrong\n');
    expect(JSON.stringify([right, wrong])).not.toContain(CANARY);
  });

  it('shows for whom a delegate may act, and where that leads', async () => {
    const allowed = 'delegates: [{ account: ann@example.org, mayActFor: [carl@example.org] }]\n';

    const granted = await explain(['ann', '--as', 'carl'], `${CANARY}\n`, allowed);
    const refused = await explain(['ann', '--as', 'carl'], `${CANARY}\n`);

    expect([granted.code, refused.code]).toEqual([0, 1]);
    expect(granted.output).toMatch(/acts +ann@example\.org may act for carl@example\.org\n/);
    expect(granted.output).toMatch(/told +user carl@example\.org, /);
    expect(refused.output).toContain('a login would fail: notAuthorized');
    expect(refused.errors).toContain('homing: it wants to act for another user\n');
  });

  it('says which character a name may not have', async () => {
    const { code, output, errors } = await explain(['ann smith']);

    expect(code).toBe(1);
    expect(output).toContain('a login would fail: badName');
    expect(errors).toBe('homing: the character U+0020 is not in names.punctuation\n');
  });

  it('says that the login of a held account would wait, where it would', async () => {
    const held = (more: string) =>
      explain(
        ['bob'],
        '',
        more,
        'status: [{ kind: table, attribute: accountStatus, values: { disabled: held } }]',
      );

    const waits = await held('');
    const fails = await held('times: { hold: 0s }\n');

    expect([waits.code, fails.code]).toEqual([1, 1]);
    expect(waits.output).toContain('a login would wait (times.hold): held');
    expect(fails.output).toContain('a login would fail: held');
  });

  it('says that a password which the directory leaves to the node goes to no node that does not judge it', async () => {
    await using server = await ScriptedLdap.start((request) => {
      const attributes = {
        uid: ['ann'],
        mailHost: ['node-a'],
        homeDirectory: ['/a'],
        uidNumber: ['1'],
        gidNumber: ['1'],
      };
      return request.kind === 'search'
        ? Buffer.concat([searchEntry(request.id, 'uid=ann,dc=x', attributes), searchDone(request.id, 0)])
        : answerAll(request);
    });
    const text = good(
      'urls: [ldaps://ldap1.example.org]',
      `urls: [ldap://127.0.0.1:${server.port}]\n    verify: node`,
    ).replace(/ +bindDn.*\n +passwordFile.*\n/, '');
    const other = '  - { name: node-b, kind: generic, trust: replay, tls: { caFile: ca.pem } }\n';
    const path = folder.write('left.yaml', `${text}${other}`);

    const { code, output, errors } = await run(['explain', '--no-probe', '-c', path, 'ann']);

    expect(code).toBe(1);
    expect(output).toContain('a login would fail: homeNotAllowed');
    expect(errors).toContain('node node-a needs trust: replay');
  });

  it('says why a login would fail', async () => {
    const unknown = await explain(['nobody']);
    const disabled = await explain(['bob']);

    expect([unknown.code, disabled.code]).toEqual([1, 1]);
    expect(unknown.output).toContain('a login would fail: unknownUser');
    expect(disabled.output).toContain('a login would fail: disabled');
    expect(unknown.errors).toBe('homing: no directory has an account of this name\n');
    expect(disabled.errors).toBe('homing: accountStatus: disabled of uid=bob,dc=example says so\n');
  });
});
