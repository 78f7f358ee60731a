import { X509Certificate } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { CommandModule } from 'yargs';
import type { Delegate } from '../../auth/delegates.ts';
import type { HttpOptions } from '../../auth/http/http-directory.ts';
import { serviceName } from '../../auth/http/service.ts';
import type { LdifOptions } from '../../auth/ldif/ldif.ts';
import type { CertificateMap } from '../../auth/mechanisms/external.ts';
import { type DirectorySettings, readsPasswords, verifiedBy } from '../config/directories.ts';
import { describeProblem } from '../config/excerpt.ts';
import { configSchema } from '../config/schema.ts';
import { buildThrottle } from '../config/schema-throttle.ts';
import { type Config, loadConfig } from '../config.ts';
import type {
  DecoySettings,
  GroupSettings,
  LimitSettings,
  ListenerSettings,
  NodeSettings,
  NodesFromSettings,
  Settings,
} from '../settings.ts';
import type { ThrottleSettings } from '../throttle/settings.ts';
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

function summary({ settings, directories, oauth, log, admin, throttle }: Config): string {
  const lines = [
    ...settings.listeners.map((listener) => ['listens', listenerText(listener)] as const),
    ...certificateTexts(settings.listeners).map((text) => ['shows', text] as const),
    ...directories.map((directory) => ['asks', directoryText(directory)] as const),
    ...(oauth?.providers ?? []).map((provider) => ['takes', providerText(provider)] as const),
    ...(settings.external === undefined ? [] : [['takes', certificatesText(settings.external)] as const]),
    ...(settings.delegates ?? []).map((delegate) => ['lets act', delegateText(delegate)] as const),
    ...decoyTexts(settings).map((text) => ['disguises', text] as const),
    ...settings.nodes.map((node) => ['connects to', nodeText(node)] as const),
    ...(settings.groups ?? []).map((group) => ['spreads over', groupText(group)] as const),
    ...(settings.nodesFrom === undefined
      ? []
      : [['connects to', nodesFromText(settings.nodesFrom)] as const]),
    ['throttles', throttleText(throttle)] as const,
    ['limits', limitsText(settings.limits)] as const,
    ['logs', `${log.level} and above, ${log.format}`] as const,
    ['admin', admin === undefined ? 'no listener' : `http://${admin.address}:${admin.port}/metrics`] as const,
  ];
  return lines.map(([what, text]) => `  ${what.padEnd(12)} ${text}\n`).join('');
}

function listenerText({ protocol, address, port, tls, ...terms }: ListenerSettings): string {
  const security = TLS_WORDS[tls.mode];
  const clear = terms.allowPlaintext ? ', passwords in clear text' : '';
  const by =
    terms.introducedBy === undefined ? '' : `, by PROXY header from ${terms.introducedBy.written.join(', ')}`;
  return `${protocol} on ${address} port ${port}, ${security}${clear}${by}, offers ${terms.mechanisms.join(' ')}`;
}

/** Each certificate once, with its names and its end. */
function certificateTexts(listeners: readonly ListenerSettings[]): readonly string[] {
  const pairs = listeners.flatMap(({ tls }) => (tls.mode === 'none' ? [] : [tls, ...(tls.others ?? [])]));
  return [...new Set(pairs.map(({ certificate }) => certificateText(new X509Certificate(certificate))))];
}

function certificateText({ subject, subjectAltName, validTo }: X509Certificate): string {
  const names = subjectAltName?.replaceAll(/(?:DNS|IP Address):/g, '') ?? subject.replaceAll('\n', ', ');
  return `a certificate of ${names}, until ${new Date(validTo).toISOString().slice(0, 10)}`;
}

/** How names without a key look to SCRAM, where that is offered. */
function decoyTexts({ listeners, decoys }: Settings): readonly string[] {
  const isOffered = listeners.some(({ mechanisms }) => mechanisms.some((name) => name.startsWith('SCRAM-')));
  if (!isOffered || decoys === undefined) return [];
  const { source, shape } = decoys;
  const like =
    shape === undefined
      ? 'like most accounts that were seen'
      : `with ${shape.iterations} iterations and ${shape.saltOctets} octets of salt`;
  return [`names without SCRAM key ${like}, ${DECOY_SECRETS[source]}`];
}

const DECOY_SECRETS: Readonly<Record<DecoySettings['source'], string>> = {
  file: 'by scramDecoys.secretFile',
  key: "by this proxy's key: other proxies tell other salts, unless all have one scramDecoys.secretFile",
  chance: 'by chance: with other salts after each start, unless there is a scramDecoys.secretFile',
};

function delegateText({ account, mayActFor }: Delegate): string {
  return `${account} for ${mayActFor.map((name) => (name === '*' ? 'everybody' : name)).join(', ')}`;
}

