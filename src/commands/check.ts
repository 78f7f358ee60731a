import type { CommandModule } from 'yargs';
import type { CertificateMap } from '../../auth/external.ts';
import { type DirectorySettings, verifiedBy } from '../config/directories.ts';
import { describeProblem } from '../config/excerpt.ts';
import { type Config, loadConfig } from '../config.ts';
import type { ListenerSettings, NodeSettings } from '../settings.ts';
import type { ProviderSettings } from '../token-providers.ts';
import type { Terminal } from './terminal.ts';

/** `homing check FILE`: says what is wrong with a configuration, or what it would run. */
export function checkCommand({ output }: Terminal): CommandModule<object, { file: string }> {
  return {
    command: 'check <file>',
    describe: 'Check a configuration file, and show what it would run',
    builder: (args) =>
      args
        .positional('file', { type: 'string', demandOption: true, describe: 'configuration file (YAML)' })
        .epilogue(
          'Says of everything that is wrong where it stands and what would be right, and ends with code 1 then. ' +
            'It reads the files that the configuration names, and connects to nobody.',
        ),
    handler: ({ file }) => {
      const config = loadConfig(file);
      for (const warning of config.warnings) output.write(`warning: ${describeProblem(file, warning)}`);
      output.write(`${file}: ok\n${summary(config)}`);
    },
  };
}

/** TLS in words, for listeners and nodes. */
export const TLS_WORDS = { none: 'no TLS', starttls: 'STARTTLS', implicit: 'TLS from the start' } as const;

function summary({ settings, directories, oauth, log, admin }: Config): string {
  const lines = [
    ...settings.listeners.map((listener) => ['listens', listenerText(listener)] as const),
    ...directories.map((directory) => ['asks', directoryText(directory)] as const),
    ...(oauth?.providers ?? []).map((provider) => ['takes', providerText(provider)] as const),
    ...(settings.external === undefined ? [] : [['takes', certificatesText(settings.external)] as const]),
    ...settings.nodes.map((node) => ['connects to', nodeText(node)] as const),
    ['logs', `${log.level} and above, ${log.format}`] as const,
    ['admin', admin === undefined ? 'no listener' : `http://${admin.address}:${admin.port}/metrics`] as const,
  ];
  return lines.map(([what, text]) => `  ${what.padEnd(12)} ${text}\n`).join('');
}

function listenerText({ protocol, address, port, tls, ...terms }: ListenerSettings): string {
  const security = TLS_WORDS[tls.mode];
  const clear = terms.allowPlaintext ? ', passwords in clear text' : '';
  return `${protocol} on ${address} port ${port}, ${security}${clear}, offers ${terms.mechanisms.join(' ')}`;
}

function directoryText(directory: DirectorySettings): string {
  const { domains } = directory;
  const { schema } = directory.options;
  const what =
    directory.kind === 'ldif' ? 'an LDIF file' : directory.options.servers.map(({ url }) => url).join(', ');
  const whom = domains === undefined ? 'all domains' : domains.join(', ');
  const below = schema.options.base === '' ? '' : `, below ${schema.options.base}`;
  const gives = directory.kind === 'ldif' || directory.options.readPasswords;
  const read = gives ? ', stored passwords are read' : '';
  return `${what} for ${whom}${below}, passwords by ${verifiedBy(directory)}${read}`;
}

function providerText(provider: ProviderSettings): string {
  const { issuer, userClaim, domains } = provider.terms;
  const whose = issuer === undefined ? 'any issuer' : issuer;
  const by =
    provider.kind === 'introspection'
      ? `asking ${provider.url.href}`
      : `keys in ${provider.keys.kind === 'url' ? provider.keys.url.href : provider.keys.path}`;
  const whom = domains === undefined ? 'all domains' : domains.join(', ');
  return `tokens of ${whose} for ${whom}, users by ${userClaim}, by ${by}`;
}

function certificatesText({ user, entries }: CertificateMap): string {
  const mapped = entries.length === 0 ? [] : [`a map of ${entries.length}`];
  return `client certificates, accounts by ${[...mapped, ...(user === undefined ? [] : [user])].join(', then ')}`;
}

function nodeText({ name, host, kind, ports, tls, trust, required }: NodeSettings): string {
  const where = [...ports].map(([protocol, port]) => `${protocol} ${port}`).join(', ');
  const security = TLS_WORDS[tls.mode];
  const proof = trust.kind === 'replay' ? 'replay' : `${trust.kind} as ${trust.name}`;
  const told = required.length === 0 ? '' : `, must be told ${required.join(', ')}`;
  const address = host === undefined || host === name ? '' : ` at ${host}`;
  return `${name}${address} (${kind}), ${where}, ${security}, ${proof}${told}`;
}
