import type { Report } from './report.ts';
import { valueAt } from './source.ts';

type Times = Readonly<Record<'node' | 'connect' | 'connectWithSpare' | 'loginWithSpare', number>>;

/** What is a part of the time for all nodes of a login. */
const PARTS = ['connect', 'connectWithSpare', 'loginWithSpare'] as const;

/** Reports times that were written and can't be, as the time that they are part of is shorter; defaults just end with it. */
export function checkTimes(times: Times, data: unknown, report: Report): void {
  for (const part of PARTS) {
    if (valueAt(data, ['times', part]) === undefined || times[part] <= times.node) continue;
    const node = `${times.node / 1000}s`;
    report.problem(
      ['times', part],
      `this is longer than times.node (${node}), which is for all of it`,
      `${node} at most, or a longer times.node`,
    );
  }
}
