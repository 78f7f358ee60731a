import { writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { BASE, NODE_NAME } from '../directory.ts';
import { Program } from '../processes.ts';
import { type MailPorts, mailPorts, portOf, type World } from '../world.ts';
import type { RunningTarget, Setup, Target } from './target.ts';

/** Homing as it's shipped, from one checkout or, to compare, from several. */
export function homingTargets(checkouts: readonly string[]): readonly Target[] {
  const paths = checkouts.map((checkout) => resolve(checkout));
  const short = new Set(paths.map((path) => basename(path)));
  return paths.map((path) => {
    const alias = short.size === paths.length ? basename(path) : path;
    return {
      name: paths.length === 1 ? 'homing' : `homing:${alias}`,
      what: 'Homing: LDAP search and bind, SCRAM to the node, ID, log to a file',
      missing: undefined,
      needsLdap: false,
      nodeTls: true,
      share: 1,
      start: (world, setup, stack) => startHoming({ checkout: path }, world, setup, stack),
    } satisfies Target;
  });
}

/** Starts Homing. @param options of Node itself. */
export async function startHoming(
  { checkout, options = [] }: { readonly checkout: string; readonly options?: readonly string[] },
  world: World,
  setup: Setup,
  stack: AsyncDisposableStack,
): Promise<RunningTarget> {
  const ports = await mailPorts();
  const file = join(world.folder, 'homing.yaml');
  writeFileSync(file, stringify(configuration(world, setup, ports)));
  const program = new Program({
    command: process.execPath,
    args: [...options, 'src/main.ts', 'serve', '--config', file],
    place: 'measured',
    logFile: join(world.folder, 'homing.log'),
    cwd: checkout,
  });
  stack.use(program);
  await program.listening(ports.pop3s);
  return { ports, programs: [program] };
}

function configuration(world: World, { nodeTls }: Setup, ports: MailPorts): unknown {
  const { certificateFile, keyFile, caFile, proxyKeyFile, node } = world;
  const listener = (protocol: 'imap' | 'pop3', tls: 'none' | 'implicit') => ({
    protocol,
    address: '127.0.0.1',
    port: portOf(ports, protocol, tls !== 'none'),
    tls,
    ...(tls === 'none' ? { allowPlaintext: true } : {}),
  });
  return {
    name: 'proxy1',
    keyFile: proxyKeyFile,
    // In this order, so that the last one listens when all do.
    listeners: [
      listener('imap', 'none'),
      listener('pop3', 'none'),
      listener('imap', 'implicit'),
      listener('pop3', 'implicit'),
    ],
    tls: { certificateFile, keyFile },
    directories: [directoryOf(world)],
    nodes: [
      {
        name: NODE_NAME,
        host: '127.0.0.1',
        kind: 'dovecot',
        ports: nodeTls ? { imap: node.imaps, pop3: node.pop3s } : { imap: node.imap, pop3: node.pop3 },
        tls: nodeTls ? { mode: 'implicit', caFile, serverName: 'localhost' } : 'none',
      },
    ],
    log: { format: 'json' },
  };
}

function directoryOf({ directory }: World): unknown {
  const schema = {
    preset: 'qmail',
    forward: { home: 'homeDirectory', uid: 'uidNumber', gid: 'gidNumber', quota: 'mailQuotaSize' },
  };
  if (directory.kind === 'ldif') return { kind: 'ldif', file: directory.file, ...schema };
  const { port, bindDn, passwordFile } = directory;
  return { kind: 'ldap', urls: [`ldap://127.0.0.1:${port}`], bindDn, passwordFile, base: BASE, ...schema };
}
