import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { describeProblem } from '../../src/config/excerpt.ts';
import { ConfigError } from '../../src/config.ts';
import { CANARY, ConfigFolder, GOOD, good } from '../support/config-folder.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

function described(text: string): string {
  try {
    folder.load(text);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((problem) => describeProblem('homing.yaml', problem)).join('') + inspect(error);
  }
  throw new Error('this configuration was accepted');
}

describe('files with secrets', () => {
  it.each([
    ['keyFile: ¶proxy1.key', 'proxy1.key'],
    ['keyFile: ¶key.pem', 'key.pem'],
    ['passwordFile: ¶ldap.password', 'ldap.password'],
  ])('A31 are refused when others can read them: %s', (setting, name) => {
    const path = join(folder.path, name);
    chmodSync(path, 0o640);

    const refusal = folder.refusal(good(setting.replace('¶', ''), setting));

    expect(refusal).toBe(`others than its owner can get at ${path} (mode 640) (chmod 600 ${path})`);
    chmodSync(path, 0o600);
  });

  it('are refused when they are missing, empty, or no single line', () => {
    folder.write('empty.key', '\n');
    folder.write('lines.key', 'one-line-of-the-key\ntwo-line\n');

    expect(folder.refusal(good(': proxy1.key', ': ¶nowhere.key'))).toContain('there is no such file');
    expect(folder.refusal(good(': proxy1.key', ': ¶empty.key'))).toContain('empty.key is empty');
    expect(folder.refusal(good(': proxy1.key', ': ¶lines.key'))).toContain('more than one line');
    expect(folder.refusal(good(': proxy1.key', ': ¶.'))).toContain('is not a file');
  });

  it('may be named by an absolute path', () => {
    const text = good(': proxy1.key', `: ${join(folder.path, 'proxy1.key')}`);

    expect(folder.load(text).settings.nodes).toHaveLength(1);
  });

  it('lose the newline at the end, and nothing else', () => {
    const trust = folder.load(GOOD).settings.nodes[0]?.trust;

    expect(trust?.kind === 'scram-sha-256' && trust.key.octets.toString()).toBe(`${CANARY}-proxy-key`);
  });
});

describe('secrets', () => {
  it('A31 are never printed, whatever else is', () => {
    const config = folder.load(GOOD);

    expect(inspect(config, { depth: Number.POSITIVE_INFINITY, showHidden: true })).not.toContain(CANARY);
    expect(JSON.stringify(config)).not.toContain(CANARY);
  });

  it.each([
    ['in a key of the wrong certificate', 'keyFile: key.pem', 'keyFile: proxy1.key'],
    ['in a file that is no certificate', 'certificateFile: cert.pem', 'certificateFile: ldap.password'],
    ['in a setting that does not exist', 'passwordFile: ldap.password', `password: ${CANARY}`],
    ['in the same, quoted', 'passwordFile: ldap.password', `'password': "${CANARY} x"`],
    ['in a map of one line', 'tls: { caFile: ca.pem } }', `secret: ${CANARY}, tls: { caFile: ca.pem } }`],
    ['in place of a path', 'keyFile: key.pem', `keyFile: |\n    -----BEGIN PRIVATE KEY-----\n    ${CANARY}`],
  ])('are not shown in errors: %s', (_where, part, by) => {
    expect(described(good(part, by))).not.toContain(CANARY);
  });

  it('that were put into the file are sent to one of their own', () => {
    expect(
      folder.refusal(
        good('passwordFile: ldap.password', '¶password: hunter2').replace(
          '    bindDn: cn=homing,dc=example,dc=org\n',
          '',
        ),
      ),
    ).toBe('there is no setting "password" (did you mean passwordFile?)');
  });
});
