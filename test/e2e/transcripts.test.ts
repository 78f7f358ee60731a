import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../auth/passwords/schemes.ts';
import { Secret } from '../../auth/secret.ts';
import { cluster, type NodeName } from '../support/cluster.ts';
import { IMAP_TRANSCRIPTS } from '../support/imap-transcripts.ts';
import { firstSubject, openSession } from '../support/mail-session.ts';
import { POP3_TRANSCRIPTS } from '../support/pop3-transcripts.ts';
import { clusterConfig, RunningProxy, type TlsMode } from '../support/running-proxy.ts';
import { TLS_HANDSHAKE, type Transcript } from '../support/transcript.ts';
import type { Wire } from '../support/wire.ts';

const USER = 'a@ex';
/** Those that end in a session of the account that the directory of this test has. */
const OPENINGS = [...IMAP_TRANSCRIPTS, ...POP3_TRANSCRIPTS].filter(
  ({ logins = [], residual }) => residual !== undefined && logins.at(-1)?.authcid === USER,
);
const HOMES: readonly NodeName[] = ['node-a', 'node-b', 'node-c'];

type Cut = 'as written' | 'octet by octet' | 'in one segment';
const CUTS: readonly Cut[] = ['as written', 'octet by octet', 'in one segment'];

describe.each(HOMES)('a client whose home is %s', (home) => {
  const folder = mkdtempSync(join(tmpdir(), 'homing-transcripts-'));
  let proxy: RunningProxy;
  beforeAll(async () => {
    const file = join(folder, 'people.ldif');
    writeFileSync(file, await entryWithAllPasswords(home), { mode: 0o600 });
    const { listeners, ...config } = clusterConfig(cluster(), {
      directories: [{ kind: 'ldif', file, preset: 'qmail' }],
    });
    proxy = await RunningProxy.start({
      ...config,
      listeners: listeners.map((listener) => ({ ...Object(listener), mechanisms: ['PLAIN', 'LOGIN'] })),
    });
  });
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  describe.each(CUTS)('F32 and that sends %s', (cut) => {
    describe.each(['implicit', 'starttls'] as const)('by TLS %s', (tls) => {
      it.each(OPENINGS.filter(({ clear }) => !clear || tls === 'starttls'))('$name', async (transcript) => {
        await using wire = await open(proxy, transcript, tls);

        const answers = await play(wire, transcript, cut);

        expect(answers).toBe(withoutLists(transcript.answers.replace('<TLS>', '')));
        expect(await firstSubject(nameOf(transcript), wire)).toBe(`on ${home}`);
      });
    });
  });
});

async function open(proxy: RunningProxy, transcript: Transcript, tls: TlsMode): Promise<Wire> {
  const protocol = nameOf(transcript);
  return await openSession(protocol, {
    port: proxy.port(protocol, tls),
    tls: transcript.clear ? 'none' : tls,
    ca: cluster().ca,
  });
}

/** Sends what the client does, and gives what it is told up to the end of its login. */
async function play(wire: Wire, { steps, answers }: Transcript, cut: Cut): Promise<string> {
  const heard: string[] = [];
  let unsent = '';
  const flush = (): void => {
    send(wire, unsent, cut);
    unsent = '';
  };
  const count = answers.replace('<TLS>', '').split('\r\n').length - 1;
  const hear = async (until: (line: string) => boolean): Promise<void> => {
    while (heard.length < count && !until(heard.at(-1) ?? '')) {
      heard.push(await wire.line());
    }
  };
  for (const step of steps) {
    if (typeof step === 'string') {
      unsent += step;
    } else if (step === TLS_HANDSHAKE) {
      flush();
      heard.push(await wire.line());
      await wire.startTls(cluster().ca);
    } else if (cut !== 'in one segment') {
      flush();
      heard.push(await wire.line());
      await hear((line) => step.test(line));
    }
  }
  flush();
  await hear(() => false);
  return withoutLists(heard.map((line) => `${line}\r\n`).join(''));
}

function send(wire: Wire, text: string, cut: Cut): void {
  const octets = Buffer.from(text, 'latin1');
  const size = cut === 'octet by octet' ? 1 : Math.max(1, octets.length);
  for (let at = 0; at < octets.length; at += size) {
    wire.sendRaw(octets.subarray(at, at + size));
  }
}

/** What a node can do is its own. */
function withoutLists(text: string): string {
  return text.replaceAll(/CAPABILITY [^\]\r]*/g, 'CAPABILITY …');
}

function nameOf({ protocol }: Transcript): 'imap' | 'pop3' {
  return protocol.name === 'imap' ? 'imap' : 'pop3';
}

async function entryWithAllPasswords(home: NodeName): Promise<string> {
  const passwords = new Set(['p', ...OPENINGS.map(({ password = 'p' }) => password)]);
  const hashes = await Promise.all(
    [...passwords].map((password) => hashPassword('SSHA512', new Secret(Buffer.from(password, 'latin1')))),
  );
  return [
    'dn: uid=alice,dc=example,dc=org',
    'objectClass: qmailUser',
    'uid: alice',
    `mail: ${USER}`,
    ...hashes.map((hash) => `userPassword: ${hash}`),
    'accountStatus: active',
    `mailHost: ${home}.example.org`,
    'homeDirectory: /srv/mail/alice',
    'uidNumber: 5000',
    'gidNumber: 5000',
    'mailQuotaSize: 10485760',
    '',
  ].join('\n');
}
