import type { ProblemCode } from "../api/errors.ts";
import type { Principal } from "../api/principal.ts";

/** What the middleware leaves for those after it. */
export interface HttpEnv {
  Variables: {
    requestId: string;
    /** A `traceparent`: the caller's trace, or one of ours. */
    trace: string;
    principal?: Principal;
    /** Characters of the answer, where it is known and may be long. */
    answerLength?: number;
    /** The code of the problem that was answered, for the log. */
    problemCode?: ProblemCode;
  };
}
