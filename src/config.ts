import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import type { AdminSettings } from './admin.ts';
import { checkBalancers } from './config/balancers.ts';
import {
  buildDirectory,
  checkDomains,
  checkVerifiers,
  type DirectorySettings,
  withOwnNames,
} from './config/directories.ts';
import { configFiles, systemReason } from './config/files.ts';
import { checkGroups } from './config/groups.ts';
import { problemsOf } from './config/issues.ts';
import { buildListener, checkAdmin, checkDuplicates } from './config/listeners.ts';
import { checkMechanismNeeds } from './config/mechanism-needs.ts';
import { warnOfNoEffect } from './config/no-effect.ts';
import { buildNode, checkDuplicateNodes, checkLoop, checkRequired } from './config/nodes.ts';
import { buildNodesFrom } from './config/nodes-from.ts';
import { buildOauth } from './config/oauth.ts';
import { type Findings, gatherFindings } from './config/report.ts';
import { configSchema } from './config/schema.ts';
import { buildDecoys } from './config/schema-decoys.ts';
import { directorySchema } from './config/schema-directory.ts';
import { buildExternal } from './config/schema-external.ts';
import { groupSchema } from './config/schema-group.ts';
import { listenerSchema } from './config/schema-listener.ts';
import { buildNames, checkAliases, domainsByAddress } from './config/schema-names.ts';
import { nodeSchema } from './config/schema-node.ts';
import { nodesFromSchema } from './config/schema-nodes-from.ts';
import { buildThrottle } from './config/schema-throttle.ts';
import { type Problem, readSource, valueAt } from './config/source.ts';
import { checkTimes } from './config/times.ts';
import { proxyName } from './config/values.ts';
import type { Level } from './log-table.ts';
import { Networks } from './networks.ts';
import type {
  DecoySettings,
  GroupSettings,
  ListenerSettings,
  NodeSettings,
  NodesFromSettings,
  Settings,
} from './settings.ts';
import type { ThrottleSettings } from './throttle/settings.ts';
import type { OauthSettings } from './token-providers.ts';

/** All that a configuration file says, checked, with its defaults and the content of its files. */
export interface Config {
  readonly settings: Settings;
  /** The first whose domains fit a login is asked. */
  readonly directories: readonly DirectorySettings[];
  /** `undefined` where failed logins are not throttled. */
  readonly throttle: ThrottleSettings | undefined;
  readonly log: { readonly level: Level; readonly format: 'auto' | 'json' | 'pretty' };
  readonly admin: AdminSettings | undefined;
  /** Whose tokens are taken; `undefined` where tokens let nobody in. */
  readonly oauth: OauthSettings | undefined;
  /** How long sessions may go on when the program is told to stop. */
  readonly stopMs: number;
  /** What is allowed, but seldom meant. */
  readonly warnings: readonly Problem[];
  /** What the file says, by setting of the top level. */
  readonly written: Readonly<Record<string, unknown>>;
}

/** A configuration that can't be used. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly file: string;
  /** All of them, in the order of the file. */
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[]) {
    super(`${file}: ${problems.length} problem${problems.length === 1 ? '' : 's'}`);
    this.file = file;
    this.problems = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
  }
}

/**
 * Reads and checks a configuration file and the files that it names.
 * @throws {ConfigError} with everything that is wrong, not only the first thing.
 * @throws {Error} when the file itself can't be read.
 */
export function loadConfig(path: string): Config {
  const file = resolve(path);
  const source = readSource(readText(file));
  if (source.syntaxProblem !== undefined) throw new ConfigError(path, [source.syntaxProblem]);
  const findings = gatherFindings(source);
  const parsed = configSchema.safeParse(source.data);
  const refused = (parsed.error?.issues ?? []).flatMap((issue) => problemsOf(issue, configSchema, source));
  const parts = buildParts(source.data, dirname(file), findings);
  const problems = [...refused, ...findings.problems];
  if (parsed.data === undefined || problems.length > 0) throw new ConfigError(path, problems);
  return { ...assemble(parsed.data, parts, findings.warnings), written: { ...Object(source.data) } };
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`can't read the configuration ${file}: ${systemReason(error)}`, { cause: error });
  }
}

