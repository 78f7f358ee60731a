import { afterAll, describe, expect, it } from 'vitest';
import { ConfigFolder, GOOD, good } from '../support/config-folder.ts';

const folder = new ConfigFolder();
afterAll(() => folder[Symbol.dispose]());

describe('names', () => {
  it('have aliases of domains, in any case', () => {
    const { names } = folder.load(`${GOOD}names: { domainAliases: { OLD.example: new.example } }\n`).settings;

    expect(names.domainAliases).toEqual(new Map([['old.example', 'new.example']]));
  });

  it('have a default domain by listener, and by local address in any spelling', () => {
    const addresses = "192.0.2.1: a.example, '2001:DB8:0::1': b.example, '::FFFF:c000:203': d.example";
    const byAddress = `names: { domainByAddress: { ${addresses} } }`;
    const listener = good('port: 1143,', 'port: 1143, defaultDomain: c.example,');
    const { listeners } = folder.load(`${listener}${byAddress}\n`).settings;

    expect(listeners[0]?.domains).toEqual({
      default: 'c.example',
      byAddress: new Map([
        ['192.0.2.1', 'a.example'],
        ['2001:db8::1', 'b.example'],
        ['192.0.2.3', 'd.example'],
      ]),
    });
  });

  it.each([
    "domainSeparators: '*'",
    "domainSeparators: '@'",
    'domainSeparators: a',
    'domainAliases: { old.example: "@new" }',
    'domainByAddress: { example.org: example.org }',
    "punctuation: '%'",
  ])('can not have %s', (setting) => {
    expect(folder.problems(`${GOOD}names: { ${setting} }\n`)).toHaveLength(1);
  });
});

describe('delegates', () => {
  it('are nobody unless they are named', () => {
    expect(folder.load(GOOD).settings.delegates).toEqual([]);
  });

  it('are accounts with those for whom they may act', () => {
    const delegate = { account: 'webmail@example.org', mayActFor: ['example.org', '*'] };

    expect(folder.load(`${GOOD}delegates: [${JSON.stringify(delegate)}]\n`).settings.delegates).toEqual([
      delegate,
    ]);
  });

  it.each([
    '{ account: webmail }',
    '{ account: webmail, mayActFor: [] }',
    "{ account: '', mayActFor: ['*'] }",
  ])('can not be %s', (delegate) => {
    expect(folder.problems(`${GOOD}delegates: [${delegate}]\n`)).toHaveLength(1);
  });
});
