import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Config, ConfigError, loadConfig } from '../../src/config.ts';
import { TestCa } from './test-ca.ts';

/** What no output may ever show: it's in every file that holds a secret. */
export const CANARY = 'canary-8f1c0e5d7b3a';

/** A configuration that is right, and short. */
export const GOOD = `
name: proxy1
keyFile: proxy1.key
listeners:
  - { protocol: imap, address: 127.0.0.1, port: 1143, tls: starttls }
tls:
  certificateFile: cert.pem
  keyFile: key.pem
directories:
  - kind: ldap
    urls: [ldaps://ldap1.example.org]
    bindDn: cn=homing,dc=example,dc=org
    passwordFile: ldap.password
    base: ou=people,dc=example,dc=org
    preset: qmail
nodes:
  - { name: node-a, host: 192.0.2.1, kind: dovecot, tls: { caFile: ca.pem } }
`;

const ca = new TestCa('Configuration test CA');
const own = ca.issue({ commonName: 'mail.example.org' });
const other = ca.issue({ commonName: 'other.example.org' });
const expired = ca.issue({ commonName: 'old.example.org', expired: true });

/** A folder with the files that a configuration of a test names; disposing removes it. */
export class ConfigFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'homing-config-'));

  constructor() {
    this.write('proxy1.key', `${CANARY}-proxy-key\n`);
    this.write('short.key', 'short\n');
    this.write('ldap.password', `${CANARY}-ldap-password\n`);
    this.write('cert.pem', own.certificate);
    this.write('key.pem', own.key);
    this.write('other-key.pem', other.key);
    this.write('expired.pem', expired.certificate);
    this.write('expired-key.pem', expired.key);
    this.write('ca.pem', ca.certificate);
    this.write('people.ldif', `dn: uid=ann,dc=example\nuid: ann\nuserPassword: {SSHA}${CANARY}\n`);
  }

  write(name: string, content: string, mode = 0o600): string {
    const path = join(this.path, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  }

  /** Loads a configuration from its text. */
  load(text: string): Config {
    return loadConfig(this.write('homing.yaml', text));
  }

  /** The problems of a configuration, as `line:column setting: message (hint)`. */
  problems(text: string): string[] {
    return this.#error(text).problems.map(
      ({ line, column, setting, message, hint }) =>
        `${line}:${column} ${setting}: ${message}${hint === undefined ? '' : ` (${hint})`}`,
    );
  }

  /**
   * Expects a configuration to be refused for one reason, at the place that is marked by `¶` in its text.
   * @returns the problem's message and hint.
   */
  refusal(marked: string): string {
    const before = marked.slice(0, marked.indexOf('¶')).split('\n');
    const { problems } = this.#error(marked.replace('¶', ''));
    expect(problems.map(({ message }) => message)).toHaveLength(1);
    expect(problems[0]).toMatchObject({ line: before.length, column: (before.at(-1) ?? '').length + 1 });
    return `${problems[0]?.message} (${problems[0]?.hint})`;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }

  #error(text: string): ConfigError {
    try {
      this.load(text);
    } catch (error) {
      if (error instanceof ConfigError) return error;
      throw error;
    }
    throw new Error('this configuration was accepted');
  }
}

/** Replaces a part of the good configuration, which must be there. */
export function good(part: string, by: string): string {
  if (!GOOD.includes(part)) throw new Error(`the good configuration has no ${part}`);
  return GOOD.replace(part, () => by);
}
