import { Activity, type AtGate } from "./activity.ts";
import { Violation } from "./violation.ts";

/** The result of an operation: its answer, the fault with which it was refused, or what broke it off. */
export type Ended<Answer> =
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "refusal"; readonly code: string; readonly detail: string }
  | { readonly kind: "failure"; readonly error: unknown };

/** One request of a client: an operation as every surface calls it. */
export class ClientCall<Answer = unknown> extends Activity {
  /** Which operation it is, and on what. */
  readonly name: string;
  /** The simulation made something go wrong on its way. */
  hasMetFault = false;
  ended: Ended<Answer> | null = null;

  constructor(id: number, startedAt: number, name: string) {
    super(id, startedAt);
    this.name = name;
  }

  async start(body: (atGate: AtGate) => Promise<Answer>): Promise<void> {
    await this.begin(async () => {
      try {
        this.ended = { kind: "answer", answer: await body(this.atGate) };
      } catch (error) {
        if (error instanceof Violation) this.fail(error);
        this.ended = endedBy(error);
      }
    });
  }
}

function endedBy(error: unknown): Ended<never> {
  const fault = error instanceof Error && "fault" in error ? error.fault : null;
  const isFault = typeof fault === "object" && fault !== null && "code" in fault && "detail" in fault;
  if (isFault) return { kind: "refusal", code: String(fault.code), detail: String(fault.detail) };
  return { kind: "failure", error };
}

/** In a word or two. */
export function describeEnd(ended: Ended<unknown> | null): string {
  if (ended === null) return "not answered yet";
  if (ended.kind === "answer") return "ok";
  return ended.kind === "refusal" ? ended.code : `broken off: ${String(ended.error)}`;
}
