/** What must not happen has happened. The message begins with the name of the rule, by which failures are told apart. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly rule: string;

  constructor(rule: string, detail: string) {
    super(`${rule}: ${detail}`);
    this.rule = rule;
  }
}

/** @throws {Violation} unless it holds. */
export function must(holds: boolean, rule: string, detail: () => string): asserts holds {
  if (!holds) {
    throw new Violation(rule, detail());
  }
}

/** Two ways that must lead to the same. @throws {Violation} */
export function mustEqual(rule: string, one: unknown, other: unknown): void {
  const [left, right] = [JSON.stringify(one), JSON.stringify(other)];
  must(left === right, rule, () => `${left}\n  differs from\n${right}`);
}

/** Names a failure, so that shrinking keeps to one and the same. */
export function ruleOf(error: unknown): string {
  if (error instanceof Violation) {
    return error.rule;
  }
  return error instanceof Error ? `${error.name} thrown` : 'something thrown';
}

/**
 * Whether a value came out of what was sent: as it is, without the backslashes of a quoted string, or in one of the
 * parts that are base64.
 */
export function wasSent(sent: string, value: string): boolean {
  return (
    sent.includes(value) ||
    sent.replaceAll(/\\(["\\])/g, '$1').includes(value) ||
    (sent.match(/[A-Za-z0-9+/]+={0,2}/g) ?? []).some((part) =>
      Buffer.from(part, 'base64').toString('latin1').includes(value),
    )
  );
}

/** Calls what may only throw errors of these classes. @returns `undefined` when it threw one. */
export function allowing<T>(
  classes: readonly (abstract new (...args: never[]) => Error)[],
  call: () => T,
): T | undefined {
  try {
    return call();
  } catch (error) {
    if (classes.some((allowed) => error instanceof allowed)) {
      return undefined;
    }
    throw error;
  }
}
