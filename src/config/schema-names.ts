import { z } from 'zod';
import { DEFAULT_PUNCTUATION, type NameOptions } from '../../auth/names.ts';
import { canonicalIp } from '../../protocols/ip.ts';
import type { Report } from './report.ts';
import { domain } from './values.ts';

const punctuation = z.string().regex(/^[^\p{L}\p{N}\p{C}\p{Z}*%]*$/u, {
  error: 'letters, digits, spaces, control characters, * and % can not be allowed here',
});

export const namesSchema = z.strictObject({
  defaultDomain: domain.optional().describe('domain that is appended to a login name that has none'),
  domainByAddress: z
    .record(z.union([z.ipv4(), z.ipv6()], { error: 'this is not an IP address' }), domain)
    .default({})
    .describe('the same by the local IP address that a client connected to; goes before all others'),
  domainAliases: z
    .record(domain, domain)
    .default({})
    .describe('domains by their other names: a login name with the other name is looked up with the domain'),
  domainSeparators: z
    .string()
    .regex(/^[^\p{L}\p{N}\p{C}\p{Z}*@]*$/u, {
      error: 'letters, digits, spaces, control characters, * and @ can not separate a domain',
    })
    .default('')
    .describe('characters that stand for the @ in a login name without one, as % for old clients'),
  lowerCase: z.boolean().default(true).describe('whether login names are looked up in lower case'),
  punctuation: punctuation
    .default(DEFAULT_PUNCTUATION)
    .describe('characters besides letters and digits that a login name may have'),
  latin1Passwords: z
    .boolean()
    .default(false)
    .describe('whether a password that is not UTF-8 is read as Latin-1, as some old clients send it'),
});

/** Whom a delegate may act for. Account names may be anything, but nobody has one of the refused ones in mind. */
const coverable = z.string().check((context) => {
  const { value } = context;
  if (value === '*' || /^[^\s\p{C}@*](?:[^\p{C}@*]*[^\s\p{C}@*])?(?:@[\p{L}\p{N}_.-]+)?$/u.test(value))
    return;
  const [, behind] = /^\*?@(.+)$/.exec(value) ?? [];
  context.issues.push({
    code: 'custom',
    input: undefined,
    message: 'this is no name and no domain, so it covers nobody',
    params: { hint: behind ?? "as example.org, ann@example.org, or '*' alone for everybody" },
  });
});

export const delegateSchema = z.strictObject({
  account: z.string().min(1).describe('account name of the delegate'),
  mayActFor: z.array(coverable).min(1).describe('account names, login names, domains, or * for everybody'),
});

/** Reports other names of a domain that is no domain itself, but another one's other name: they are not followed. */
export function checkAliases({ domainAliases }: NamesConfig, report: Report): void {
  const aliases = new Map(Object.entries(domainAliases).map(([alias, to]) => [alias.toLowerCase(), to]));
  for (const [alias, to] of Object.entries(domainAliases)) {
    const next = aliases.get(to.toLowerCase());
    if (next === undefined) continue;
    const isLoop = next.toLowerCase() === alias.toLowerCase();
    report.problem(
      ['names', 'domainAliases', alias],
      `${to} is another name of ${next} itself`,
      isLoop ? 'only one of the two lines' : `${alias}: ${next}`,
    );
  }
}

type NamesConfig = z.output<typeof namesSchema>;

/** Makes the rules for login names. */
export function buildNames({ domainByAddress: _, domainAliases, ...names }: NamesConfig): NameOptions {
  const aliases = Object.entries(domainAliases).map(([alias, to]) => [alias.toLowerCase(), to] as const);
  return { ...names, defaultDomain: names.defaultDomain, domainAliases: new Map(aliases) };
}

/** Gives the default domains by local address, in the spelling that the system has for it. */
export function domainsByAddress({ domainByAddress }: NamesConfig): ReadonlyMap<string, string> {
  return new Map(Object.entries(domainByAddress).map(([address, to]) => [canonicalIp(address), to]));
}
