import type { Path, Problem, Source } from './source.ts';

/** Where the parts of the configuration say what is wrong with them, so that all is told at once; each with what would be right. */
export interface Report {
  /** Refuses the configuration. */
  problem(path: Path, message: string, hint: string): void;
  /** Leaves it to the operator. */
  warning(path: Path, message: string, hint: string): void;
}

/** A report that gathers. */
export interface Findings extends Report {
  readonly problems: Problem[];
  readonly warnings: Problem[];
}

export function gatherFindings(source: Source): Findings {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  return {
    problems,
    warnings,
    problem: (path, message, hint) => addOnce(problems, source.problemAt(path, message, hint)),
    warning: (path, message, hint) => addOnce(warnings, source.problemAt(path, message, hint)),
  };
}

// What many listeners or nodes share is wrong once.
function addOnce(list: Problem[], found: Problem): void {
  const known = list.some(({ setting, message }) => setting === found.setting && message === found.message);
  if (!known) list.push(found);
}
