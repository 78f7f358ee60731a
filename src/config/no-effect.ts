/** Warnings of settings that do nothing, as what would use them is missing. */

import type { ListenerSettings } from '../settings.ts';
import type { Report } from './report.ts';
import { valueAt } from './source.ts';

type Listeners = readonly (ListenerSettings | undefined)[];

const OFFER_EXTERNAL = 'a listener with mechanisms: [EXTERNAL, PLAIN, LOGIN]';

/** Warns of settings that no listener uses. Listeners with problems of their own may use anything. */
export function warnOfNoEffect(listeners: Listeners, data: unknown, report: Report): void {
  if (listeners.length === 0 || listeners.includes(undefined)) return;
  const sound = listeners.filter((listener) => listener !== undefined);
  warnOfCertificates(sound, data, report);
  warnOfBalancers(sound, data, report);
  warnOfDecoys(sound, data, report);
}

function warnOfCertificates(listeners: readonly ListenerSettings[], data: unknown, report: Report): void {
  const message = 'no client is let in by its certificate, as EXTERNAL is not offered';
  const isOffered = listeners.some(offersExternal);
  if (valueAt(data, ['external']) !== undefined && !isOffered) {
    report.warning(['external'], message, OFFER_EXTERNAL);
  }
  if (valueAt(data, ['tls', 'clientCertificates']) !== undefined && !isOffered) {
    report.warning(['tls', 'clientCertificates'], message, OFFER_EXTERNAL);
  }
  for (const [index, listener] of listeners.entries()) {
    const path = ['listeners', index, 'tls', 'clientCertificates'];
    if (valueAt(data, path) === undefined || offersExternal(listener)) continue;
    report.warning(path, `${message} here`, 'EXTERNAL among the mechanisms of this listener');
  }
}

function offersExternal({ mechanisms }: ListenerSettings): boolean {
  return mechanisms.includes('EXTERNAL');
}

function warnOfBalancers(listeners: readonly ListenerSettings[], data: unknown, report: Report): void {
  const written = valueAt(data, ['balancers']);
  // Where a listener has no proxyProtocol, the same balancer may bring connections without a header.
  if (!Array.isArray(written) || listeners.some(({ introducedBy }) => introducedBy === undefined)) return;
  for (const index of written.keys()) {
    report.warning(
      ['balancers', index],
      'each listener has its clients introduced by PROXY headers, so none has the address of a balancer',
      'no balancers',
    );
  }
}

function warnOfDecoys(listeners: readonly ListenerSettings[], data: unknown, report: Report): void {
  const isOffered = listeners.some(({ mechanisms }) => mechanisms.some((name) => name.startsWith('SCRAM-')));
  if (valueAt(data, ['scramDecoys']) === undefined || isOffered) return;
  report.warning(
    ['scramDecoys'],
    'no listener offers SCRAM, so nobody is told anything of names without a key',
    'a listener with mechanisms: [SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN, LOGIN]',
  );
}
