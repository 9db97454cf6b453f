/** A promise is broken. */
export class Violation extends Error {
  override readonly name = "Violation";
  /** The promise, by its number in the design; 0 where the simulation itself is at fault. */
  readonly promise: number;

  constructor(promise: number, what: string) {
    super(promise === 0 ? `the simulation: ${what}` : `promise ${promise}: ${what}`);
    this.promise = promise;
  }
}

/** Something waits for what never comes, or goes round and round. */
export class Endless extends Violation {}
