import type { Context } from "hono";
import type { Fault } from "../api/errors.ts";
import { faultOf } from "../api/problem.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { traceIdOf } from "../telemetry/trace.ts";
import type { HttpEnv } from "./env.ts";
import { problemAnswer } from "./problems.ts";

/** The problem document of a fault, its code noted for the log. */
export function answerFault(c: Context<HttpEnv>, fault: Fault, headers?: Readonly<Record<string, string>>): Response {
  c.set("problemCode", fault.code);
  return problemAnswer(fault, c.get("requestId"), headers);
}

/** Whatever was thrown, as a problem. What a client is not told of is logged, for whoever has the request id. */
export function answerThrown(log: Log) {
  return (thrown: Error, c: Context<HttpEnv>): Response => {
    const fault = faultOf(thrown);
    if (fault.code === "internal") {
      log.error("request_failed", {
        requestId: c.get("requestId"),
        traceId: traceIdOf(c.get("trace")),
        ...errorFields(thrown),
      });
    }
    return answerFault(c, fault);
  };
}

export function answerUnknownRoute(c: Context<HttpEnv>): Response {
  return answerFault(c, {
    code: "route_not_found",
    detail: "No route has this path. The routes are listed at /docs, and for machines at /openapi.json.",
  });
}
