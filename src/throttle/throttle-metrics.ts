import { Counter, Gauge, type Registry } from 'prom-client';
import type { ThrottleState } from './throttle.ts';

/** Shows the state of a throttle in the metrics of a registry. */
export function watchThrottle(registry: Registry, state: () => Promise<ThrottleState>): void {
  const registers = [registry];
  new Gauge({
    name: 'homing_throttle_keys',
    help: 'Addresses, networks and users of which failed logins are counted.',
    labelNames: ['kind'],
    registers,
    async collect() {
      for (const [kind, keys] of (await state()).keys) this.set({ kind }, keys);
    },
  });
  new Gauge({
    name: 'homing_throttle_known_users',
    help: 'Names by which users are known at an address.',
    registers,
    async collect() {
      this.set((await state()).knownUsers);
    },
  });
  new Counter({
    name: 'homing_throttle_refusals_total',
    help: 'Logins that were refused unseen, by what had too many failed ones.',
    labelNames: ['kind'],
    registers,
    async collect() {
      const { refusals: all } = await state();
      this.reset();
      for (const [kind, refusals] of all) this.inc({ kind }, refusals);
    },
  });
  new Counter({
    name: 'homing_throttle_known_wrong_total',
    help: 'Wrong passwords that were tried again in a short time, and refused without asking the directory.',
    registers,
    async collect() {
      const { knownWrong } = await state();
      this.reset();
      this.inc(knownWrong);
    },
  });
}
