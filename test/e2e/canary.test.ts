import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hashPassword } from '../../auth/passwords/schemes.ts';
import { Secret } from '../../auth/secret.ts';
import { cluster } from '../support/cluster.ts';
import { heapNames } from '../support/heap-names.ts';
import { logIn, openSession, type ProtocolName } from '../support/mail-session.ts';
import { spellings } from '../support/recording-relay.ts';
import { clusterConfig, RunningProxy } from '../support/running-proxy.ts';

const CANARY = 'CANARY-7f3a"\\ ü';
const LATIN1 = Buffer.from(CANARY).toString('latin1');
const QUOTED = `"${LATIN1.replaceAll(/["\\]/g, '\\$&')}"`;
const OCTETS = LATIN1.length;
const b64 = (text: string): string => Buffer.from(text).toString('base64');

/** Each way in which a password can come, or something that was meant to be one. */
const ATTEMPTS: readonly [string, ProtocolName, string][] = [
  ['LOGIN, quoted', 'imap', `a LOGIN alice ${QUOTED}`],
  ['LOGIN, synchronising literals', 'imap', `a LOGIN {5}\r\nalice {${OCTETS}}\r\n${LATIN1}`],
  ['LOGIN, non-synchronising literals', 'imap', `a LOGIN {5+}\r\nalice {${OCTETS}+}\r\n${LATIN1}`],
  ['LOGIN as the name', 'imap', `a LOGIN ${QUOTED} ${QUOTED}`],
  ['LOGIN as the name of an account without a home', 'imap', `a LOGIN erin ${QUOTED}`],
  ['LOGIN with too much', 'imap', `a LOGIN alice ${QUOTED} extra`],
  ['LOGIN in the place of the tag', 'imap', `${b64(CANARY)} LOGIN`],
  ['an unknown command', 'imap', `a NOSUCH ${QUOTED}`],
  ['PLAIN, initial response', 'imap', `a AUTHENTICATE PLAIN ${b64(`\0alice\0${CANARY}`)}`],
  ['PLAIN, continuation', 'imap', `a AUTHENTICATE PLAIN\r\n${b64(`\0alice\0${CANARY}`)}`],
  ['PLAIN as authzid and authcid', 'imap', `a AUTHENTICATE PLAIN ${b64(`${CANARY}\0${CANARY}\0x`)}`],
  ['PLAIN without NUL', 'imap', `a AUTHENTICATE PLAIN ${b64(CANARY)}`],
  ['bad base64', 'imap', `a AUTHENTICATE PLAIN ${b64(`\0alice\0${CANARY}`)}!`],
  ['LOGIN by SASL', 'imap', `a AUTHENTICATE LOGIN\r\n${b64('alice')}\r\n${b64(CANARY)}`],
  ['a mechanism of that name', 'imap', `a AUTHENTICATE ${b64(CANARY).replaceAll('=', '')}`],
  ['ID', 'imap', `a ID ("x" ${QUOTED} ${QUOTED} "x")`],
  ['PASS', 'pop3', `USER alice\r\nPASS ${LATIN1}`],
  ['USER and PASS', 'pop3', `USER ${LATIN1}\r\nPASS ${LATIN1}`],
  ['PASS without USER', 'pop3', `PASS ${LATIN1}`],
  ['a keyword', 'pop3', LATIN1],
  ['AUTH, initial response', 'pop3', `AUTH PLAIN ${b64(`\0alice\0${CANARY}`)}`],
  ['AUTH, continuation', 'pop3', `AUTH PLAIN\r\n${b64(`\0alice\0${CANARY}`)}`],
  ['AUTH LOGIN', 'pop3', `AUTH LOGIN ${b64('alice')}\r\n${b64(CANARY)}`],
];

describe('A14 A31 a password', () => {
  it('stands in no log line, metric, argument or name in memory, whatever became of its login', async () => {
    using stack = new DisposableStack();
    const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'homing-canary-')), (path) =>
      rmSync(path, { recursive: true }),
    );
    await using proxy = await RunningProxy.start(
      clusterConfig(cluster(), {
        admin: { address: '127.0.0.1', port: 0 },
        directories: [await ownDirectory(folder)],
      }),
      [`--diagnostic-dir=${folder}`, '--heapsnapshot-signal=SIGUSR2'],
    );
    const admin = await proxy.event('adminListening');
    for (const [, protocol, attempt] of ATTEMPTS) {
      await using wire = await open(proxy, protocol);
      wire.send(attempt);
      wire.send(protocol === 'imap' ? 'n NOOP' : 'NOOP');
      await wire.linesUntil(protocol === 'imap' ? /^(?:a|n|\S+) (?:OK|NO|BAD)/ : /^(?:\+OK|-ERR)/);
    }
    await using held = await open(proxy, 'imap');
    expect(await logIn('imap', held, 'right', CANARY)).toMatch(/^l OK/);

    const metrics = await (await fetch(`http://127.0.0.1:${admin.port}/metrics`)).text();
    const names = [...heapNames(await heapSnapshot(proxy, folder))];
    const byTheSystem = ['cmdline', 'environ', 'comm'].map((file) =>
      readFileSync(`/proc/${proxy.pid}/${file}`),
    );
    const shown = [
      proxy.output,
      metrics,
      ...byTheSystem.map((octets) => octets.toString('latin1')),
      ...names,
    ].join('\n');

    await proxy.events('login', { result: 'wrongPassword' }, 5);
    expect(names).toContain('readLine');
    for (const spelling of [...spellings(CANARY), 'CANARY', 'Q0FOQVJZ', '43414e415259']) {
      expect(shown.includes(spelling), spelling).toBe(false);
    }
  }, 60_000);
});

async function open(proxy: RunningProxy, protocol: ProtocolName) {
  return await openSession(protocol, { port: proxy.port(protocol, 'none'), tls: 'none', ca: '' });
}

/** One account whose password is the canary, and one whose isn't. */
async function ownDirectory(folder: string): Promise<Record<string, unknown>> {
  const hash = await hashPassword('SSHA512', new Secret(Buffer.from(CANARY)));
  const other = await hashPassword('SSHA512', new Secret(Buffer.from('other')));
  const entry = (uid: string, mail: string, password: string): string =>
    [
      `dn: uid=${uid},dc=example,dc=org`,
      'objectClass: qmailUser',
      `uid: ${uid}`,
      `mail: ${mail}`,
      `userPassword: ${password}`,
      'accountStatus: active',
      'mailHost: node-a.example.org',
      'homeDirectory: /srv/mail/alice',
      'uidNumber: 5000',
      'gidNumber: 5000',
      'mailQuotaSize: 10485760',
      '',
    ].join('\n');
  const file = join(folder, 'people.ldif');
  writeFileSync(file, `${entry('alice', 'a@ex', other)}\n${entry('bob', 'right', hash)}`, { mode: 0o600 });
  return { kind: 'ldif', file, preset: 'qmail' };
}

/** Has the process write a snapshot, and gives it when it is whole. */
async function heapSnapshot(proxy: RunningProxy, folder: string): Promise<string> {
  using stop = new DisposableStack();
  const watcher = stop.adopt(watch(folder), (one) => one.close());
  process.kill(proxy.pid, 'SIGUSR2');
  for (;;) {
    const name = readdirSync(folder).find((file) => file.endsWith('.heapsnapshot'));
    const text = name === undefined ? '' : readFileSync(join(folder, name), 'utf8');
    if (text.endsWith(']}') || text.endsWith(']}\n')) {
      return text;
    }
    await once(watcher, 'change');
  }
}
