import {
  type Attributes,
  type Context,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapPropagator,
  trace,
  type Tracer,
} from "@opentelemetry/api";
import { afterEach, describe, expect, it } from "vitest";
import { createClient, type Threadkeep } from "../../client/src/index.ts";
import { openTelemetry } from "../../client/src/opentelemetry/tracing.ts";
import { traceIdOf } from "../../src/telemetry/trace.ts";

interface Recorded {
  name: string;
  kind: SpanKind | undefined;
  attributes: Attributes;
  status: SpanStatusCode;
  isEnded: boolean;
}

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";

/** A tracer provider that keeps its spans, like an SDK with an in-memory exporter. */
function recorder() {
  const spans: Recorded[] = [];
  const startSpan: Tracer["startSpan"] = (name, { kind, attributes = {} } = {}) => {
    const recorded = { name, kind, attributes: { ...attributes }, status: SpanStatusCode.UNSET, isEnded: false };
    spans.push(recorded);
    const spanId = spans.length.toString(16).padStart(16, "0");
    const span: Span = {
      spanContext: () => ({ traceId: TRACE_ID, spanId, traceFlags: 1 }),
      setAttribute: (key, value) => ((recorded.attributes[key] = value), span),
      setAttributes: (more) => (Object.assign(recorded.attributes, more), span),
      setStatus: ({ code }) => ((recorded.status = code), span),
      end: () => (recorded.isEnded = true),
      addEvent: () => span,
      addLink: () => span,
      addLinks: () => span,
      updateName: () => span,
      isRecording: () => true,
      recordException: () => undefined,
    };
    return span;
  };
  const startActiveSpan = (): never => {
    throw new Error("a call has one span");
  };
  return { spans, tracerProvider: { getTracer: (): Tracer => ({ startSpan, startActiveSpan }) } };
}

/** The header that the propagator of W3C Trace Context writes. */
const PROPAGATOR: TextMapPropagator<Record<string, string>> = {
  inject(context: Context, carrier) {
    const { traceId = "", spanId = "" } = trace.getSpanContext(context) ?? {};
    carrier["traceparent"] = `00-${traceId}-${spanId}-01`;
  },
  extract: (context) => context,
  fields: () => ["traceparent"],
};

function traced(replies: Response[]) {
  const { spans, tracerProvider } = recorder();
  const sent: Headers[] = [];
  const client = createClient({
    url: "https://memory.test/base",
    key: "secret-key",
    tracing: openTelemetry({ tracerProvider }),
    fetch: async (_url, init) => {
      sent.push(new Headers(init.headers));
      return replies[sent.length - 1] ?? Response.json({ data: [], messages: [], hasMore: false, nextCursor: null });
    },
  });
  return { client, spans, sent };
}

afterEach(() => propagation.disable());

describe("spans of a client's calls", () => {
  it.each<[string, string, (client: Threadkeep) => Promise<unknown>]>([
    ["create_memory", "an append", (client) => client.session("s").append("the secret words")],
    ["search_memory", "a context", (client) => client.session("s").context({ query: "the secret words" })],
    ["search_memory", "a search", (client) => client.session("s").search("the secret words")],
    ["search_memory", "a page of messages", (client) => client.session("s").messages().page()],
    ["update_memory", "an edit", (client) => client.session("s").edit("m", { content: "the secret words" })],
    ["delete_memory", "an erasure", (client) => client.session("s").erase("m")],
    ["update_memory", "a branch", (client) => client.session("s").branch({ headSeq: 1 })],
    ["update_memory", "a summary by hand", (client) => client.session("s").summarize()],
    ["delete_memory_store", "the erasure of a session", (client) => client.session("s").delete()],
    ["create_memory_store", "a fork", (client) => client.session("s").fork({ id: "t" })],
    ["get_memory_store", "the state of a session", (client) => client.session("s").state()],
  ])("say %s for %s, and nothing of what was said", async (operation, _, call) => {
    const { client, spans } = traced([]);
    await call(client);
    expect(spans).toHaveLength(1);
    expect(spans[0]).toMatchObject({
      name: operation,
      kind: SpanKind.CLIENT,
      isEnded: true,
      status: SpanStatusCode.UNSET,
      attributes: {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "threadkeep",
        "gen_ai.conversation.id": "s",
        "server.address": "memory.test",
        "server.port": 443,
      },
    });
    expect(JSON.stringify(spans)).not.toContain("secret");
  });

  it("name the message, and how many messages came back", async () => {
    const { client, spans } = traced([Response.json({ id: "m" }), Response.json({ data: [1, 2, 3], hasMore: false })]);
    await client.session("s").message("m");
    await client.search("trams");
    expect(spans[0]?.attributes["gen_ai.memory.record.id"]).toBe("m");
    expect(spans[1]?.attributes).toMatchObject({ "gen_ai.memory.record.count": 3 });
    expect(spans[1]?.attributes).not.toHaveProperty("gen_ai.conversation.id");
  });

  it("are one for a call with all its tries, each of which sends the trace to the service", async () => {
    propagation.setGlobalPropagator(PROPAGATOR);
    const { client, spans, sent } = traced([new Response("{}", { status: 503, headers: { "Retry-After": "0" } })]);
    await client.session("s").append("Hello");
    expect(spans).toHaveLength(1);
    expect(sent.map((headers) => headers.get("traceparent"))).toEqual([
      `00-${TRACE_ID}-0000000000000001-01`,
      `00-${TRACE_ID}-0000000000000001-01`,
    ]);
    expect(traceIdOf(sent[0]?.get("traceparent"))).toBe(TRACE_ID);
    expect(sent[0]?.get("Authorization")).toBe("Bearer secret-key");
  });

  it("contain the code and the request id of a failure", async () => {
    const problem = { code: "session_not_found", detail: "the detail", requestId: "req-1" };
    const { client, spans } = traced([Response.json(problem, { status: 404 })]);
    await expect(client.session("s").state()).rejects.toMatchObject({ code: "session_not_found" });
    expect(spans[0]).toMatchObject({
      status: SpanStatusCode.ERROR,
      isEnded: true,
      attributes: { "error.type": "session_not_found", "threadkeep.request_id": "req-1" },
    });
  });

  it("cost nothing if no SDK is registered", async () => {
    const client = createClient({
      url: "http://memory.test",
      tracing: openTelemetry(),
      fetch: async (_url, init) => Response.json({ headers: [...new Headers(init.headers).keys()] }),
    });
    expect(await client.session("s").state()).toEqual({ headers: ["accept"] });
  });
});
