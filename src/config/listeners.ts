import type { AdminSettings } from '../admin.ts';
import { usualPort } from '../protocols.ts';
import type { ClientAuthorities, ListenerSettings, ListenerTls } from '../settings.ts';
import { trustedBalancers } from './balancers.ts';
import { checkAuthorities, checkKeyPair, isCertificate } from './certificates.ts';
import type { DirectorySettings } from './directories.ts';
import type { ConfigFiles } from './files.ts';
import { overlaps } from './local-address.ts';
import { checkOffers, usualMechanisms } from './offers.ts';
import type { Report } from './report.ts';
import { checkRevocations, listsIn } from './revocations.ts';
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
  const certificateFile = fileSetting(own.certificateFile, context.tls.certificateFile, [...path, 'tls']);
  const keyFile = fileSetting(own.keyFile, context.tls.keyFile, [...path, 'tls']);
  if (certificateFile.name === undefined || keyFile.name === undefined) {
    const missing = certificateFile.name === undefined ? 'certificateFile' : 'keyFile';
    context.report.problem(
      [...path, 'tls'],
      `TLS needs a ${missing}`,
      `set tls.${missing} for all listeners, or here`,
    );
    return undefined;
  }
  const paths = {
    certificate: [...certificateFile.at, 'certificateFile'],
    key: [...keyFile.at, 'keyFile'],
  };
  const certificate = context.files.read(paths.certificate, certificateFile.name);
  // Before the key's mode is looked at: a certificate may be read by others.
  if (certificate !== undefined && !isCertificate(certificate)) {
    const inTheOther = context.files.read(paths.key, keyFile.name);
    if (inTheOther !== undefined && isCertificate(inTheOther)) {
      const right = `certificateFile: ${keyFile.name}, keyFile: ${certificateFile.name}`;
      context.report.problem(paths.certificate, 'certificateFile and keyFile are swapped', right);
      return undefined;
    }
  }
  const key = context.files.readPrivate(paths.key, keyFile.name);
  if (certificate === undefined || key === undefined) return undefined;
  checkKeyPair({ certificate, key }, paths, context.report);
  const minVersion = own.minVersion ?? context.tls.minVersion ?? 'TLSv1.2';
  const ciphers = own.ciphers ?? context.tls.ciphers;
  return { mode, certificate, key, minVersion, ciphers, clients: buildClients(written, path, context) };
}

function buildClients(
  { tls }: ListenerConfig,
  path: Path,
  { tls: common, files, report }: ListenerContext,
): ClientAuthorities | undefined {
  const at = [...(tls.clientCertificates === undefined ? [] : path), 'tls', 'clientCertificates'];
  const written = tls.clientCertificates ?? common.clientCertificates;
  if (written === undefined) return undefined;
  const paths = { authorities: [...at, 'caFile'], revocations: [...at, 'crlFile'] };
  const authorities = files.read(paths.authorities, written.caFile);
  const lists = written.crlFile === undefined ? undefined : files.read(paths.revocations, written.crlFile);
  const clients = { authorities: authorities ?? Buffer.alloc(0), revocations: listsIn(lists) };
  if (authorities !== undefined) checkAuthorities(authorities, paths.authorities, report);
  if (lists !== undefined) checkRevocations(clients, paths.revocations, report);
  return clients;
}

function fileSetting(
  own: string | undefined,
  common: string | undefined,
  at: Path,
): { name?: string; at: Path } {
  if (own !== undefined) return { name: own, at };
  return common === undefined ? { at } : { name: common, at: ['tls'] };
}
