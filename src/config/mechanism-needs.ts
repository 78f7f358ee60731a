import type { ListenerSettings } from '../settings.ts';
import type { Report } from './report.ts';
import { valueAt } from './source.ts';

/** The part of the configuration that a mechanism can't do without, and what it is there for. */
const NEEDS: ReadonlyMap<string, { readonly part: string; readonly hint: string }> = new Map([
  ['EXTERNAL', { part: 'external', hint: 'external: { user: email }, or a map' }],
]);

/** Reports mechanisms that are offered without the part of the configuration that they work by. */
export function checkMechanismNeeds(
  listeners: readonly (ListenerSettings | undefined)[],
  data: unknown,
  report: Report,
): void {
  for (const [index, listener] of listeners.entries()) {
    for (const [at, mechanism] of (listener?.mechanisms ?? []).entries()) {
      const need = NEEDS.get(mechanism);
      if (need === undefined || valueAt(data, [need.part]) !== undefined) continue;
      report.problem(
        ['listeners', index, 'mechanisms', at],
        `${mechanism} needs the setting ${need.part}`,
        need.hint,
      );
    }
  }
}
