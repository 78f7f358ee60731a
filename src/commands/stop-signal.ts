/** Waits for the signal that stops the program. */
export interface StopSignal extends Disposable {
  readonly received: Promise<'SIGINT' | 'SIGTERM'>;
}

const NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

/** Takes SIGINT and SIGTERM: the first one is told, a second one ends the process at once. */
export function stopSignal(): StopSignal {
  const { promise, resolve } = Promise.withResolvers<'SIGINT' | 'SIGTERM'>();
  let stopping = false;
  const onSignal = (name: NodeJS.Signals): void => {
    if (name !== 'SIGINT' && name !== 'SIGTERM') return;
    // A shell expects 128 and the number of a process that a signal ended.
    if (stopping) process.exit(128 + NUMBERS[name]);
    stopping = true;
    resolve(name);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return {
    received: promise,
    [Symbol.dispose]: () => {
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    },
  };
}