interface Parts {
  readonly listeners: readonly ListenerSettings[];
  readonly nodes: readonly NodeSettings[];
  readonly groups: readonly GroupSettings[];
  readonly nodesFrom: NodesFromSettings | undefined;
  readonly directories: readonly DirectorySettings[];
  readonly oauth: OauthSettings | undefined;
  readonly decoys: DecoySettings | undefined;
}

/** Builds each part that is sound in itself, even where others are not, so that all problems are told at once. */
function buildParts(data: unknown, folder: string, findings: Findings): Parts {
  const files = configFiles(folder, findings);
  const { tls, keyFile } = configSchema.shape;
  const common = { files, report: findings };
  const tlsDefaults = sound(tls, valueAt(data, ['tls'])) ?? {};
  const names = sound(configSchema.shape.names, valueAt(data, ['names']));
  const byAddress = names === undefined ? new Map<string, string>() : domainsByAddress(names);
  const nodeContext = {
    ...common,
    proxyName: nameOf(data, findings),
    keyFile: sound(keyFile, valueAt(data, ['keyFile'])),
  };
  const nodes = itemsOf(data, 'nodes').map((item, index) => {
    const written = sound(nodeSchema, item);
    return written && buildNode(written, ['nodes', index], nodeContext);
  });
  const directories = itemsOf(data, 'directories').map((item, index) => {
    const written = sound(directorySchema, item);
    return written && buildDirectory(written, ['directories', index], common);
  });
  const writtenOauth = sound(configSchema.shape.oauth, valueAt(data, ['oauth']));
  const oauth = writtenOauth && buildOauth(writtenOauth, common);
  const sane = present(directories);
  const listenerContext = {
    ...common,
    tls: tlsDefaults,
    byAddress,
    directories: sane.length === directories.length ? sane : [],
  };
  const listeners = itemsOf(data, 'listeners').map((item, index) => {
    const written = sound(listenerSchema, item);
    return written && buildListener(written, ['listeners', index], listenerContext);
  });
  const writtenNodesFrom = valueAt(data, ['nodesFrom']);
  const soundNodesFrom = sound(nodesFromSchema, writtenNodesFrom);
  const nodesFrom =
    soundNodesFrom &&
    buildNodesFrom(soundNodesFrom, { ...nodeContext, directories, listeners: present(listeners) });
  if (writtenNodesFrom === undefined) checkAnyNode(data, findings);
  checkTogether({ listeners, nodes, directories, nodesFrom }, findings);
  const groups = itemsOf(data, 'groups').map((item) => sound(groupSchema, item));
  const soundNodes = present(nodes);
  checkGroups(groups, {
    nodes: soundNodes,
    areAllNodes: soundNodes.length === nodes.length && writtenNodesFrom === undefined,
    listeners: present(listeners),
    report: findings,
  });
  checkMechanismNeeds(listeners, data, findings);
  warnOfNoEffect(listeners, data, findings);
  if (names !== undefined) checkAliases(names, findings);
  checkBalancers(sound(configSchema.shape.balancers, valueAt(data, ['balancers'])), findings);
  const admin = sound(configSchema.shape.admin, valueAt(data, ['admin']));
  if (admin !== undefined) checkAdmin(admin, listeners, findings);
  const times = sound(configSchema.shape.times, valueAt(data, ['times']));
  if (times !== undefined) checkTimes(times, data, findings);
  const writtenDecoys = sound(configSchema.shape.scramDecoys, valueAt(data, ['scramDecoys']));
  const decoys = writtenDecoys && buildDecoys(writtenDecoys, allKinds(nodes, nodesFrom), common);
  return {
    listeners: present(listeners),
    nodes: soundNodes,
    nodesFrom,
    groups: present(groups).map((group) => ({
      ...group,
      services: present(listeners).map(({ protocol }) => protocol),
    })),
    directories: withOwnNames(sane),
    oauth,
    decoys,
  };
}

type Maybe<T> = readonly (T | undefined)[];

