import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installed, Program } from '../processes.ts';
import { type MailPorts, mailPorts, type World } from '../world.ts';
import type { Setup, Target } from './target.ts';

/** HAProxy, which relays and ends TLS but logs nobody in: a floor. */
export const haproxy: Target = {
  name: 'haproxy',
  what: 'TCP and TLS only, no login: a floor',
  missing: installed('haproxy') ? undefined : 'haproxy (Debian: haproxy)',
  needsLdap: false,
  nodeTls: true,
  share: 1,
  start: async (world, setup, stack) => {
    const ports = await mailPorts();
    const file = join(world.folder, 'haproxy.cfg');
    writeFileSync(file, configuration(world, setup, ports));
    const program = new Program({
      command: 'haproxy',
      args: ['-db', '-f', file],
      place: 'measured',
      logFile: join(world.folder, 'haproxy.log'),
    });
    stack.use(program);
    await program.listening(ports.pop3s);
    return { ports, programs: [program] };
  },
};

function configuration(
  { certificateFile, keyFile, node, folder }: World,
  setup: Setup,
  ports: MailPorts,
): string {
  const bundle = join(folder, 'haproxy.pem');
  writeFileSync(bundle, [certificateFile, keyFile].map((name) => readFileSync(name, 'utf8')).join(''), {
    mode: 0o600,
  });
  const section = (name: keyof MailPorts, to: 'imap' | 'pop3'): string => `
listen ${name}
  bind 127.0.0.1:${ports[name]}${name.endsWith('s') ? ` ssl crt ${bundle}` : ''}
  server node 127.0.0.1:${setup.nodeTls ? `${node[`${to}s`]} ssl verify none` : node[to]}
`;
  return `global
  maxconn 9500
  nbthread 1
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode tcp
  timeout connect 5s
  timeout client 35m
  timeout server 35m
${section('imap', 'imap')}${section('pop3', 'pop3')}${section('imaps', 'imap')}${section('pop3s', 'pop3')}`;
}
