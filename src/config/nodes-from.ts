import { SchemaError } from '../../auth/entries/login-filter.ts';
import { compileSchema, type Schema } from '../../auth/entries/schema.ts';
import type { ListenerSettings, NodesFromSettings } from '../settings.ts';
import type { DirectorySettings } from './directories.ts';
import { isDn } from './dn.ts';
import { buildConnection, RETRY_MS } from './ldap-directory.ts';
import { buildNode, checkPattern, type NodeContext } from './nodes.ts';
import type { NodesFromConfig } from './schema-nodes-from.ts';
import type { Path } from './source.ts';

/** What nodes of a directory need besides their own settings. */
export interface NodesFromContext extends NodeContext {
  readonly directories: readonly (DirectorySettings | undefined)[];
  readonly listeners: readonly ListenerSettings[];
}

const PATH: Path = ['nodesFrom'];

/** Makes the settings of nodes in a directory. @returns `undefined` when a problem was reported. */
export function buildNodesFrom(
  written: NodesFromConfig,
  context: NodesFromContext,
): NodesFromSettings | undefined {
  for (const [index, name] of written.allow.entries()) {
    const at = [...PATH, 'allow', index];
    checkPattern({ name }, at, at, context.report);
  }
  const defaults = buildNode(
    { ...written.defaults, name: 'nodes.invalid', host: undefined },
    [...PATH, 'defaults'],
    context,
  );
  const schema = buildSchema(written, context);
  const connection = connectionOf(written, context);
  if (defaults === undefined || schema === undefined || connection === undefined) return undefined;
  const { pollEvery, follow: mode, attributes, allow } = written;
  return {
    name: `${connection.servers[0]?.url ?? ''}/${written.base}`,
    source: {
      ...connection,
      schema,
      verify: 'bind',
      readPasswords: false,
      // A poll does not show what is gone, so each puts everything in doubt.
      ...{ mode, pollMs: pollEvery, recheckMs: pollEvery },
      timestamp: 'modifyTimestamp',
      retryMs: RETRY_MS,
    },
    entries: {
      attributes,
      allow,
      defaults,
      written: written.defaults,
      services: [...new Set(context.listeners.map(({ protocol }) => protocol))],
    },
  };
}

function buildSchema(
  { base, filter, attributes }: NodesFromConfig,
  { report }: NodesFromContext,
): Schema | undefined {
  if (!isDn(base)) {
    report.problem([...PATH, 'base'], 'this is not a DN', 'as ou=nodes,dc=example,dc=org');
    return undefined;
  }
  const { name, ...others } = attributes;
  try {
    return compileSchema({
      base,
      scope: 'sub',
      filters: [`(&${filter}(${name}=%u))`],
      name,
      home: Object.values(others),
      defaultHomes: [],
      status: [],
      services: [],
      forward: {},
      password: 'userPassword',
    });
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    report.problem([...PATH, 'filter'], error.message, 'as (objectClass=homingNode)');
    return undefined;
  }
}

function connectionOf(written: NodesFromConfig, context: NodesFromContext) {
  const { directory: index, urls } = written;
  const { report, directories } = context;
  if ((index === undefined) === (urls === undefined)) {
    report.problem(
      PATH,
      'nodesFrom needs either directory or urls: where the entries are',
      'directory: 0 for the servers of the first directory, or urls: [ldaps://ldap.example.org]',
    );
    return undefined;
  }
  if (urls !== undefined) return buildConnection({ ...written, urls, preset: undefined }, PATH, context);
  const directory = directories[index ?? 0];
  if (directory?.kind === 'ldap') {
    const { servers, account, connectMs, operationMs } = directory.options;
    return { servers, account, connectMs, operationMs };
  }
  // One that is there, and left out for its own problems, is reported with itself.
  if (directory !== undefined || (index ?? 0) >= directories.length) {
    report.problem([...PATH, 'directory'], 'this is no LDAP directory', 'one of kind: ldap, counted from 0');
  }
  return undefined;
}
