import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { pid } from 'node:process';

/**
 * Names this process in a label of what it makes, so that a later run can tell what a killed one left. The start time
 * tells a process from a later one with the same number; the host name, from one elsewhere.
 */
export function ownName(): string {
  return `${hostname()}_${pid}_${startOf(pid) ?? ''}`;
}

/** Whether a process of this machine with that name has ended. */
export function isGone(name: string): boolean {
  const [start, process, ...host] = name.split('_').reverse();
  return host.reverse().join('_') === hostname() && startOf(Number(process)) !== start;
}

/** The start time of a process in clock ticks, proc(5); `undefined` when there is no such process. */
function startOf(process: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${process}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
