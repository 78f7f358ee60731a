import { describe, expect, it } from 'vitest';
import type { LoginName } from '../../../auth/directory.ts';
import type { Entry } from '../../../auth/entries/entry.ts';
import { SchemaError } from '../../../auth/entries/login-filter.ts';
import {
  PRESETS,
  type PresetName,
  type SchemaOverrides,
  schemaOptions,
} from '../../../auth/entries/presets.ts';
import { accountOf, compileSchema, searchesFor } from '../../../auth/entries/schema.ts';

const ALICE: LoginName = { full: 'alice@example.org', localPart: 'alice', domain: 'example.org' };

function entry(attributes: Readonly<Record<string, string | readonly string[]>>): Entry {
  return {
    dn: 'uid=alice,ou=people,dc=example,dc=org',
    attributes: new Map(
      Object.entries(attributes).map(([name, values]) => [name.toLowerCase(), [values].flat()]),
    ),
  };
}

interface Asked {
  readonly preset?: PresetName;
  readonly overrides?: SchemaOverrides;
  readonly service?: string;
}

function account(
  attributes: Parameters<typeof entry>[0],
  { preset, overrides = {}, service = 'imap' }: Asked = {},
) {
  const schema = compileSchema(schemaOptions(preset, overrides));
  return accountOf(schema, entry(attributes), { service });
}

describe('schemaOptions', () => {
  it('lets a configuration replace any setting of its preset', () => {
    const options = schemaOptions('qmail', { home: ['mailStore'], base: 'dc=x', status: undefined });

    expect(options).toMatchObject({ base: 'dc=x', home: ['mailStore'], name: 'uid' });
    expect(options.status).toBe(PRESETS.qmail.status);
  });

  it('lays forwarded values over those of the preset by name', () => {
    const { forward } = schemaOptions('qmail', {
      forward: { home: { kind: 'template', template: '/mail/%n' } },
    });

    expect(forward).toMatchObject({
      home: { kind: 'template', template: '/mail/%n' },
      quota: { kind: 'attribute', attribute: 'mailQuotaSize' },
    });
  });
});

describe('compileSchema', () => {
  it.each(Object.keys(PRESETS).filter((name) => name !== 'activeDirectory'))(
    'takes the preset %s as it is',
    (name) => {
      expect(() => compileSchema(schemaOptions(name as PresetName, {}))).not.toThrow();
    },
  );

  it('asks for the home attribute of Active Directory, which has no usual one', () => {
    expect(() => compileSchema(schemaOptions('activeDirectory', {}))).toThrow('home: name the attribute');
    expect(() => compileSchema(schemaOptions('activeDirectory', { defaultHomes: ['node-a'] }))).not.toThrow();
  });

  it.each<readonly [string, SchemaOverrides]>([
    ['no filter', { filters: [] }],
    ['a filter that finds the same for everybody', { filters: ['(uid=alice)'] }],
    ['what is no attribute', { name: 'uid)(x=*' }],
    ['every attribute asked for', { home: ['*'] }],
  ])('refuses %s', (_, overrides) => {
    expect(() => compileSchema(schemaOptions('qmail', overrides))).toThrow(SchemaError);
  });

  it('asks for the attributes it needs, once each, and never for the password', () => {
    const { attributes } = compileSchema(schemaOptions('qmail', { name: 'uid', home: ['mailHost', 'uid'] }));

    expect(attributes).toEqual([
      'uid',
      'mailHost',
      'accountStatus',
      'homeDirectory',
      'uidNumber',
      'gidNumber',
      'mailQuotaSize',
    ]);
  });

  it('asks for the attributes that a template takes', () => {
    const forward = { home: { kind: 'template', template: '%{mailMessageStore}/%n/%{ou}' } } as const;

    expect(compileSchema(schemaOptions(undefined, { forward })).attributes).toEqual([
      'uid',
      'mailHost',
      'mailMessageStore',
      'ou',
    ]);
  });
});

describe('searchesFor', () => {
  it('puts the domain into the base as a value of a DN', () => {
    const schema = compileSchema(schemaOptions('sun', {}));

    const bases = searchesFor(schema, { ...ALICE, domain: 'a,o=b+c' }).map(({ base }) => base);

    expect(bases).toEqual(['o=a\\,o\\=b\\+c,o=internet', 'o=a\\,o\\=b\\+c,o=internet']);
  });

  it('searches nowhere for a name without a domain where the base needs one', () => {
    const schema = compileSchema(schemaOptions('sun', {}));

    expect(searchesFor(schema, { full: 'alice', localPart: 'alice', domain: undefined })).toEqual([]);
  });

  it('keeps the order of the filters', () => {
    const schema = compileSchema(schemaOptions('qmail', { filters: ['(mail=%u)', '(&(uid=%n)(o=%d))'] }));

    const filters = searchesFor(schema, ALICE).map(({ filter }) => filter.toString());

    expect(filters).toEqual(['(mail=alice@example.org)', '(&(uid=alice)(o=example.org))']);
  });
});

