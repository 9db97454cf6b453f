/** A bug as somebody could write it: a small change of the source that some test must notice. */
export interface Mutant {
  /** What the service does with it, in words. */
  readonly name: string;
  /** Under the project's folder. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly replace: string;
  readonly by: string;
  /** The cheapest tests that notice it, as files or parts of their names: `unit/quota`. */
  readonly tests: readonly string[];
  /** Why no test notices it, where that is accepted. */
  readonly survives?: string;
}

/** The source with the bug; null if the place does not stand there exactly once. */
export function plant(source: string, { replace, by }: Pick<Mutant, "replace" | "by">): string | null {
  const pieces = source.split(replace);
  return pieces.length === 2 ? pieces.join(by) : null;
}
