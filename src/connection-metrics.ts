import { Gauge, type Registry } from 'prom-client';

/** How full a proxy is. */
export interface Connections {
  readonly open: number;
  /** By the name of the setting; those that have a limit. */
  readonly limits: ReadonlyMap<string, number>;
}

/** Shows open connections, and those of them that are not logged in, beside their limits. */
export function watchConnections(
  registry: Registry,
  state: () => Connections,
  sessions: () => Promise<number>,
): void {
  const registers = [registry];
  new Gauge({
    name: 'homing_connections',
    help: 'Open connections of clients.',
    registers,
    collect() {
      this.set(state().open);
    },
  });
  new Gauge({
    name: 'homing_waiting_connections',
    help: 'Open connections of clients that are not logged in.',
    registers,
    async collect() {
      // A session that has just ended may be counted by one of the two only.
      this.set(Math.max(0, state().open - (await sessions())));
    },
  });
  new Gauge({
    name: 'homing_limit',
    help: 'What limits allows, by its setting.',
    labelNames: ['kind'],
    registers,
    collect() {
      for (const [kind, limit] of state().limits) this.set({ kind }, limit);
    },
  });
}
