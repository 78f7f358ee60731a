import type { SchemaOptions } from './schema.ts';

/** The schemas that are known by name. */
export type PresetName =
  | 'inetLocalMailRecipient'
  | 'qmail'
  | 'courier'
  | 'zimbra'
  | 'sun'
  | 'activeDirectory';

/** What a configuration says besides its preset: `undefined` leaves the preset's setting. */
export type SchemaOverrides = { readonly [Key in keyof SchemaOptions]?: SchemaOptions[Key] | undefined };

/** Lays a configuration's settings over a preset. Each replaces the preset's; `forward` does so name by name. */
export function schemaOptions(preset: PresetName | undefined, overrides: SchemaOverrides): SchemaOptions {
  const chosen = preset === undefined ? PLAIN : PRESETS[preset];
  return {
    base: overrides.base ?? chosen.base,
    scope: overrides.scope ?? chosen.scope,
    filters: overrides.filters ?? chosen.filters,
    name: overrides.name ?? chosen.name,
    home: overrides.home ?? chosen.home,
    defaultHomes: overrides.defaultHomes ?? chosen.defaultHomes,
    status: overrides.status ?? chosen.status,
    services: overrides.services ?? chosen.services,
    forward: { ...chosen.forward, ...overrides.forward },
    delegate: overrides.delegate ?? chosen.delegate,
    password: overrides.password ?? chosen.password,
  };
}

const PLAIN: SchemaOptions = {
  base: '',
  scope: 'sub',
  filters: ['(uid=%u)'],
  name: 'uid',
  home: ['mailHost'],
  defaultHomes: [],
  status: [],
  services: [],
  forward: {},
  password: 'userPassword',
};

const POSIX = {
  home: { kind: 'attribute', attribute: 'homeDirectory' },
  uid: { kind: 'attribute', attribute: 'uidNumber' },
  gid: { kind: 'attribute', attribute: 'gidNumber' },
} as const;

/** Every preset forwards a quota, since a node that expects one may not cope with an empty one. */
export const PRESETS: Readonly<Record<PresetName, SchemaOptions>> = {
  // draft-lachman-laser-ldap-mail-routing; OpenLDAP's misc.schema.
  inetLocalMailRecipient: {
    ...PLAIN,
    filters: ['(&(objectClass=inetLocalMailRecipient)(|(uid=%u)(mail=%u)(mailLocalAddress=%u)))'],
    forward: { ...POSIX, quota: { kind: 'template', template: '0' } },
  },
  qmail: {
    ...PLAIN,
    filters: ['(&(objectClass=qmailUser)(|(uid=%u)(mail=%u)(mailAlternateAddress=%u)))'],
    status: [
      {
        kind: 'table',
        attribute: 'accountStatus',
        values: { active: 'active', noaccess: 'disabled', disabled: 'disabled', deleted: 'disabled' },
        absent: 'active',
        unknown: 'disabled',
      },
    ],
    forward: { ...POSIX, quota: { kind: 'attribute', attribute: 'mailQuotaSize' } },
  },
  courier: {
    ...PLAIN,
    filters: ['(&(objectClass=CourierMailAccount)(mail=%u))'],
    name: 'mail',
    services: [
      {
        kind: 'forbiddenBy',
        attributes: { imap: 'disableimap', pop3: 'disablepop3' },
      },
    ],
    forward: { ...POSIX, quota: { kind: 'attribute', attribute: 'quota' } },
  },
  zimbra: {
    ...PLAIN,
    filters: [
      '(&(objectClass=zimbraAccount)(|(zimbraMailDeliveryAddress=%u)(zimbraMailAlias=%u)(zimbraId=%u)))',
    ],
    name: 'zimbraMailDeliveryAddress',
    home: ['zimbraMailHost'],
    status: [
      {
        kind: 'table',
        attribute: 'zimbraAccountStatus',
        values: {
          active: 'active',
          maintenance: 'held',
          locked: 'disabled',
          lockout: 'locked',
          pending: 'disabled',
          closed: 'disabled',
        },
        absent: 'active',
        unknown: 'disabled',
      },
    ],
    services: [
      {
        kind: 'allowedBy',
        attributes: { imap: 'zimbraImapEnabled', pop3: 'zimbraPop3Enabled' },
        // The class of service says it then, which is another entry.
        absent: 'allowed',
      },
    ],
    forward: { quota: { kind: 'attribute', attribute: 'zimbraMailQuota' } },
  },
  // Sun, Oracle and Netscape: users live below their domain's entry. The domain's own status is not looked at.
  sun: {
    ...PLAIN,
    base: 'o=%d,o=internet',
    filters: [
      '(&(objectClass=inetMailUser)(uid=%n))',
      '(&(objectClass=inetMailUser)(|(mail=%u)(mailAlternateAddress=%u)))',
    ],
    status: ['inetUserStatus', 'mailUserStatus'].map((attribute) => ({
      kind: 'table',
      attribute,
      values: {
        active: 'active',
        overquota: 'active',
        inactive: 'held',
        hold: 'held',
        defer: 'held',
        disabled: 'disabled',
        deleted: 'disabled',
        removed: 'disabled',
      },
      absent: 'active',
      // The schema reference takes an illegal value for `inactive`.
      unknown: 'held',
    })),
    services: [{ kind: 'accessFilter', attribute: 'mailAllowedServiceAccess' }],
    forward: { quota: { kind: 'attribute', attribute: 'mailQuota' } },
  },
  // There is no usual attribute for the home: the configuration must name it.
  activeDirectory: {
    ...PLAIN,
    filters: [
      '(&(objectCategory=person)(objectClass=user)(|(userPrincipalName=%u)(sAMAccountName=%u)(mail=%u)(proxyAddresses=smtp:%u)))',
    ],
    name: 'userPrincipalName',
    home: [],
    status: [{ kind: 'bits', attribute: 'userAccountControl', disabled: 0x2 }],
    forward: { quota: { kind: 'template', template: '0' } },
  },
};
