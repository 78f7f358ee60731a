import { isIP } from 'node:net';
import { z } from 'zod';
import { isNetwork } from '../networks.ts';
import { isLoopback } from './local-address.ts';

/** A duration with its unit, as `500ms`, `5s`, `2m` or `1h`; read as milliseconds. */
export const duration = durationFrom(1);
/** A duration that may be `0s`, for none. */
export const delay = durationFrom(0);
/** A duration of up to 90 days. */
export const longDuration = durationFrom(1, { maxMs: 90 * 24 * 3_600_000, most: '90d' });

function durationFrom(leastMs: number, { maxMs, most } = { maxMs: 24 * 3_600_000, most: '24h' }) {
  return z.unknown().transform((written, context) => {
    const [, number, unit] = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d)$/.exec(String(written)) ?? [];
    const ms = Math.round(Number(number) * (unit === undefined ? Number.NaN : (MS[unit] ?? Number.NaN)));
    if (ms >= leastMs && ms <= maxMs) return ms;
    return refuse(
      context,
      `${shown(written)} is not a duration`,
      `a number and its unit, as in 500ms, 5s, 2m; ${most} at most`,
    );
  });
}

const MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A size with its unit, as `512MiB`; read as octets. */
export const size = z.unknown().transform((written, context) => {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?(KiB|MiB|GiB)$/.exec(String(written)) ?? [];
  const octets = Math.round(Number(number) * (OCTETS[unit] ?? Number.NaN));
  if (octets > 0) return octets;
  return refuse(
    context,
    `${shown(written)} is not a size`,
    'a number and its unit, as in 64KiB, 512MiB, 2GiB',
  );
});

const OCTETS: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** The URL of a web service, by https or http. */
export const anyWebUrl = z.string().transform((written, context) => {
  const url = URL.canParse(written) ? new URL(written) : undefined;
  if (url === undefined || !['https:', 'http:'].includes(url.protocol)) {
    return refuse(context, 'this is not the URL of a web service', 'as https://id.example.org/path');
  }
  if (url.username !== '' || url.password !== '' || url.hash !== '') {
    return refuse(context, 'this URL has a user name, a password or a fragment', 'a URL without them');
  }
  return url;
});

/** The https URL of a web service; http only on this machine. */
export const webUrl = anyWebUrl.transform((url, context) =>
  mayBeOverheard(url)
    ? refuse(context, 'http can be read and changed by whoever is on the way', 'https://')
    : url,
);

/** Whether what is sent to a web service can be read on the way: http is safe only where nobody can listen in. */
export function mayBeOverheard({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && !isLoopback(hostname.replace(/^\[(.*)\]$/, '$1'));
}

/** SHA-256 of a certificate in hex, with or without colons; read as lower-case hex. */
export const fingerprint = z
  .string()
  .transform((text) => text.replaceAll(':', '').toLowerCase())
  .pipe(z.string().regex(/^[0-9a-f]{64}$/, { error: 'this is not a SHA-256 fingerprint' }));

export const port = z.int().min(1).max(65535);
/** A port to listen on; 0 lets the system choose. */
export const listeningPort = z.int().min(0).max(65535);

/** The path of a file; relative to the configuration file. */
export const file = z.string().check((context) => {
  // Who writes a key itself where its file is asked for must not find it in an error message.
  const isPath = context.value !== '' && context.value.length <= 1024 && !/[\0\n]/.test(context.value);
  if (isPath) return;
  context.issues.push({
    code: 'custom',
    input: undefined,
    message: 'this is not the path of a file',
    params: { hint: 'put the content into a file of its own, and name that file here' },
  });
});

/** An IP address, or a network of them. */
export const network = z.string().refine(isNetwork, {
  error: 'this is not an address or a network',
  params: { hint: 'as 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32' },
});

/** A DNS name or an IP address. */
export const host = z.string().check((context) => {
  const { value } = context;
  if (isIP(value) !== 0 || (DNS_NAME.test(value) && !/(?:^|\.)\d+\.?$/.test(value))) return;
  const [, alone] = /^\[?(.+?)\]?:\d+$/.exec(value) ?? [];
  const hint =
    alone === undefined
      ? 'as mail.example.org, 192.0.2.1 or 2001:db8::1'
      : `${alone}; ports have settings of their own`;
  context.issues.push({
    code: 'custom',
    input: undefined,
    message: 'this is not a host name or an IP address',
    params: { hint },
  });
});

const DNS_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$/;

/** The part of a login name behind its @. */
export const domain = z.string().check((context) => {
  const { value } = context;
  if (/^[\p{L}\p{N}_](?:[\p{L}\p{N}_.-]*[\p{L}\p{N}_])?$/u.test(value)) return;
  const hint = value.startsWith('@') ? value.slice(1) : 'as example.org';
  context.issues.push({
    code: 'custom',
    input: undefined,
    message: 'this is not a domain',
    params: { hint },
  });
});

/** A name that fits every trust without being quoted: SASL's, Dovecot's passwd-file, Courier's signed user name. */
export const proxyName = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/, {
    error: 'a proxy name has letters, digits, dots, hyphens and underscores',
  });

/** Reports what is wrong with a value, and what would be right. */
function refuse(context: z.RefinementCtx, message: string, hint: string): never {
  context.addIssue({ code: 'custom', message, params: { hint } });
  return z.NEVER;
}

function shown(written: unknown): string {
  return typeof written === 'string' || typeof written === 'number' ? `"${written}"` : 'this';
}
