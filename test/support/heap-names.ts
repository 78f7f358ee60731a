/** The parts of a heap snapshot (V8's `.heapsnapshot`) that are needed to know its names. */
interface Snapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[];
      readonly node_types: readonly [readonly string[], ...unknown[]];
      readonly edge_fields: readonly string[];
      readonly edge_types: readonly [readonly string[], ...unknown[]];
    };
  };
  readonly nodes: readonly number[];
  readonly edges: readonly number[];
  readonly strings: readonly string[];
}

/** The values of the program's strings, which are no names. */
const VALUES = new Set(['string', 'concatenated string', 'sliced string']);
/** Edges with a number in place of a name. */
const NUMBERED = new Set(['element', 'hidden']);

/** The names in a heap snapshot: of classes, functions and properties, but not the values of strings. */
export function heapNames(text: string): ReadonlySet<string> {
  const { snapshot, nodes, edges, strings } = JSON.parse(text) as Snapshot;
  const { node_fields, node_types, edge_fields, edge_types } = snapshot.meta;
  const names = new Set<string>();
  const collect = (
    rows: readonly number[],
    fields: readonly string[],
    isName: (type: number) => boolean,
    name: string,
  ): void => {
    const nameAt = fields.indexOf(name);
    for (let at = 0; at < rows.length; at += fields.length) {
      if (isName(rows[at] ?? 0)) {
        names.add(strings[rows[at + nameAt] ?? 0] ?? '');
      }
    }
  };
  collect(nodes, node_fields, (type) => !VALUES.has(node_types[0][type] ?? ''), 'name');
  collect(edges, edge_fields, (type) => !NUMBERED.has(edge_types[0][type] ?? ''), 'name_or_index');
  return names;
}
