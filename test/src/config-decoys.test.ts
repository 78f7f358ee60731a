import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigFolder, GOOD, good } from '../support/config-folder.ts';
import { run } from '../support/test-terminal.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

const SECRET = 'a-secret-that-all-the-proxies-have-in-common';
folder.write('decoys.secret', `${SECRET}\n`);

const SCRAM = good('tls: starttls }', 'tls: starttls, mechanisms: [SCRAM-SHA-256, PLAIN] }').replace(
  '    passwordFile:',
  '    readPasswords: true\n    passwordFile:',
);
const decoysOf = (text: string) => folder.load(text).settings.decoys;
const secretOf = (text: string) => decoysOf(text)?.secret?.octets.toString();
const withFile = (name = 'decoys.secret') => `${SCRAM}scramDecoys: { secretFile: ¶${name} }\n`;

async function disguises(text: string): Promise<string | undefined> {
  const { output } = await run(['check', folder.write('homing.yaml', text.replace('¶', ''))]);
  return output.split('\n').find((line) => line.includes('disguises'));
}

describe('M5 the secret of decoys', () => {
  it('is that of its file, as it is', () => {
    expect(secretOf(withFile().replace('¶', ''))).toBe(SECRET);
  });

  it('is derived from this proxy’s key else, and never from the password of the directory', () => {
    const first = secretOf(SCRAM);
    folder.write('ldap.password', 'another password of the directory\n');
    const second = secretOf(SCRAM);
    folder.write('proxy1.key', 'another-key-of-this-proxy\n');
    const third = secretOf(SCRAM);

    expect(first).toBeDefined();
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  it.each([
    ['passes on the user’s password', 'replay'],
    ['has a password for the proxy', 'plain-authzid'],
  ])('is new at each start where each node %s', (_what, trust) => {
    const text = GOOD.replace('kind: dovecot,', `kind: generic, trust: ${trust},`);

    expect(decoysOf(text)).toMatchObject({ secret: undefined, source: 'chance' });
  });

  it('A31 is refused when others can read it, and when it is too short', () => {
    const path = folder.write('short.secret', `${'x'.repeat(31)}\n`);

    expect(folder.refusal(withFile('short.secret'))).toContain('make one with: homing secret --decoys');
    chmodSync(path, 0o640);
    expect(folder.refusal(withFile('short.secret'))).toContain(
      `chmod 600 ${join(folder.path, 'short.secret')}`,
    );
    expect(folder.refusal(withFile('nowhere'))).toContain('there is no such file');
  });
});

describe('homing check', () => {
  it('says where SCRAM is offered by what names without a key are disguised', async () => {
    expect(await disguises(withFile())).toContain(
      'like most accounts that were seen, by scramDecoys.secretFile',
    );
    expect(await disguises(SCRAM)).toContain("by this proxy's key: other proxies tell other salts");
    expect(await disguises(`${SCRAM}scramDecoys: { iterations: 4096 }\n`)).toContain(
      'with 4096 iterations and 16 octets of salt',
    );
    expect(await disguises(GOOD)).toBeUndefined();
  });

  it('warns of decoys where SCRAM is not offered', () => {
    const { warnings } = folder.load(`${GOOD}scramDecoys: { iterations: 4096 }\n`);

    expect(warnings.map(({ setting }) => setting)).toEqual(['scramDecoys']);
  });
});

describe('the shape of decoys', () => {
  it('is learned where nothing is stated, else what is stated, and the rest as homing hash makes keys', () => {
    expect(decoysOf(SCRAM)?.shape).toBeUndefined();
    expect(decoysOf(`${SCRAM}scramDecoys: { iterations: 4096 }\n`)?.shape).toEqual({
      iterations: 4096,
      saltOctets: 16,
    });
    expect(decoysOf(`${SCRAM}scramDecoys: { saltOctets: 24 }\n`)?.shape).toEqual({
      iterations: 100_000,
      saltOctets: 24,
    });
  });

  it.each(['iterations: ¶4095', 'iterations: ¶600001', 'saltOctets: ¶0', 'saltOctets: ¶65'])(
    'is refused as no account can have it: %s',
    (setting) => {
      expect(folder.refusal(`${SCRAM}scramDecoys: { ${setting} }\n`)).toBeDefined();
    },
  );
});
