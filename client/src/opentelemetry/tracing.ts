/** Spans of a client's calls, by OpenTelemetry's conventions for generative AI. */

import {
  context,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  type TracerProvider,
} from "@opentelemetry/api";
import type { TracedCall, Tracing } from "../connection.ts";
import { ThreadkeepError } from "../errors.ts";
import { describeCall } from "./describe-call.ts";

export interface TracingOptions {
  /** Replaces the globally registered tracer provider. */
  tracerProvider?: TracerProvider;
}

/**
 * For the option `tracing` of a client. It creates a span for each call with all its tries, named after its operation
 * (`create_memory`, `search_memory` …), with the session as `gen_ai.conversation.id`. The service continues the trace.
 * Spans contain no text of a chat.
 */
export function openTelemetry({ tracerProvider }: TracingOptions = {}): Tracing {
  return async (call, run) => {
    const tracer = (tracerProvider ?? trace.getTracerProvider()).getTracer("threadkeep-client");
    const { operation, attributes } = describeCall(call);
    const span = tracer.startSpan(operation, {
      kind: SpanKind.CLIENT,
      attributes: { ...attributes, ...serverOf(call) },
    });
    const within = trace.setSpan(context.active(), span);
    try {
      const headers: Record<string, string> = {};
      propagation.inject(within, headers);
      const value = await context.with(within, () => run(headers));
      const count = countRecords(value);
      if (count !== null) span.setAttribute("gen_ai.memory.record.count", count);
      return value;
    } catch (error) {
      fail(span, error);
      throw error;
    } finally {
      span.end();
    }
  };
}

function serverOf({ url }: TracedCall): Record<string, string | number> {
  const { hostname, port, protocol } = new URL(url);
  return { "server.address": hostname, "server.port": Number(port) || (protocol === "https:" ? 443 : 80) };
}

/** How many messages or list entries an answer has; null if neither. */
function countRecords(value: unknown): number | null {
  if (typeof value !== "object" || value === null) return null;
  if ("data" in value && Array.isArray(value.data)) return value.data.length;
  return "messages" in value && Array.isArray(value.messages) ? value.messages.length : null;
}

function fail(span: Span, error: unknown): void {
  const type = error instanceof ThreadkeepError ? error.code : error instanceof Error ? error.name : "_OTHER";
  span.setAttribute("error.type", type);
  if (error instanceof ThreadkeepError && error.requestId !== null) {
    span.setAttribute("threadkeep.request_id", error.requestId);
  }
  span.setStatus({ code: SpanStatusCode.ERROR, message: type });
}
