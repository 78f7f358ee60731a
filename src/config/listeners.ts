import type { AdminSettings } from '../admin.ts';
import { usualPort } from '../protocols.ts';
import type { ListenerSettings, ListenerTls } from '../settings.ts';
import { trustedBalancers } from './balancers.ts';
import { type CredentialFiles, credentialSource, type NamedFile, readCredentials } from './credentials.ts';
import type { DirectorySettings } from './directories.ts';
import type { ConfigFiles } from './files.ts';
import { overlaps } from './local-address.ts';
import { checkOffers, usualMechanisms } from './offers.ts';
import type { Report } from './report.ts';
import type { ListenerConfig, ListenerTlsDefaults } from './schema-listener.ts';
import type { Path } from './source.ts';

/** What a listener needs besides its own settings. */
export interface ListenerContext {
  readonly tls: ListenerTlsDefaults;
  /** Those that are sound; empty where one is not, since then nobody knows what all of them can do. */
  readonly directories: readonly DirectorySettings[];
  /** Domains of login names without one, by local IP address. */
  readonly byAddress: ReadonlyMap<string, string>;
  readonly files: ConfigFiles;
  readonly report: Report;
}

/** Makes a listener of its settings. @returns `undefined` when a problem was reported. */
export function buildListener(
  written: ListenerConfig,
  path: Path,
  context: ListenerContext,
): ListenerSettings | undefined {
  const { protocol, address, allowPlaintext, greeting, capabilities } = written;
  checkPlaintext(written, path, context.report);
  checkOffers(written, path, context.directories, context.report);
  const mechanisms = written.mechanisms ?? usualMechanisms(context.directories);
  const tls = buildTls(written, path, context);
  const port = written.port ?? usualPort(protocol, written.tls.mode);
  if (port === undefined) {
    context.report.problem(
      path,
      `port is missing: ${protocol} has no usual one with TLS from the start`,
      'port: …, or tls: starttls',
    );
  }
  if (tls === undefined || port === undefined) return undefined;
  const { proxyProtocol } = written;
  const introducedBy =
    proxyProtocol && trustedBalancers(proxyProtocol.from, [...path, 'proxyProtocol', 'from'], context.report);
  const domains = { default: written.defaultDomain, byAddress: context.byAddress };
  const settings = {
    protocol,
    address,
    port,
    tls,
    allowPlaintext,
    domains,
    greeting,
    capabilities,
    mechanisms,
  };
  return introducedBy === undefined ? settings : { ...settings, introducedBy };
}

/** Reports listeners that would take each other's port. */
export function checkDuplicates(listeners: readonly (ListenerSettings | undefined)[], report: Report): void {
  for (const [index, listener] of listeners.entries()) {
    if (listener === undefined || listener.port === 0) continue;
    const { address, port } = listener;
    const first = listeners.findIndex((other) => other?.port === port && overlaps(other.address, address));
    if (first < index) {
      report.problem(
        ['listeners', index],
        `listeners[${first}] has port ${port} already`,
        'one listener for a port',
      );
    }
  }
}

/** Reports an admin listener that would take the port of a listener. */
export function checkAdmin(
  { address, port }: AdminSettings,
  listeners: readonly (ListenerSettings | undefined)[],
  report: Report,
): void {
  const taken = listeners.findIndex((other) => other?.port === port && overlaps(other.address, address));
  if (port === 0 || taken === -1) return;
  report.problem(
    ['admin', 'port'],
    `listeners[${taken}] has port ${port} already`,
    'a port of its own, as 9143',
  );
}

function checkPlaintext({ tls, allowPlaintext }: ListenerConfig, path: Path, report: Report): void {
  if (tls.mode === 'none' && !allowPlaintext) {
    report.problem(
      [...path, 'tls'],
      'without TLS passwords can be read by whoever is on the way',
      'tls: starttls or implicit; or allowPlaintext: true where nobody can listen in',
    );
  }
  if (tls.mode === 'implicit' && allowPlaintext) {
    report.warning(
      [...path, 'allowPlaintext'],
      'all is in TLS here, so there is nothing to allow',
      'no allowPlaintext',
    );
  }
}

function buildTls(written: ListenerConfig, path: Path, context: ListenerContext): ListenerTls | undefined {
  const { mode, ...own } = written.tls;
  if (mode === 'none') return { mode };
  const names = credentialFiles(written, path, context);
  const credentials = names && readCredentials(names, context.files, context.report);
  if (names === undefined || credentials === undefined) return undefined;
  const minVersion = own.minVersion ?? context.tls.minVersion ?? 'TLSv1.2';
  const ciphers = own.ciphers ?? context.tls.ciphers;
  return { mode, ...credentials, minVersion, ciphers, source: credentialSource(names, context.files) };
}

function credentialFiles(
  { tls: own }: ListenerConfig,
  path: Path,
  { tls: common, report }: ListenerContext,
): CredentialFiles | undefined {
  const here = [...path, 'tls'];
  const certificate = fileSetting(own, common, { setting: 'certificateFile', here });
  const key = fileSetting(own, common, { setting: 'keyFile', here });
  const others =
    own.certificates ?? (own.certificateFile === undefined ? common.certificates : undefined) ?? [];
  const othersAt = [...(own.certificates === undefined ? ['tls'] : here), 'certificates'];
  if (certificate === undefined || key === undefined) {
    const missing = certificate === undefined ? 'certificateFile' : 'keyFile';
    report.problem(here, `TLS needs a ${missing}`, `set tls.${missing} for all listeners, or here`);
    return undefined;
  }
  const furtherPairs = others.map(({ certificateFile, keyFile }, index) => ({
    certificate: { path: [...othersAt, index, 'certificateFile'], name: certificateFile },
    key: { path: [...othersAt, index, 'keyFile'], name: keyFile },
  }));
  const clientsAt = [...(own.clientCertificates === undefined ? ['tls'] : here), 'clientCertificates'];
  const clients = own.clientCertificates === undefined ? common.clientCertificates : own.clientCertificates;
  const { caFile, crlFile } = clients ?? {};
  return {
    pairs: [{ certificate, key }, ...furtherPairs],
    authorities: caFile === undefined ? undefined : { path: [...clientsAt, 'caFile'], name: caFile },
    revocations: crlFile === undefined ? undefined : { path: [...clientsAt, 'crlFile'], name: crlFile },
  };
}

function fileSetting(
  own: ListenerTlsDefaults,
  common: ListenerTlsDefaults,
  { setting, here }: { setting: 'certificateFile' | 'keyFile'; here: Path },
): NamedFile | undefined {
  const mine = own[setting];
  if (mine !== undefined) return { path: [...here, setting], name: mine };
  const shared = common[setting];
  return shared === undefined ? undefined : { path: ['tls', setting], name: shared };
}
