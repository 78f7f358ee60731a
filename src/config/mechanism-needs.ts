import { type Mechanism, mechanismNamed } from '../mechanisms.ts';
import type { ListenerSettings } from '../settings.ts';
import type { Report } from './report.ts';
import { valueAt } from './source.ts';

/** What to write for a part of the configuration that a mechanism can't do without. */
const HINTS: Readonly<Record<NonNullable<Mechanism['needs']>, string>> = {
  oauth: 'oauth: with the identity providers whose tokens are taken',
  external: 'external: { user: email }, or a map',
};

/** Reports mechanisms that are offered without the part of the configuration that they work by. */
export function checkMechanismNeeds(
  listeners: readonly (ListenerSettings | undefined)[],
  data: unknown,
  report: Report,
): void {
  warnOfNoTokens(listeners, data, report);
  for (const [index, listener] of listeners.entries()) {
    if (listener === undefined) continue;
    for (const [at, mechanism] of listener.mechanisms.entries()) {
      const path = ['listeners', index, 'mechanisms', at];
      const part = mechanismNamed(mechanism)?.needs;
      if (part !== undefined && valueAt(data, [part]) === undefined) {
        report.problem(path, `${mechanism} needs the setting ${part}`, HINTS[part]);
      } else if (part === 'external' && !seesCertificates(listener)) {
        report.problem(
          path,
          `${mechanism} is never offered here, as no client is asked for a certificate`,
          'tls.clientCertificates, or proxyProtocol from balancers that ask for them',
        );
      }
    }
  }
}

function seesCertificates({ tls, introducedBy }: ListenerSettings): boolean {
  return introducedBy !== undefined || (tls.mode !== 'none' && tls.clients !== undefined);
}

// Each listener says what it offers, so it's easy to forget where providers are new.
function warnOfNoTokens(
  listeners: readonly (ListenerSettings | undefined)[],
  data: unknown,
  report: Report,
): void {
  const offered = listeners.some((listener) =>
    listener?.mechanisms.some((name) => mechanismNamed(name)?.needs === 'oauth'),
  );
  if (valueAt(data, ['oauth']) === undefined || offered) return;
  report.warning(
    ['oauth'],
    'no listener offers OAUTHBEARER or XOAUTH2, so no token is taken',
    'listeners with mechanisms: [OAUTHBEARER, XOAUTH2, PLAIN, LOGIN]',
  );
}
