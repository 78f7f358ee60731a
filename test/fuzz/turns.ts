/** Steps of the event loop, by which a fuzzer knows that nothing goes on any more: no timers, no waiting. */
let shared: Promise<void> | undefined;

/** Ends when all that can go on without the outside went on, and everybody's `setImmediate` ran. */
export function turn(): Promise<void> {
  shared ??= new Promise((resolve) =>
    setImmediate(() => {
      shared = undefined;
      resolve();
    }),
  );
  return shared;
}

/** Waits until `progress` stays the same while others had their turns, or for so many turns at most. */
export async function settled(progress: () => number, mostTurns: number): Promise<void> {
  for (let turns = 0; turns < mostTurns; turns += 2) {
    const before = progress();
    // Two, since what one of them lets go on may need one itself.
    await turn();
    await turn();
    if (progress() === before) {
      return;
    }
  }
}
