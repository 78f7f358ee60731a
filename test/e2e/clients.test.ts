import { ImapFlow } from 'imapflow';
import Pop3Command from 'node-pop3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster, exec } from '../support/cluster.ts';
import { clusterConfig, RunningProxy } from '../support/running-proxy.ts';

const HOMES = [
  [accounts.alice, 'node-a'],
  [accounts.bob, 'node-b'],
  [accounts.carol, 'node-c'],
] as const;

let proxy: RunningProxy;
beforeAll(async () => {
  proxy = await RunningProxy.start(clusterConfig(cluster()));
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
});

/** Runs a shell script where the clients are. @throws {Error} with its output when it fails. */
async function shell(script: string): Promise<string> {
  const { output, exitCode } = await exec('clients', ['sh', '-c', script]);
  if (exitCode !== 0) {
    throw new Error(`exit code ${exitCode}:\n${output}`);
  }
  return output;
}

/** Runs commands by a client that takes them on its standard input, each line a moment after the other. */
function typed(lines: readonly string[], command: string): Promise<string> {
  const typing = lines.map((line) => `printf '%s\\r\\n' '${line}'; sleep 0.3`).join('; ');
  return shell(`(${typing}) | ${command} 2>&1`);
}

describe.each(HOMES)('the home of $name', (account, home) => {
  const { mail, password } = account;
  const subject = `on ${home}`;

  it.each([
    ['imaps', 'imap', 'implicit', '/INBOX;MAILINDEX=1', ''],
    ['imap', 'imap', 'starttls', '/INBOX;MAILINDEX=1', '--ssl-reqd'],
    ['imap', 'imap', 'none', '/INBOX;MAILINDEX=1', '--login-options AUTH=PLAIN'],
    ['pop3s', 'pop3', 'implicit', '/1', ''],
    ['pop3', 'pop3', 'starttls', '/1', '--ssl-reqd'],
    ['pop3', 'pop3', 'none', '/1', '--login-options AUTH=LOGIN'],
  ] as const)('is read by curl %s (%s, TLS %s)', async (...row) => {
    const [scheme, protocol, tls, path, options] = row;
    const url = `${scheme}://localhost:${proxy.port(protocol, tls)}${path}`;

    const message = await shell(
      `curl -sS --cacert /homing/ca.pem ${options} -u '${mail}:${password}' '${url}'`,
    );

    expect(message).toContain(`Subject: ${subject}`);
  });

  it.each(['implicit', 'starttls'] as const)('is read by mutt (TLS %s)', async (tls) => {
    const file = `/tmp/mutt-${account.name}-${tls}`;
    const url = `${tls === 'implicit' ? 'imaps' : 'imap'}://localhost:${proxy.port('imap', tls)}/INBOX`;
    const settings = [
      'set certificate_file=/homing/ca.pem ssl_force_tls=yes ssl_starttls=yes',
      `set imap_user='${mail}' imap_pass='${password}'`,
      'set folder=/tmp record= pipe_decode=yes wait_key=no sort=date',
      `push '<first-entry><pipe-message>cat > ${file}<enter><exit>'`,
    ];
    await shell(`cat > ${file}.rc <<'E'\n${settings.join('\n')}\nE`);

    await shell(
      `TERM=xterm timeout 20 script -qec "mutt -n -F ${file}.rc -R -f ${url}" /dev/null > ${file}.screen 2>&1`,
    );

    expect(await shell(`cat ${file}`)).toContain(`Subject: ${subject}`);
  });

  it.each([
    ['IMAPS', 'implicit'],
    ['STARTTLS', 'starttls'],
  ] as const)('is synchronised by mbsync (%s)', async (type, tls) => {
    const folder = `/tmp/mbsync-${account.name}-${type}`;
    const settings = `IMAPAccount home
Host localhost
Port ${proxy.port('imap', tls)}
User ${mail}
Pass ${password}
SSLType ${type}
CertificateFile /homing/ca.pem

IMAPStore far
Account home

MaildirStore near
Path ${folder}/
Inbox ${folder}/INBOX

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
SyncState *
Sync Pull`;
    await shell(`mkdir -p ${folder} && cat > ${folder}.rc <<'E'\n${settings}\nE`);

    await shell(`timeout 20 mbsync -c ${folder}.rc all`);

    expect(await shell(`cat ${folder}/INBOX/*/*`)).toContain(`Subject: ${subject}`);
  });

  it('is read by hand over openssl s_client, in IMAP', async () => {
    const port = proxy.port('imap', 'implicit');

    const dialogue = await typed(
      [`a LOGIN ${mail} ${password}`, 'b EXAMINE INBOX', 'c FETCH 1 BODY.PEEK[HEADER]', 'd LOGOUT'],
      `openssl s_client -quiet -verify_return_error -CAfile /homing/ca.pem -verify_hostname localhost -alpn imap -connect localhost:${port}`,
    );

    expect(dialogue).toContain(`Subject: ${subject}`);
    expect(dialogue).toMatch(/^d OK/m);
  });

  it('is read by hand over openssl s_client, in POP3 with STLS', async () => {
    const port = proxy.port('pop3', 'starttls');

    const dialogue = await typed(
      [`USER ${mail}`, `PASS ${password}`, 'TOP 1 0', 'QUIT'],
      `openssl s_client -quiet -starttls pop3 -verify_return_error -CAfile /homing/ca.pem -connect localhost:${port}`,
    );

    expect(dialogue).toContain(`Subject: ${subject}`);
  });

  it.each(['implicit', 'starttls'] as const)('is read by imapflow (TLS %s)', async (tls) => {
    const client = new ImapFlow({
      host: 'localhost',
      port: proxy.port('imap', tls),
      secure: tls === 'implicit',
      ...(tls === 'starttls' ? { doSTARTTLS: true } : {}),
      tls: { ca: cluster().ca },
      auth: { user: mail, pass: password },
      logger: false,
    });
    await client.connect();
    await client.mailboxOpen('INBOX', { readOnly: true });

    expect(await client.fetchOne('1', { envelope: true })).toMatchObject({ envelope: { subject } });
    await client.logout();
  });

  it('is read by node-pop3', async () => {
    const client = new Pop3Command({
      user: mail,
      password,
      host: 'localhost',
      port: proxy.port('pop3', 'implicit'),
      tls: true,
      tlsOptions: { ca: cluster().ca },
    });

    expect(await client.RETR(1)).toContain(`Subject: ${subject}`);
    await client.QUIT();
  });
});

describe('a TLS client that speaks another protocol by ALPN (A7)', () => {
  it('is refused in the handshake', async () => {
    const { output } = await exec('clients', [
      'sh',
      '-c',
      `echo | openssl s_client -alpn http/1.1 -connect localhost:${proxy.port('imap', 'implicit')} 2>&1`,
    ]);

    expect(output).toMatch(/no application protocol/i);
  });

  it.each(['-tls1', '-tls1_1'])('is refused with %s (I31)', async (version) => {
    const { output } = await exec('clients', [
      'sh',
      '-c',
      `echo | openssl s_client ${version} -cipher ALL:@SECLEVEL=0 -connect localhost:${proxy.port('imap', 'implicit')} 2>&1`,
    ]);

    expect(output).toMatch(/alert|error/i);
    expect(output).not.toContain('Homing ready');
  });
});