function throttleText(throttle: ThrottleSettings | undefined): string {
  if (throttle === undefined) return 'nobody who guesses passwords';
  const { perUser, perUserAndAddress, perAddress, windowMs, exempt } = throttle;
  const usual = buildThrottle(configSchema.shape.throttle.parse(undefined), exempt);
  const lifted = exempt.length === 0 ? '' : `, no address of ${exempt.join(', ')}`;
  return (
    `beyond ${perUser} wrong passwords of a user, ${perUserAndAddress} of one at an address, ${perAddress} of an ` +
    `address, within ${windowMs / 60_000} min${defaults(throttle, usual)}${lifted}`
  );
}

function limitsText(limits: LimitSettings): string {
  const {
    unauthenticated,
    unauthenticatedPerAddress,
    unauthenticatedPerNetwork,
    memory,
    sessionsPerUser,
    sessionsPerUserAndAddress,
  } = limits;
  const parts = [
    `${limits.connections} connections`,
    ...(memory === undefined ? [] : [`${Math.round(memory / 2 ** 20)} MiB of memory`]),
    ...(unauthenticated === undefined ? [] : [`${unauthenticated} not logged in`]),
    ...(unauthenticatedPerAddress === undefined
      ? []
      : [`${unauthenticatedPerAddress} of those of an address`]),
    ...(unauthenticatedPerNetwork === undefined ? [] : [`${unauthenticatedPerNetwork} of a /48 of IPv6`]),
    ...(sessionsPerUser === undefined ? [] : [`${sessionsPerUser} sessions of a user`]),
    ...(sessionsPerUserAndAddress === undefined
      ? []
      : [`${sessionsPerUserAndAddress} of those of an address`]),
    `${limits.failures} failed logins on one connection`,
  ];
  return `${parts.join(', ')}${defaults(limits, configSchema.shape.limits.parse(undefined))}`;
}

function defaults(settings: unknown, usual: unknown): string {
  return isDeepStrictEqual(settings, usual) ? ' (defaults)' : '';
}

function directoryText(directory: DirectorySettings): string {
  const { domains } = directory;
  const whom = domains === undefined ? 'all domains' : domains.join(', ');
  const read = readsPasswords(directory) ? ', stored passwords are read' : '';
  const detail = directory.kind === 'http' ? lookupText(directory.options) : schemaText(directory.options);
  return `${sourceText(directory)} for ${whom}${detail.below}, passwords by ${verifiedBy(directory)}${read}${detail.others}${followText(directory)}`;
}

function sourceText(directory: DirectorySettings): string {
  switch (directory.kind) {
    case 'ldap':
      return directory.options.servers.map(({ url }) => url).join(', ');
    case 'ldif':
      return 'an LDIF file';
    case 'http':
      return serviceName(directory.options.target);
  }
}

function schemaText({ schema: { options } }: Pick<LdifOptions, 'schema'>) {
  return {
    below: options.base === '' ? '' : `, below ${options.base}`,
    others: options.delegate === undefined ? '' : `, delegates by ${options.delegate}`,
  };
}

function lookupText({ lookup }: HttpOptions) {
  return {
    below: '',
    others: lookup === 'none' ? ', nobody without one' : ', others by Auth-Method: external',
  };
}

/** What differs from the usual. */
function followText(directory: DirectorySettings): string {
  if (directory.kind === 'http') return '';
  const { options } = directory;
  const isFollowed = directory.kind === 'ldif' ? directory.options.file : directory.options.follow;
  if (isFollowed === undefined) return ', changes are not followed';
  const mode = 'follow' in options ? options.follow?.mode : 'auto';
  return mode === 'auto' ? '' : `, changes by ${mode}`;
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

function nodesFromText({ name, source, entries }: NodesFromSettings): string {
  const mode = source.mode === 'auto' ? '' : `, changes by ${source.mode}`;
  return (
    `nodes of ${name} at ${entries.allow.join(', ')} (${entries.defaults.kind}), ` +
    `${TLS_WORDS[entries.defaults.tls.mode]}, ${entries.defaults.trust.kind}${mode}`
  );
}

function groupText({ name, kind, members }: GroupSettings): string {
  const parts = members.map(({ node, weight, priority }) =>
    [
      node,
      ...(weight === undefined ? [] : [`weight ${weight}`]),
      ...(priority === 1 ? [] : [`priority ${priority}`]),
    ].join(' '),
  );
  return `group ${name} (${kind}): ${parts.join(', ')}`;
}

function nodeText({ name, host, kind, ports, tls, trust, required }: NodeSettings): string {
  const where = [...ports].map(([protocol, port]) => `${protocol} ${port}`).join(', ');
  const security = TLS_WORDS[tls.mode];
  const proof = trust.kind === 'replay' ? 'replay' : `${trust.kind} as ${trust.name}`;
  const told = required.length === 0 ? '' : `, must be told ${required.join(', ')}`;
  const address = host === undefined || host === name ? '' : ` at ${host}`;
  return `${name}${address} (${kind}), ${where}, ${security}, ${proof}${told}`;
}
