import { afterAll, describe, expect, it } from 'vitest';
import { ConfigFolder, GOOD, good } from '../support/config-folder.ts';
import { run } from '../support/test-terminal.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

const LDAP = GOOD.slice(GOOD.indexOf('  - kind: ldap'), GOOD.indexOf('nodes:'));

/** What the copied example of an LDIF file has; `%d` is on line 11. */
function config(more = ''): string {
  const forward = "forward: { home: '/srv/%d/%n', uid: 5000, gid: 5000 }";
  return good(
    LDAP,
    `  - { kind: ldif, file: forward.ldif, preset: inetLocalMailRecipient${more},\n      ${forward} }\n`,
  );
}

function entry(name: string): string {
  return `dn: uid=${name},dc=example\nobjectClass: inetLocalMailRecipient\nuid: ${name}\nmail: ${name}@example.org
mailHost: node-a\nuserPassword: {SSHA512}AAAA\n\n`;
}

describe('homing explain', () => {
  it('names the kinds of what is stored, and no value', async () => {
    const values = ['{SCRAM-SHA-256}x', '{SSHA512}y', 'open-sesame', '{open}sesame'];
    const stored = values.map((value) => `userPassword: ${value}`).join('\n');
    folder.write('forward.ldif', entry('bob').replace('userPassword: {SSHA512}AAAA', stored));

    const { output } = await run([
      'explain',
      'bob',
      '-c',
      folder.write('stored.yaml', config(', nameAttribute: mail')),
    ]);

    expect(output).toMatch(/ stored {5}SCRAM-SHA-256, SSHA512, clear text, unknown\n/);
    expect(output).not.toMatch(/sesame/);
  });

  it('says where nothing of a password can be read', async () => {
    folder.write('forward.ldif', entry('bob').replace('userPassword: {SSHA512}AAAA\n', ''));

    const { output } = await run([
      'explain',
      'bob',
      '-c',
      folder.write('stored.yaml', config(', nameAttribute: mail')),
    ]);

    expect(output).toContain('no readable password: the entry has none, or bindDn may not read it\n');
  });
});

describe('a text with %d', () => {
  it('is warned of where the account names of the file have no domain', () => {
    folder.write('forward.ldif', entry('bob') + entry('cat'));

    expect(folder.load(config()).warnings).toMatchObject([
      {
        setting: 'directories[0].forward.home',
        message: `'/srv/%d/%n' needs a domain, and account names have none: "bob" (uid), and 1 more`,
        hint: 'nameAttribute: mail, or a text without %d',
      },
    ]);
  });

  it('is fine where the account name is an address', () => {
    folder.write('forward.ldif', entry('bob'));

    expect(folder.load(config(', nameAttribute: mail')).warnings).toEqual([]);
  });

  it('is what a login that fails for it names', async () => {
    folder.write('forward.ldif', entry('bob'));
    const file = folder.write('forward.yaml', config());

    const { code, errors } = await run(['explain', 'bob', '-c', file]);

    expect(code).toBe(1);
    expect(errors).toContain(
      `forward.home '/srv/%d/%n' needs a domain, and the account name "bob" has none: nameAttribute: mail, or a text without %d`,
    );
  });
});
