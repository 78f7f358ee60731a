import { join } from 'node:path';
import { BASE, FILTER } from '../directory.ts';
import { installed, Program } from '../processes.ts';
import { type MailPorts, mailPorts, portOf, type World } from '../world.ts';
import type { Setup, Target } from './target.ts';

const SERVICES = [
  { protocol: 'imap', tls: false, program: 'perdition.imap4' },
  { protocol: 'pop3', tls: false, program: 'perdition.pop3' },
  { protocol: 'imap', tls: true, program: 'perdition.imap4s' },
  { protocol: 'pop3', tls: true, program: 'perdition.pop3s' },
] as const;

/** Perdition, a process a connection: it searches at LDAP, and the node verifies the password. */
export const perdition: Target = {
  name: 'perdition',
  what: 'LDAP search only, a process for each connection; the node verifies the password',
  missing: installed('perdition') ? undefined : 'perdition (Debian: perdition, perdition-ldap)',
  needsLdap: true,
  nodeTls: true,
  share: 0.1,
  start: async (world, setup, stack) => {
    const ports = await mailPorts();
    const programs = SERVICES.map((service) => {
      const program = new Program({
        command: service.program,
        args: options(world, setup, ports, service),
        place: 'measured',
        logFile: join(world.folder, 'perdition.log'),
      });
      return stack.use(program);
    });
    for (const [index, { protocol, tls }] of SERVICES.entries()) {
      await programs[index]?.listening(portOf(ports, protocol, tls));
    }
    return { ports, programs };
  },
};

interface Service {
  readonly protocol: 'imap' | 'pop3';
  readonly tls: boolean;
}

function options(
  world: World,
  { nodeTls }: Setup,
  ports: MailPorts,
  { protocol, tls }: Service,
): readonly string[] {
  const { directory, node, certificateFile, keyFile } = world;
  if (directory.kind !== 'ldap') throw new Error('Perdition has no directory');
  const { port, bindDn, password } = directory;
  const bind = `!bindname=${bindDn.replaceAll(',', '%2c')},x-bindpw=${password}`;
  const filter = FILTER.replaceAll('%u', '%s');
  const modes = [...(tls ? ['ssl_listen'] : []), ...(nodeTls ? ['ssl_outgoing'] : [])];
  return [
    '--no_daemon',
    ...['--log_facility', '-'],
    ...['--pid_file', ''],
    ...['--bind_address', '127.0.0.1'],
    ...['--listen_port', String(portOf(ports, protocol, tls))],
    ...['--outgoing_port', String(portOf(node, protocol, nodeTls))],
    ...['--map_library', 'libperditiondb_ldap.so.0'],
    ...['--map_library_opt', `3:ldap://127.0.0.1:${port}/${BASE}?uid,mailHost?sub?${filter}?${bind}`],
    ...(modes.length > 0 ? ['--ssl_mode', modes.join(',')] : []),
    ...(tls ? ['--ssl_cert_file', certificateFile, '--ssl_key_file', keyFile] : []),
    ...(nodeTls ? ['--ssl_no_cert_verify', '--ssl_no_cn_verify'] : []),
  ];
}
