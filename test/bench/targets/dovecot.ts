import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BASE, FILTER } from '../directory.ts';
import { installed, Program } from '../processes.ts';
import { type MailPorts, mailPorts, type World } from '../world.ts';
import type { Setup, Target } from './target.ts';

/** Dovecot's proxy, which searches and binds at LDAP and hands the user's password on. */
export const dovecot: Target = {
  name: 'dovecot',
  what: 'proxy with LDAP search and bind, the password to the node',
  missing: missing(),
  needsLdap: true,
  nodeTls: true,
  share: 1,
  start: async (world, setup, stack) => {
    const ports = await mailPorts();
    const program = new Program({
      command: 'dovecot',
      args: ['-F', '-c', writeConfiguration(world, setup, ports)],
      place: 'measured',
      logFile: join(world.folder, 'dovecot.out'),
    });
    stack.use(program);
    await program.listening(ports.pop3s);
    return { ports, programs: [program] };
  },
};

function missing(): string | undefined {
  if (!installed('dovecot')) return 'dovecot (Debian: dovecot-imapd, dovecot-pop3d, dovecot-ldap)';
  return process.getuid?.() === 0 ? undefined : 'root, which Dovecot needs to drop privileges';
}

/** As the documentation of 2.3 has a proxy, with one process a protocol, since it has one core. */
function writeConfiguration(world: World, { nodeTls }: Setup, ports: MailPorts): string {
  const { folder, certificateFile, keyFile, directory, node } = world;
  if (directory.kind !== 'ldap') throw new Error('Dovecot has no directory');
  const runFolder = join(folder, 'dovecot');
  mkdirSync(runFolder, { recursive: true });
  const ldapFile = join(folder, 'dovecot-ldap.conf');
  const [imap, pop3] = nodeTls ? [node.imaps, node.pop3s] : [node.imap, node.pop3];
  writeFileSync(
    ldapFile,
    `uris = ldap://127.0.0.1:${directory.port}
dn = ${directory.bindDn}
dnpass = ${directory.password}
base = ${BASE}
auth_bind = yes
pass_filter = ${FILTER}
pass_attrs = uid=user,=proxy=y,=host=127.0.0.1,=port=%{if;%s;eq;imap;${imap};${pop3}}${nodeTls ? ',=ssl=any-cert' : ''}
`,
    { mode: 0o600 },
  );
  const file = join(folder, 'dovecot.conf');
  writeFileSync(
    file,
    `base_dir = ${runFolder}
protocols = imap pop3
listen = 127.0.0.1
log_path = ${join(folder, 'dovecot.log')}
ssl = yes
ssl_cert = <${certificateFile}
ssl_key = <${keyFile}
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = no
auth_mechanisms = plain login
passdb {
  driver = ldap
  args = ${ldapFile}
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}
default_vsz_limit = 4G
service auth {
  client_limit = 25000
}
service anvil {
  client_limit = 25000
}
${['imap', 'pop3'].map((protocol) => loginService(protocol, ports)).join('')}`,
  );
  return file;
}

function loginService(protocol: string, { imap, imaps, pop3, pop3s }: MailPorts): string {
  const [plain, tls] = protocol === 'imap' ? [imap, imaps] : [pop3, pop3s];
  return `service ${protocol}-login {
  service_count = 0
  process_min_avail = 1
  process_limit = 1
  client_limit = 19000
  inet_listener ${protocol} {
    port = ${plain}
  }
  inet_listener ${protocol}s {
    port = ${tls}
    ssl = yes
  }
}
`;
}
