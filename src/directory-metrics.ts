import { Counter, type Registry } from 'prom-client';
import type { AnswerCounts } from './directories.ts';

/** Shows by whom questions to directories were answered. */
export function watchAnswers(registry: Registry, state: () => ReadonlyMap<string, AnswerCounts>): void {
  new Counter({
    name: 'homing_directory_answers_total',
    help: 'Questions to a directory, by what answered them: a server, what is remembered, or that while no server answers.',
    labelNames: ['directory', 'by'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [directory, counts] of state()) {
        for (const [by, count] of Object.entries(counts)) this.inc({ directory, by }, count);
      }
    },
  });
}
