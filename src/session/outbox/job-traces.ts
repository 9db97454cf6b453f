/** How many jobs are remembered: more than one object has pending at a time. */
const MAX_KEPT = 20;

/**
 * Remembers which request caused which job, so that logs of the request and of the job share a trace id. In memory
 * only, which saves a written row for each append: if the object is evicted meanwhile, the job gets a new trace.
 */
export class JobTraces {
  #latest: string | undefined;
  readonly #sent = new Map<string, string>();

  /** Records the trace of a call that may schedule jobs. */
  noteCaller(trace: string | undefined): void {
    if (trace !== undefined) this.#latest = trace;
  }

  /** Jobs that are scheduled because of this job continue its trace. */
  follow(jobId: string): void {
    this.noteCaller(this.#sent.get(jobId));
  }

  /** The trace for a job that is being sent; the same each time. Undefined if no call brought one. */
  of(jobId: string): string | undefined {
    const trace = this.#sent.get(jobId) ?? this.#latest;
    if (trace === undefined) return undefined;
    this.#sent.set(jobId, trace);
    if (this.#sent.size > MAX_KEPT) for (const oldest of [...this.#sent.keys()].slice(0, 1)) this.#sent.delete(oldest);
    return trace;
  }
}
