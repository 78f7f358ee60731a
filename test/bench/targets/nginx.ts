import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../../support/ports.ts';
import { installed, type Place, Program } from '../processes.ts';
import { type MailPorts, mailPorts, type World } from '../world.ts';
import type { ResponderTerms } from './nginx-responder.ts';
import type { Target } from './target.ts';

/** Debian has the mail proxy as a module of its own. */
const MAIL_MODULE = '/usr/lib/nginx/modules/ngx_mail_module.so';

/** nginx alone: what the responder that it asks about each login costs is not in its numbers. */
export const nginx: Target = {
  name: 'nginx',
  what: 'mail proxy; its responder says yes to everybody and is not counted',
  missing: missing(),
  needsLdap: false,
  nodeTls: false,
  share: 1,
  start: async (world, _setup, stack) => {
    const { responderPort } = await startResponder(world, 'measuring', stack, undefined);
    const { ports, program } = await startNginx(world, responderPort, stack);
    return { ports, programs: [program] };
  },
};

/** nginx and a responder that does what Homing does at LDAP, counted together. */
export const nginxLdap: Target = {
  name: 'nginx-ldap',
  what: 'mail proxy and a responder in Node with LDAP search and bind, both counted',
  missing: missing(),
  needsLdap: true,
  nodeTls: false,
  share: 1,
  start: async (world, _setup, stack) => {
    const { directory } = world;
    if (directory.kind !== 'ldap') throw new Error('the responder has no directory');
    const { responder, responderPort } = await startResponder(world, 'measured', stack, directory);
    const { ports, program } = await startNginx(world, responderPort, stack);
    return { ports, programs: [program, responder] };
  },
};

function missing(): string | undefined {
  if (!installed('nginx')) return 'nginx (Debian: nginx, libnginx-mod-mail)';
  const built = spawnSync('nginx', ['-V'], { encoding: 'utf8' }).stderr;
  const has = existsSync(MAIL_MODULE) || / --with-mail( |$)/m.test(built);
  return has ? undefined : 'the mail proxy of nginx (Debian: libnginx-mod-mail)';
}

async function startResponder(
  world: World,
  place: Place,
  stack: AsyncDisposableStack,
  ldap: ResponderTerms['ldap'],
): Promise<{ readonly responder: Program; readonly responderPort: number }> {
  const [responderPort = 0] = await freePorts(1);
  const terms: ResponderTerms = { port: responderPort, imap: world.node.imap, pop3: world.node.pop3, ldap };
  const responder = new Program({
    command: process.execPath,
    args: [join(import.meta.dirname, 'nginx-responder.ts'), JSON.stringify(terms)],
    place,
    logFile: join(world.folder, 'responder.log'),
  });
  stack.use(responder);
  await responder.listening(responderPort);
  return { responder, responderPort };
}

async function startNginx(world: World, responderPort: number, stack: AsyncDisposableStack) {
  const ports = await mailPorts();
  const file = join(world.folder, 'nginx.conf');
  writeFileSync(file, configuration(world, responderPort, ports));
  const program = new Program({
    command: 'nginx',
    args: ['-c', file, '-e', join(world.folder, 'nginx.log')],
    place: 'measured',
    logFile: join(world.folder, 'nginx.out'),
  });
  stack.use(program);
  await program.listening(ports.pop3s);
  return { ports, program };
}

function configuration(
  { folder, certificateFile, keyFile }: World,
  responder: number,
  ports: MailPorts,
): string {
  const server = (protocol: string, port: number, tls: string): string =>
    `  server { listen 127.0.0.1:${port}${tls}; protocol ${protocol}; }\n`;
  return `${existsSync(MAIL_MODULE) ? `load_module ${MAIL_MODULE};\n` : ''}daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${join(folder, 'nginx.pid')};
error_log ${join(folder, 'nginx.log')};
events { worker_connections 20000; }
mail {
  auth_http 127.0.0.1:${responder}/auth;
  ssl_certificate ${certificateFile};
  ssl_certificate_key ${keyFile};
  ssl_protocols TLSv1.2 TLSv1.3;
${server('imap', ports.imap, '')}${server('pop3', ports.pop3, '')}${server('imap', ports.imaps, ' ssl')}${server('pop3', ports.pop3s, ' ssl')}}
`;
}
