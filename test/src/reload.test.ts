import { afterAll, describe, expect, it } from 'vitest';
import { Secret } from '../../auth/secret.ts';
import type { Config } from '../../src/config.ts';
import type { Event } from '../../src/events.ts';
import { Reload } from '../../src/reload.ts';
import { NodeTable } from '../../src/routing/node-table.ts';
import type { NodeSettings } from '../../src/settings.ts';
import { ConfigFolder, GOOD } from '../support/config-folder.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

/** A proxy that runs on this configuration, and reads it again. */
function running(text: string) {
  const started = folder.load(text);
  const table = new NodeTable(started.settings.nodes, started.settings.groups);
  const events: Event[] = [];
  let load = (): Config => started;
  const reload = new Reload(started, {
    load: () => load(),
    proxy: { reconfigure: (nodes, groups) => table.reconfigure(nodes, groups) },
    observe: (event) => events.push(event),
  });
  const reread = (changed: string): Event | undefined => {
    load = () => folder.load(changed);
    reload.run();
    return events.at(-1);
  };
  return { table, events, reread };
}

const more = (text: string, node: string): string => text.replace('nodes:\n', `nodes:\n${node}\n`);
const NODE = '  - { name: new.example.org, kind: dovecot, state: draining }';

describe('a configuration that is read again', () => {
  it('F38 gives its nodes, and takes back those that it has no more', () => {
    const { table, reread } = running(GOOD);

    expect(reread(more(GOOD, NODE))).toEqual({ event: 'configRead', changed: 'nodes' });
    expect(table.find('new.example.org')?.settings.state).toBe('draining');
    expect(reread(GOOD)).toEqual({ event: 'configRead', changed: 'nodes' });
    expect(table.find('new.example.org')).toBeUndefined();
  });

  it('F38 says what it can not take while it runs, as long as that is so', () => {
    const { reread } = running(GOOD);
    const limited = `${GOOD}limits: { connections: 7 }\n`;

    expect(reread(limited)).toEqual({ event: 'configRead', changed: 'none', needsRestart: 'limits' });
    expect(reread(more(limited, NODE))).toEqual({
      event: 'configRead',
      changed: 'nodes',
      needsRestart: 'limits',
    });
    expect(reread(GOOD)).toEqual({ event: 'configRead', changed: 'nodes' });
  });

  it('F39 changes nothing where anything is wrong, and says what', () => {
    const { table, reread } = running(GOOD);

    expect(reread(`${more(GOOD, NODE)}limits: { connections: none }\n`)).toEqual({
      event: 'configRefused',
      detail: expect.stringMatching(/homing\.yaml: line \d+: limits\.connections: ./),
    });
    expect(table.find('new.example.org')).toBeUndefined();
  });
});

describe('nodes that are written anew', () => {
  const key = (text: string): NodeSettings['trust'] => ({
    kind: 'scram-sha-256',
    name: 'proxy1',
    key: new Secret(Buffer.from(text)),
  });
  const node = (name: string, changes: Partial<NodeSettings> = {}): NodeSettings => ({
    name,
    host: undefined,
    kind: 'dovecot',
    ports: new Map([['imap', 143]]),
    tls: { mode: 'none' },
    trust: key('k1'),
    required: [],
    ...changes,
  });

  it('F38 keep what was derived for them, unless their key is another one', () => {
    const table = new NodeTable([node('a'), node('b')]);
    const [a, b] = [table.find('a')?.prover, table.find('b')?.prover];

    table.reconfigure([node('a'), node('b', { trust: key('k2') })]);

    expect(table.find('a')?.prover).toBe(a);
    expect(table.find('b')?.prover).not.toBe(b);
  });

  it('go before those of the directory, which are there again when they are gone', () => {
    const table = new NodeTable([]);
    table.replace('ldap', { nodes: [node('a', { host: 'of-ldap' })] });
    const told: string[][] = [];
    table.onChange(({ replaced }) => told.push([...replaced]));

    table.reconfigure([node('a', { host: 'of-config' })]);
    expect(table.find('a')?.host).toBe('of-config');
    table.reconfigure([]);

    expect(table.find('a')?.host).toBe('of-ldap');
    expect(told).toEqual([['a'], ['a']]);
  });

  it('F39 stay as they were where one of them can not be', () => {
    const table = new NodeTable([node('a')]);

    expect(() => table.reconfigure([node('b', { trust: { kind: 'replay' } })])).toThrow('needs TLS');

    expect(table.all.map(({ name }) => name)).toEqual(['a']);
  });
});
