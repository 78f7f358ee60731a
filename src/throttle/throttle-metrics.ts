import { Counter, Gauge, type Registry } from 'prom-client';
import type { ThrottleState } from './throttle.ts';

/** Shows the state of a throttle in the metrics of a registry. */
export function watchThrottle(registry: Registry, state: () => ThrottleState): void {
  const registers = [registry];
  new Gauge({
    name: 'homing_throttle_keys',
    help: 'Addresses, networks and users of which failed logins are counted.',
    labelNames: ['kind'],
    registers,
    collect() {
      for (const [kind, keys] of state().keys) this.set({ kind }, keys);
    },
  });
  new Counter({
    name: 'homing_throttle_refusals_total',
    help: 'Logins that were refused unseen, by what had too many failed ones.',
    labelNames: ['kind'],
    registers,
    collect() {
      this.reset();
      for (const [kind, refusals] of state().refusals) this.inc({ kind }, refusals);
    },
  });
  new Counter({
    name: 'homing_throttle_known_wrong_total',
    help: 'Wrong passwords that were tried again in a short time, and refused without asking the directory.',
    registers,
    collect() {
      this.reset();
      this.inc(state().knownWrong);
    },
  });
}
