import type { Context } from "hono";
import type { Fault } from "../api/errors.ts";
import { faultOf } from "../api/problem.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { traceIdOf } from "../telemetry/trace.ts";
import type { HttpEnv } from "./env.ts";
import { problemAnswer } from "./problems.ts";

/** Answers with the problem document of a fault, and records its code for the log. */
export function answerFault(c: Context<HttpEnv>, fault: Fault, headers?: Readonly<Record<string, string>>): Response {
  c.set("problemCode", fault.code);
  return problemAnswer(fault, c.get("requestId"), headers);
}

/**
 * Answers with the problem of any thrown error. The details of an internal error are not sent but logged, with the
 * request id.
 */
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
    detail: "No route has this path. See /docs for all routes, or /openapi.json in machine-readable form.",
  });
}
