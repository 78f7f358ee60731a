import type { Bug } from './events.ts';

/** The event of an exception that nobody expected. */
export function bugOf(error: unknown, detail = String(error)): Bug {
  const stack = error instanceof Error ? error.stack : undefined;
  return { event: 'bug', detail, ...(stack !== undefined && { stack }) };
}
