/** What the command line asks a soak for. */
export interface SoakTerms {
  readonly minutes: number;
  /** Of the faults, and of who comes when. */
  readonly seed: number;
  /** Idle ones, in all. */
  readonly sessions: number;
}

declare module 'vitest' {
  interface ProvidedContext {
    soak: SoakTerms;
  }
}
