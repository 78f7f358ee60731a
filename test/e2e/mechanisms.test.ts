/** Mail clients that prove themselves without sending their password, at homes on each kind of node. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Attribute, Change, Client, type Entry } from 'ldapts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accounts, PEOPLE } from '../support/accounts.ts';
import { cluster, exec } from '../support/cluster.ts';
import { openSession } from '../support/mail-session.ts';
import { clusterConfig, ldapDirectory, RunningProxy } from '../support/running-proxy.ts';
import { clientFinal, clientFirst } from '../support/scram-client.ts';

const HOMES = [
  [accounts.alice, 'node-a'],
  [accounts.bob, 'node-b'],
  [accounts.carol, 'node-c'],
] as const;

const folder = mkdtempSync(join(tmpdir(), 'homing-mechanisms-'));
/** SCRAM, by the keys that slapd has beside the hashes it binds by. */
let scram: RunningProxy;
/** CRAM-MD5 and APOP, by a file with passwords in clear text. */
let clear: RunningProxy;

beforeAll(async () => {
  const passwordFile = privateFile('admin.password', `${cluster().admin.password}\n`);
  const reading = { readPasswords: true, bindDn: cluster().admin.dn, passwordFile };
  [scram, clear] = await Promise.all([
    RunningProxy.start(clusterConfig(cluster(), { directories: [ldapDirectory(cluster(), reading)] })),
    RunningProxy.start(
      clusterConfig(cluster(), {
        listeners: [
          { protocol: 'imap', address: '127.0.0.1', port: 0, mechanisms: ['CRAM-MD5', 'PLAIN'] },
          { protocol: 'pop3', address: '127.0.0.1', port: 0, mechanisms: ['APOP', 'CRAM-MD5', 'PLAIN'] },
        ],
        directories: [
          {
            kind: 'ldif',
            file: privateFile('clear.ldif', clearLdif()),
            preset: 'qmail',
            allowCleartext: true,
          },
        ],
      }),
    ),
  ]);
});
afterAll(async () => {
  await scram[Symbol.asyncDispose]();
  await clear[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function privateFile(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

function clearLdif(): string {
  return HOMES.map(([{ name, mail, password }, node]) =>
    [
      `dn: uid=${name},dc=example,dc=org`,
      'objectClass: qmailUser',
      `uid: ${name}`,
      `mail: ${mail}`,
      `mailHost: ${node}.example.org`,
      `homeDirectory: /srv/mail/${name}`,
      'uidNumber: 5000',
      'gidNumber: 5000',
      `userPassword: ${password}`,
    ].join('\n'),
  ).join('\n\n');
}

/** Runs a shell script where the clients are; both what it says and how it ends. */
function shell(script: string): Promise<{ output: string; exitCode: number }> {
  return exec('clients', ['sh', '-c', script]);
}

/** Runs GNU SASL's client, whose -PLUS binds by tls-exporter. */
function gsasl(mechanism: string, user: string, password: string) {
  const port = scram.port('imap', 'starttls');
  const tls = mechanism.endsWith('-PLUS') ? '' : '--no-cb';
  return shell(
    `timeout 10 gsasl --imap --connect=localhost:${port} --x509-ca-file=/homing/ca.pem ${tls} -m ${mechanism} ` +
      `-a '${user}' -p '${password}' --verbose < /dev/null 2>&1`,
  );
}

/** Reads the first message by mutt, which uses GNU SASL, into a file. */
async function mutt(
  url: string,
  authenticators: string,
  { mail, password }: { mail: string; password: string },
) {
  const file = `/tmp/mutt-${url.replaceAll(/\W/g, '-')}-${mail}`;
  const settings = [
    'set certificate_file=/homing/ca.pem ssl_force_tls=yes ssl_starttls=yes',
    `set imap_user='${mail}' imap_pass='${password}' pop_user='${mail}' pop_pass='${password}'`,
    authenticators,
    'set folder=/tmp record= pipe_decode=yes wait_key=no sort=date',
    `push '<first-entry><pipe-message>cat > ${file}<enter><exit>'`,
  ];
  await shell(`cat > ${file}.rc <<'E'\n${settings.join('\n')}\nE`);
  await shell(
    `TERM=xterm timeout 20 script -qec "mutt -n -F ${file}.rc -R -f ${url}" /dev/null > ${file}.screen 2>&1`,
  );
  return (await shell(`cat ${file} || cat ${file}.screen`)).output;
}

describe.each(HOMES)('M5 the home of $name by SCRAM', (account, home) => {
  const { name, mail, password } = account;

  it.each(['SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS'])('is reached by gsasl with %s (M6)', async (mechanism) => {
    const { output } = await gsasl(mechanism, mail, password);

    expect(output).toContain('Client authentication finished (server trusted)');
    const [line] = await scram.events('login', { user: name, mechanism, result: 'ok' });
    expect(line).toMatchObject({ node: `${home}.example.org` });
  });

  it('is synchronised by mbsync with SCRAM-SHA-256', async () => {
    const box = `/tmp/mbsync-scram-${name}`;
    const settings = `IMAPAccount home
Host localhost
Port ${scram.port('imap', 'implicit')}
User ${mail}
Pass ${password}
AuthMechs SCRAM-SHA-256
SSLType IMAPS
CertificateFile /homing/ca.pem

IMAPStore far
Account home

MaildirStore near
Path ${box}/
Inbox ${box}/INBOX

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
SyncState *
Sync Pull`;
    await shell(`mkdir -p ${box} && cat > ${box}.rc <<'E'\n${settings}\nE`);

    const { output } = await shell(`timeout 20 mbsync -c ${box}.rc all 2>&1; cat ${box}/INBOX/*/*`);

    expect(output).toContain(`Subject: on ${home}`);
    await scram.events('login', { user: name, mechanism: 'SCRAM-SHA-256', tls: 'TLSv1.3' }, 2);
  });

  it('is read by mutt in IMAP and in POP3 with SCRAM-SHA-256', async () => {
    const [imap, pop3] = await Promise.all([
      mutt(
        `imaps://localhost:${scram.port('imap', 'implicit')}/INBOX`,
        'set imap_authenticators=scram-sha-256',
        account,
      ),
      mutt(
        `pops://localhost:${scram.port('pop3', 'implicit')}`,
        'set pop_authenticators=scram-sha-256',
        account,
      ),
    ]);

    expect(imap).toContain(`Subject: on ${home}`);
    expect(pop3).toContain(`Subject: on ${home}`);
    const mechanism = 'SCRAM-SHA-256';
    await scram.events('login', { user: name, protocol: 'pop3', mechanism, result: 'ok' });
  });
});

describe.each(HOMES)('the home of $name by a password that is stored in clear text', (account, home) => {
  const { name, mail, password } = account;

  it.each([
    ['M3', 'imaps', 'imap', '/INBOX;MAILINDEX=1', 'CRAM-MD5', 'CRAM-MD5'],
    ['M3', 'pop3s', 'pop3', '/1', 'CRAM-MD5', 'CRAM-MD5'],
    ['M4', 'pop3s', 'pop3', '/1', '+APOP', 'APOP'],
  ] as const)('%s is read by curl %s (%s%s, AUTH=%s)', async (...row) => {
    const [, scheme, protocol, path, options, mechanism] = row;
    const url = `${scheme}://localhost:${clear.port(protocol, 'implicit')}${path}`;

    const { output } = await shell(
      `curl -sS --cacert /homing/ca.pem --login-options AUTH=${options} -u '${mail}:${password}' '${url}' 2>&1`,
    );

    expect(output).toContain(`Subject: on ${home}`);
    expect(await clear.events('login', { user: name, protocol, mechanism, result: 'ok' })).toHaveLength(1);
  });
});

describe('a proof that is wrong', () => {
  it('looks to a client like an unknown user, and is told apart in the log (A18)', async () => {
    const replies = await Promise.all(
      [accounts.alice.mail, 'nobody@example.org'].map(async (user) => {
        const { output } = await gsasl('SCRAM-SHA-256', user, 'wrong');
        return output.split('\n').find((line) => line.startsWith('. NO')) ?? output;
      }),
    );

    expect(replies[0]).toContain('[AUTHENTICATIONFAILED]');
    expect(replies[1]).toBe(replies[0]);
    await scram.event('login', { result: 'wrongPassword', user: 'alice', mechanism: 'SCRAM-SHA-256' });
    await scram.event('login', { result: 'unknownUser', mechanism: 'SCRAM-SHA-256' });
  });

  it('is answered by curl’s own error with CRAM-MD5 and APOP', async () => {
    for (const option of ['CRAM-MD5', '+APOP']) {
      const { output } = await shell(
        `curl -sS --cacert /homing/ca.pem --login-options AUTH=${option} -u 'alice@example.org:wrong' ` +
          `'pop3s://localhost:${clear.port('pop3', 'implicit')}/1' 2>&1`,
      );

      expect(output).toContain('curl: (67)');
    }
    await clear.events('login', { result: 'wrongPassword', user: 'alice' }, 2);
  });
});

describe('a proof that comes when the directory says something else', () => {
  const { name, mail, password } = accounts.erin;
  const DN = `uid=${name},${PEOPLE}`;

  async function administrator(): Promise<Client> {
    const client = new Client({ url: `ldap://127.0.0.1:${cluster().ldap.master.ldap}` });
    await client.startTLS({ ca: cluster().ca, servername: 'localhost' });
    await client.bind(cluster().admin.dn, cluster().admin.password);
    return client;
  }

  /** Takes the SCRAM key from erin's entry; disposing gives it back. */
  async function withoutKey(): Promise<AsyncDisposable> {
    const client = await administrator();
    const { searchEntries } = await client.search(DN, { scope: 'base', attributes: ['userPassword'] });
    const { userPassword = [] }: Partial<Entry> = searchEntries[0] ?? {};
    const values = [userPassword].flat().map(String);
    const key = values.filter((value) => value.startsWith('{SCRAM-SHA-256}'));
    const modification = new Attribute({ type: 'userPassword', values: key });
    await client.modify(DN, new Change({ operation: 'delete', modification }));
    return {
      async [Symbol.asyncDispose]() {
        await client.modify(DN, new Change({ operation: 'add', modification }));
        await client.unbind();
      },
    };
  }

  it('is judged by what it says then', async () => {
    const port = scram.port('imap', 'implicit');
    await using wire = await openSession('imap', { port, tls: 'implicit', ca: cluster().ca });
    const first = Buffer.from(clientFirst({ user: mail })).toString('base64');
    wire.send(`a AUTHENTICATE SCRAM-SHA-256 ${first}`);
    const serverFirst = Buffer.from((await wire.line()).slice(2), 'base64').toString();
    await using _taken = await withoutKey();

    // What was found stands for a second, in which no answer is waited for.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const { message } = clientFinal(serverFirst, { user: mail, password });
    wire.send(Buffer.from(message).toString('base64'));
    const answer = await wire.line();

    expect(answer).toBe('a NO [AUTHENTICATIONFAILED] Authentication failed.');
    const detail = 'its stored password was changed during the login';
    await scram.event('login', { result: 'wrongPassword', user: name, detail });
  });
});
