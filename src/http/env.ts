import type { ProblemCode } from "../api/errors.ts";
import type { Principal } from "../api/principal.ts";

/** Values that middleware sets for later handlers. */
export interface HttpEnv {
  Variables: {
    requestId: string;
    /** The request's `traceparent`: with the caller's trace id, or a new one. */
    trace: string;
    principal?: Principal;
    /** Characters of the answer, if they are known and may be many. */
    answerLength?: number;
    /** The code of the problem that was answered, for the log. */
    problemCode?: ProblemCode;
  };
}