/** Checks what no part can know of the others. */
function checkTogether(
  parts: {
    listeners: Maybe<ListenerSettings>;
    nodes: Maybe<NodeSettings>;
    directories: Maybe<DirectorySettings>;
    nodesFrom: NodesFromSettings | undefined;
  },
  findings: Findings,
): void {
  checkDuplicates(parts.listeners, findings);
  checkDuplicateNodes(parts.nodes, findings);
  checkDomains(parts.directories, findings);
  const directories = present(parts.directories);
  // With a directory left out for its own problems, the others would be blamed for what it forwards.
  const complete = directories.length === parts.directories.length && directories.length > 0;
  for (const [index, node] of parts.nodes.entries()) {
    if (node === undefined) continue;
    checkLoop(node, ['nodes', index], present(parts.listeners), findings);
    if (complete) checkRequired(node, ['nodes', index], directories, findings);
  }
  if (complete && parts.nodesFrom !== undefined) {
    checkRequired(parts.nodesFrom.entries.defaults, ['nodesFrom', 'defaults'], directories, findings);
  }
  const kinds = allKinds(parts.nodes, parts.nodesFrom);
  for (const [index, directory] of parts.directories.entries()) {
    if (directory !== undefined) checkVerifiers(directory, ['directories', index], kinds, findings);
  }
}

/** The nodes that are written, and one that stands for those of a directory. */
function allKinds(
  nodes: Maybe<NodeSettings>,
  nodesFrom: NodesFromSettings | undefined,
): readonly NodeSettings[] {
  return present([...nodes, nodesFrom?.entries.defaults]);
}

function checkAnyNode(data: unknown, findings: Findings): void {
  // An empty file is told of as such.
  if (typeof data !== 'object' || data === null) return;
  const written = valueAt(data, ['nodes']);
  if (written !== undefined && !(Array.isArray(written) && written.length === 0)) return;
  findings.problem(['nodes'], 'there is no node', 'nodes: a list of mail servers; or nodesFrom');
}

function nameOf(data: unknown, findings: Findings): string {
  const written = sound(configSchema.shape.name, valueAt(data, ['name']));
  const name = written ?? hostname();
  if (proxyName.safeParse(name).success) return name;
  findings.problem(['name'], `the host name ${JSON.stringify(name)} can't be this proxy's name`, 'set name');
  return name;
}

function assemble(
  data: z.output<typeof configSchema>,
  parts: Parts,
  warnings: readonly Problem[],
): Omit<Config, 'written'> {
  const { times, names, limits, log, admin, external } = data;
  const settings: Settings = {
    listeners: parts.listeners,
    nodes: parts.nodes,
    groups: parts.groups,
    nodesFrom: parts.nodesFrom,
    times: {
      proxyHeaderMs: times.proxyHeader,
      unauthenticatedMs: times.unauthenticated,
      tlsHandshakeMs: times.tlsHandshake,
      directoryMs: times.directory,
      nodeMs: times.node,
      connectMs: times.connect,
      connectWithSpareMs: times.connectWithSpare,
      loginWithSpareMs: times.loginWithSpare,
      failureMs: times.failure,
      halfCloseMs: times.halfClose,
      holdMs: times.hold,
      spreadMs: times.spread,
      trustCheckMs: times.trustCheck === 0 ? undefined : times.trustCheck,
    },
    limits,
    health: { probe: data.health.probe, everyMs: data.health.every, all: data.health.all },
    endSessions: {
      movedWithinMs: data.endSessions.movedWithin,
      movedPerSecond: data.endSessions.movedPerSecond,
      disabled: data.endSessions.disabled,
      passwordChanged: data.endSessions.passwordChanged,
    },
    sourceAddresses: data.sourceAddresses,
    names: buildNames(names),
    delegates: data.delegates,
    external: external && buildExternal(external),
    balancers: new Networks(data.balancers),
    decoys: parts.decoys,
  };
  return {
    settings,
    directories: parts.directories,
    throttle: buildThrottle(data.throttle, data.balancers),
    oauth: parts.oauth,
    log,
    admin,
    stopMs: times.stop,
    warnings,
  };
}

function sound<T>(schema: z.ZodType<T>, value: unknown): T | undefined {
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

function itemsOf(data: unknown, name: string): readonly unknown[] {
  const items = valueAt(data, [name]);
  return Array.isArray(items) ? items : [];
}

function present<T>(values: Maybe<T>): readonly T[] {
  return values.filter((value) => value !== undefined);
}