describe('accountOf', () => {
  it('takes name, homes and forwarded values from the entry', () => {
    const found = account(
      {
        uid: 'alice',
        mailHost: 'node-a.example.org',
        homeDirectory: '/srv/mail/alice',
        uidNumber: '5000',
        gidNumber: '5000',
        mailQuotaSize: '10485760',
      },
      { preset: 'qmail' },
    );

    expect(found).toEqual({
      name: 'alice',
      entry: 'uid=alice,ou=people,dc=example,dc=org',
      homes: ['node-a.example.org'],
      homeAttributes: ['mailHost'],
      forwarded: new Map([
        ['home', '/srv/mail/alice'],
        ['uid', '5000'],
        ['gid', '5000'],
        ['quota', '10485760'],
      ]),
      bar: undefined,
    });
  });

  it('takes 32 homes of an entry, and no more', () => {
    const names = Array.from({ length: 33 }, (_, index) => `n${index}`);
    const some = names.slice(0, 32);

    expect(account({ uid: 'alice', mailHost: [...some, some.join(',')] }).homes).toEqual(some);
    expect(() => account({ uid: 'alice', mailHost: names.join(',') })).toThrow(
      'names 33 homes in mailHost, and at most 32 may be',
    );
  });

  it.each([[['a', 'b']], [['a,b']], [['a , ', 'b,a']]])('reads the homes %j as the list a, b', (mailHost) => {
    expect(account({ uid: 'alice', mailHost }).homes).toEqual(['a', 'b']);
  });

  it('gives no home where the entry names none and there is no default', () => {
    expect(account({ uid: 'alice' }).homes).toEqual([]);
    expect(account({ uid: 'alice', mailHost: ' ' }, { overrides: { defaultHomes: ['x'] } }).homes).toEqual([
      'x',
    ]);
  });

  it('calls an entry without the account name a fault of the directory', () => {
    expect(() => account({ mail: 'alice@example.org' })).toThrow(
      expect.objectContaining({ reason: 'directoryFault', message: expect.stringContaining('has no uid') }),
    );
  });

  describe.each<readonly [PresetName, string, Readonly<Record<string, string | undefined>>]>([
    [
      'qmail',
      'accountStatus',
      {
        active: undefined,
        ACTIVE: undefined,
        noaccess: 'disabled',
        deleted: 'disabled',
        nonsense: 'disabled',
      },
    ],
    [
      'zimbra',
      'zimbraAccountStatus',
      { active: undefined, maintenance: 'held', locked: 'disabled', lockout: 'locked', closed: 'disabled' },
    ],
    [
      'sun',
      'mailUserStatus',
      { active: undefined, overquota: undefined, hold: 'held', removed: 'disabled', constructor: 'held' },
    ],
    [
      'activeDirectory',
      'userAccountControl',
      { 512: undefined, 514: 'disabled', 66050: 'disabled', x: 'disabled' },
    ],
  ])('by the preset %s', (preset, attribute, meanings) => {
    it.each(Object.entries(meanings))(`takes ${attribute} %s for %s`, (value, bar) => {
      const asked = { preset, overrides: { home: ['mailHost'], name: 'uid' } };

      expect(account({ uid: 'alice', [attribute]: value }, asked).bar?.reason).toBe(bar);
    });
  });

  it('takes an absent status for active, but absent flags of Active Directory for disabled', () => {
    const overrides = { home: ['mailHost'], name: 'uid' };

    expect(account({ uid: 'alice' }, { preset: 'qmail' }).bar).toBeUndefined();
    expect(account({ uid: 'alice' }, { preset: 'activeDirectory', overrides }).bar).toEqual({
      reason: 'disabled',
      detail: 'uid=alice,ou=people,dc=example,dc=org has no userAccountControl',
    });
  });

  it('lets the first status that is not active decide', () => {
    const attributes = { uid: 'alice', inetUserStatus: 'disabled', mailUserStatus: 'hold' };

    expect(account(attributes, { preset: 'sun' }).bar).toEqual({
      reason: 'disabled',
      detail: 'inetUserStatus: disabled of uid=alice,ou=people,dc=example,dc=org says so',
    });
  });

  it('tells a forbidden service from a disabled account, which comes first', () => {
    const zimbra = { preset: 'zimbra', service: 'pop3' } as const;
    const attributes = { zimbraMailDeliveryAddress: 'alice', zimbraPop3Enabled: 'FALSE' };

    expect(account(attributes, zimbra).bar).toEqual({
      reason: 'serviceForbidden',
      detail: 'zimbraPop3Enabled: FALSE of uid=alice,ou=people,dc=example,dc=org says so',
    });
    expect(account(attributes, { ...zimbra, service: 'imap' }).bar).toBeUndefined();
    expect(account({ ...attributes, zimbraAccountStatus: 'closed' }, zimbra).bar?.reason).toBe('disabled');
  });
});
