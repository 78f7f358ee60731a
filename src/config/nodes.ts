import type { Trust } from '../../auth/trust.ts';
import { PROTOCOLS, usualNodePort } from '../protocols.ts';
import type { ListenerSettings, NodeSettings, NodeTls } from '../settings.ts';
import { checkAuthorities } from './certificates.ts';
import { type DirectorySettings, forwardOf } from './directories.ts';
import { type ConfigFiles, checkKeyStrength } from './files.ts';
import { isLoopback, leadsTo } from './local-address.ts';
import type { Report } from './report.ts';
import type { NodeConfig } from './schema-node.ts';
import type { Path } from './source.ts';

/** What a node needs besides its own settings. */
export interface NodeContext {
  readonly proxyName: string;
  /** This proxy's key, where a node has none of its own. */
  readonly keyFile: string | undefined;
  readonly files: ConfigFiles;
  readonly report: Report;
}

/** Makes a node of its settings. @returns `undefined` when a problem was reported. */
export function buildNode(written: NodeConfig, path: Path, context: NodeContext): NodeSettings | undefined {
  checkPattern(written, path, [...path, 'name'], context.report);
  checkTrust(written, path, context.report);
  const tls = buildTls(written.tls, path, context);
  const trust = buildTrust(written, path, context);
  if (tls === undefined || trust === undefined) return undefined;
  return {
    name: written.name,
    host: written.host,
    kind: written.kind,
    ports: portsOf(written),
    tls,
    trust,
    required: written.requires ?? defaultRequires(written),
    allowUnauthenticate: written.allowUnauthenticate,
    state: written.state,
    weight: written.weight,
  };
}

/** Reports nodes that have the same name, so that only one of them could ever be found. */
export function checkDuplicateNodes(nodes: readonly (NodeSettings | undefined)[], report: Report): void {
  const names = nodes.map((node) => node?.name.toLowerCase());
  for (const [index, name] of names.entries()) {
    const first = names.indexOf(name);
    if (name === undefined || first === index) continue;
    report.problem(['nodes', index, 'name'], `nodes[${first}] has this name already`, 'one node for a name');
  }
}

/** Reports a node that is one of our own listeners: a login would come back to us for ever. */
export function checkLoop(
  node: NodeSettings,
  path: Path,
  listeners: readonly ListenerSettings[],
  report: Report,
): void {
  const host = node.host ?? node.name;
  for (const [protocol, port] of node.ports) {
    const own = listeners.find((listener) => listener.port === port && leadsTo(host, listener.address));
    if (own === undefined) continue;
    report.problem(
      path,
      `${host} port ${port} is this proxy's own ${own.protocol} listener: logins would go round for ever`,
      `the host and the ${protocol} port of the mail server behind this proxy`,
    );
    return;
  }
}

/** Reports what a node must be told and no directory says: every login to it would fail. */
export function checkRequired(
  node: NodeSettings,
  path: Path,
  directories: readonly DirectorySettings[],
  report: Report,
): void {
  const unsaid = node.required.filter((name) =>
    directories.every((directory) => !(name in forwardOf(directory))),
  );
  if (unsaid.length === 0) return;
  const names = unsaid.join(', ');
  report.problem(
    path,
    `no directory says ${names}, which this node requires`,
    `forward: { ${unsaid[0]}: … } in a directory`,
  );
}

/** Gives the ports that are written, and the usual ones of the others. */
export function portsOf({
  kind,
  ports,
  tls,
}: Pick<NodeConfig, 'kind'> & {
  readonly ports: Readonly<Record<string, number | undefined>>;
  readonly tls: Pick<NodeTls, 'mode'>;
}): ReadonlyMap<string, number> {
  const known = new Map<string, number>();
  for (const [name, protocol] of PROTOCOLS) {
    const port = ports[name] ?? usualNodePort(protocol, kind, tls.mode);
    if (port !== undefined) known.set(name, port);
  }
  return known;
}

