/** A promise is broken. */
export class Violation extends Error {
  override readonly name = "Violation";
  /** The number of the promise; 0 if the simulation itself is at fault. */
  readonly promise: number;

  constructor(promise: number, what: string) {
    super(promise === 0 ? `the simulation: ${what}` : `promise ${promise}: ${what}`);
    this.promise = promise;
  }
}

/** Something waits for what never comes, or repeats itself for ever. */
export class Endless extends Violation {}
