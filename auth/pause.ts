/** Waits so long, unless the signal ends it; keeps no process alive. @returns whether the time passed. */
export async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = (): void => resolve();
  const timer = setTimeout(end, ms).unref();
  signal.addEventListener('abort', end);
  if (signal.aborted) end();
  await promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', end);
  return !signal.aborted;
}