/** Reports a name with `*` that matches hosts of strangers. */
export function checkPattern(
  { name, host }: Pick<NodeConfig, 'name' | 'host'>,
  path: Path,
  namePath: Path,
  report: Report,
): void {
  if (!name.includes('*')) return;
  if (host !== undefined) {
    report.problem(
      [...path, 'host'],
      'a name with * stands for many hosts',
      'leave host out: each name is its host',
    );
  }
  const hint = hintForPattern(name);
  if (hint === undefined) return;
  report.problem(
    namePath,
    'this matches hosts of strangers, to which the directory could then send logins',
    hint,
  );
}

// Whoever can edit one user in the directory must not be able to aim our key at a host of their own.
function hintForPattern(name: string): string | undefined {
  const labels = name.replace(/\.$/, '').split('.');
  const literal = labels.slice(labels.findLastIndex((label) => label.includes('*')) + 1);
  if (/\d/.test(name) && labels.every((label) => /^[\d*]+$/.test(label))) return 'a node for each address';
  // example.org with something before it, without a dot, is another domain.
  if (/^\*[^.]/.test(name)) return `a dot behind the first *, as *.${name.replace(/^\*+[.-]?/, '')}`;
  const isDomain = literal.length >= 2 && !/^\d+$/.test(literal.at(-1) ?? '');
  return isDomain ? undefined : 'a name that ends in a domain of yours, as *.mail.example.org';
}

/** The usual trust of a kind of node; `undefined` where there is none. */
export function defaultTrust({ kind }: Pick<NodeConfig, 'kind'>): NodeConfig['trust'] {
  if (kind === 'generic') return undefined;
  return kind === 'courier' ? 'cram-sha256' : 'scram-sha-256';
}

/** What a node must be told, where nothing is written. */
export function defaultRequires(written: Pick<NodeConfig, 'kind' | 'trust'>): readonly string[] {
  return written.kind === 'generic' || written.trust === 'replay' ? [] : ['home', 'uid', 'gid'];
}

function checkTrust(written: NodeConfig, path: Path, report: Report): void {
  const { kind, tls, trust = defaultTrust(written) } = written;
  if (tls.mode === 'none' && (trust === 'plain-authzid' || trust === 'replay')) {
    report.problem(
      [...path, 'trust'],
      `${trust} sends a password, so it needs TLS to the node`,
      'tls: implicit or starttls, or a trust that proves without telling: scram-sha-256',
    );
  }
  if (kind === 'courier' && !trust?.startsWith('cram-')) {
    report.problem(
      [...path, 'trust'],
      `a courier node is not told of the account by ${trust}`,
      'cram-sha256',
    );
  }
  if (tls.mode === 'none' && !isLoopback(written.host ?? written.name)) {
    const proof = kind === 'courier' ? ', and CRAM does not prove that it is the node' : '';
    report.warning(
      [...path, 'tls'],
      `without TLS mail to this node can be read on the way${proof}`,
      'tls: implicit',
    );
  }
}

function buildTls(
  written: NodeConfig['tls'],
  path: Path,
  { files, report }: NodeContext,
): NodeTls | undefined {
  const { mode, caFile, serverName, pin } = written;
  if (mode === 'none') return { mode };
  if (caFile === undefined) return { mode, ca: undefined, serverName, pin };
  const caPath = [...path, 'tls', 'caFile'];
  const ca = files.read(caPath, caFile);
  if (ca === undefined) return undefined;
  checkAuthorities(ca, caPath, report);
  return { mode, ca, serverName, pin };
}

function buildTrust(written: NodeConfig, path: Path, context: NodeContext): Trust | undefined {
  const kind = written.trust ?? defaultTrust(written);
  if (kind === undefined) {
    context.report.problem(
      path,
      'trust is missing: a generic node has no usual one',
      'trust: plain-authzid, or replay',
    );
    return undefined;
  }
  if (kind === 'replay') return { kind };
  const keyFile = written.keyFile ?? context.keyFile;
  if (keyFile === undefined) {
    context.report.problem(
      path,
      'this proxy has no key to prove itself with',
      'set keyFile; homing secret makes one',
    );
    return undefined;
  }
  const keyPath = written.keyFile === undefined ? ['keyFile'] : [...path, 'keyFile'];
  const key = context.files.readSecretLine(keyPath, keyFile);
  if (key === undefined) return undefined;
  checkKeyStrength(key, context.report, keyPath);
  return { kind, name: written.proxyName ?? context.proxyName, key };
}
