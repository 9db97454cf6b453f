/** More jobs than one object owes at a time. */
const MAX_KEPT = 20;

/**
 * Which request called for which job, for whoever reads the logs. In memory alone: a job whose object was evicted meanwhile begins a
 * trace of its own, and no append is billed a row for this.
 */
export class JobTraces {
  #latest: string | undefined;
  readonly #sent = new Map<string, string>();

  /** A call that may owe work. */
  noteCaller(trace: string | undefined): void {
    if (trace !== undefined) this.#latest = trace;
  }

  /** What is pending because of a job goes on with its trace. */
  follow(jobId: string): void {
    this.noteCaller(this.#sent.get(jobId));
  }

  /** Of a job that is sent. The same each time that it is sent again. */
  of(jobId: string): string | undefined {
    const trace = this.#sent.get(jobId) ?? this.#latest;
    if (trace === undefined) return undefined;
    this.#sent.set(jobId, trace);
    if (this.#sent.size > MAX_KEPT) for (const oldest of [...this.#sent.keys()].slice(0, 1)) this.#sent.delete(oldest);
    return trace;
  }
}
