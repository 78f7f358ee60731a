import { type Entry, valuesOf } from './entry.ts';

/** By service name, as `imap`, `*` for all. */
type ByService<T> = Readonly<Partial<Record<string, T>>>;

/** How a directory says which services an account may use; schemas have four ways. */
export type ServiceRule =
  /** A flag that forbids: Courier's `disableimap: 1`. */
  | { readonly kind: 'forbiddenBy'; readonly attributes: ByService<string> }
  /** A flag that allows: Zimbra's `zimbraImapEnabled: TRUE`. */
  | {
      readonly kind: 'allowedBy';
      readonly attributes: ByService<string>;
      /** What holds for an entry without the flag. */
      readonly absent: 'allowed' | 'forbidden';
    }
  /** A list of allowed services: iRedMail's `enabledService: imap`. */
  | {
      readonly kind: 'listedIn';
      readonly attribute: string;
      /** Values of which the account needs one. */
      readonly values: ByService<readonly string[]>;
      readonly absent: 'allowed' | 'forbidden';
    }
  /** Sun's `mailAllowedServiceAccess: +imap,pop:*$-smtp:*`. */
  | { readonly kind: 'accessFilter'; readonly attribute: string };

/** The attributes that a rule looks at, for one service or for all. */
export function attributesOfRule(rule: ServiceRule, service?: string): readonly string[] {
  if ('attribute' in rule) {
    return [rule.attribute];
  }
  const { attributes } = rule;
  const chosen = service === undefined ? Object.values(attributes) : [attributes[service], attributes['*']];
  return chosen.filter((attribute) => attribute !== undefined);
}

/** Whether one rule lets an account use a service. */
export function allowsService(rule: ServiceRule, entry: Entry, service: string): boolean {
  switch (rule.kind) {
    case 'forbiddenBy':
      return flags(rule.attributes, entry, service).every((values) => !values.some(isSet));
    case 'allowedBy':
      return flags(rule.attributes, entry, service).every((values) =>
        values.length === 0 ? rule.absent === 'allowed' : values.some(isSet),
      );
    case 'listedIn':
      return isListed(valuesOf(entry, rule.attribute), namesOf(rule.values, service), rule.absent);
    case 'accessFilter':
      return passesAccessFilter(valuesOf(entry, rule.attribute), service);
  }
}

function flags(attributes: ByService<string>, entry: Entry, service: string): readonly (readonly string[])[] {
  return [attributes[service], attributes['*']]
    .filter((attribute) => attribute !== undefined)
    .map((attribute) => valuesOf(entry, attribute));
}

function isSet(value: string): boolean {
  return ['1', 'true', 'yes', 'on', 'y'].includes(value.trim().toLowerCase());
}

function namesOf(values: ByService<readonly string[]>, service: string): readonly string[] {
  return [...(values[service] ?? []), ...(values['*'] ?? [])];
}

function isListed(
  listed: readonly string[],
  names: readonly string[],
  absent: 'allowed' | 'forbidden',
): boolean {
  if (listed.length === 0) {
    return absent === 'allowed';
  }
  const wanted = names.map((name) => name.toLowerCase());
  return listed.some((value) => wanted.includes(value.trim().toLowerCase()));
}

interface AccessRule {
  readonly allows: boolean;
  readonly services: readonly string[];
  readonly everyClient: boolean;
}

// Allow rules come before deny rules; who matches none is let in only where nothing is allowed by name. A rule for
// some clients can't be judged here: it then allows nobody and denies everybody.
function passesAccessFilter(values: readonly string[], service: string): boolean {
  const rules = values.flatMap((value) => value.split('$')).flatMap(readAccessRule);
  const names = service === 'pop3' ? ['pop3', 'pop', 'pops', 'pop3s'] : [service, `${service}s`];
  const matching = rules.filter((rule) =>
    rule.services.some((name) => name === '*' || name === 'all' || names.includes(name)),
  );
  if (matching.some((rule) => rule.allows && rule.everyClient)) {
    return true;
  }
  return !matching.some((rule) => !rule.allows) && !rules.some((rule) => rule.allows);
}

function readAccessRule(text: string): readonly AccessRule[] {
  const match = /^\s*([+-]?)([^:]*):(.*)$/.exec(text);
  if (match === null) {
    // What isn't understood must not open a door.
    return text.trim() === '' ? [] : [{ allows: false, services: ['*'], everyClient: true }];
  }
  const [, sign, services = '', clients = ''] = match;
  return [
    {
      allows: sign !== '-',
      services: services.split(/[\s,]+/).map((name) => name.toLowerCase()),
      everyClient: ['*', 'all'].includes(clients.trim().toLowerCase()),
    },
  ];
}
