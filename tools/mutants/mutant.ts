/** A bug that somebody could write: a small change of the source that some test must notice. */
export interface Mutant {
  /** What the service does wrong with it, in words. */
  readonly name: string;
  /** The path from the project's root. */
  readonly file: string;
  /** The text to replace. It occurs exactly once in the file. */
  readonly replace: string;
  readonly by: string;
  /** The cheapest tests that notice it, as files or parts of their names: `unit/quota`. */
  readonly tests: readonly string[];
  /** If no test has to notice it: the reason. */
  readonly survives?: string;
}

/** Returns the source with the bug, or null if the text does not occur exactly once. */
export function plant(source: string, { replace, by }: Pick<Mutant, "replace" | "by">): string | null {
  const pieces = source.split(replace);
  return pieces.length === 2 ? pieces.join(by) : null;
}
