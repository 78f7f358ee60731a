import { createProver, needsTls, type Prover } from '../../auth/trust.ts';
import type { NodeSettings } from '../settings.ts';

/** A node that we may dial, under the name that the directory gave. */
export interface KnownNode {
  readonly name: string;
  readonly host: string;
  readonly settings: NodeSettings;
  readonly prover: Prover;
}

/** RFC 1123 names and IPv4 addresses: whoever can edit an entry must not smuggle anything else into a dial. */
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

interface Row {
  readonly settings: NodeSettings;
  readonly prover: Prover;
  readonly pattern: RegExp;
}

/** The nodes that we may dial: by name, or by a pattern that allows names. All else is refused. */
export class NodeTable {
  readonly #byName = new Map<string, Row>();
  readonly #patterns: readonly Row[];

  /** @throws {Error} when a node's trust needs TLS and the node has none. */
  constructor(nodes: readonly NodeSettings[]) {
    const rows = nodes.map(toRow);
    for (const row of rows) {
      this.#byName.set(row.settings.name.toLowerCase(), row);
    }
    this.#patterns = rows.filter(({ settings }) => settings.name.includes('*'));
  }

  /** @returns `undefined` for a name that is neither in the table nor allowed by a pattern. */
  find(name: string): KnownNode | undefined {
    const wanted = name.trim().toLowerCase().replace(/\.$/, '');
    if (!HOST_NAME.test(wanted)) {
      return undefined;
    }
    const row = this.#byName.get(wanted) ?? this.#patterns.find(({ pattern }) => pattern.test(wanted));
    if (row === undefined) {
      return undefined;
    }
    return {
      name: wanted,
      host: row.settings.host ?? wanted,
      settings: row.settings,
      prover: row.prover,
    };
  }
}

function toRow(settings: NodeSettings): Row {
  if (needsTls(settings.trust) && settings.tls.mode === 'none') {
    throw new Error(`node ${settings.name}: trust ${settings.trust.kind} needs TLS to the node`);
  }
  const parts = settings.name.toLowerCase().split('*').map(RegExp.escape);
  return {
    settings,
    prover: createProver(settings.trust),
    pattern: new RegExp(`^${parts.join('[a-z0-9-]+')}$`),
  };
}
