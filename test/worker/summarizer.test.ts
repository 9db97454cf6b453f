import { type CallToolResult, McpServer } from "@modelcontextprotocol/server";
import { createMcpHandler } from "agents/mcp/server";
import { createExecutionContext } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { SUMMARIZE_TOOL, type SummarizerAnswer, type SummarizerRequest } from "../../src/api/summarizer.ts";
import { ProviderError } from "../../src/provider/provider-error.ts";
import { parseRetryAfter } from "../../src/provider/retry-after.ts";
import { createSummarizerClient } from "../../src/summarizer/client.ts";
import { extractive } from "../../src/summarizer/extractive.ts";
import { pingSummarizer } from "../../src/summarizer/ping.ts";
import { createSummarizerHandler, IN_PROCESS_SUMMARIZER_URL, SUMMARIZER_ROUTE } from "../../src/summarizer/server.ts";
import type { Summarizer } from "../../src/summarizer/summarizer.ts";

const SECRET = "the cellar key hangs behind the oven";
const REQUEST: SummarizerRequest = {
  previous: [{ id: "p1", kind: "fact", text: "User: I live in Oslo.", sourceSeqs: [1], status: "current" }],
  messages: [
    {
      seq: 2,
      role: "user",
      at: "2026-11-22T09:30:00Z",
      text: `My sister Karin moves to Bergen on 14 June; ${SECRET}.`,
    },
  ],
  maxTokens: 500,
};
const ANSWER: SummarizerAnswer = {
  items: [{ kind: "fact", text: "Karin moves to Bergen", sourceSeqs: [2], status: "current" }],
  model: "foreign",
};

type Wire = (request: Request) => Promise<Response>;

function wireTo(model: Summarizer): Wire {
  const handler = createSummarizerHandler(model);
  return (request) => handler(request, {}, createExecutionContext());
}

function modelThat(summarize: Summarizer["summarize"]): Summarizer {
  return { name: "test", summarize };
}

function call(wire: Wire, options: { timeoutMs?: number; signal?: AbortSignal; token?: string } = {}) {
  return createSummarizerClient({
    fetch: wire,
    url: IN_PROCESS_SUMMARIZER_URL,
    timeoutMs: options.timeoutMs ?? 5_000,
    name: "threadkeep-test",
    ...(options.token === undefined ? {} : { token: options.token }),
  }).summarize(REQUEST, options.signal);
}

async function failureOf(answer: Promise<unknown>): Promise<ProviderError> {
  const error = await answer.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ProviderError)) throw new Error(`expected a ProviderError, got ${String(error)}`);
  expect(JSON.stringify([error.message, error.stack, error.cause])).not.toContain(SECRET);
  return error;
}

describe("the built-in agent, called in-process over MCP", () => {
  test("answers with the items of the extractive summarizer", async () => {
    const answer = await call(wireTo(extractive));
    expect(answer).toEqual(await extractive.summarize(REQUEST));
    expect(answer.items[0]).toEqual(REQUEST.previous[0]);
    expect(answer.items.length).toBeGreaterThan(1);
  });

  test("follows no redirect, whatever it was asked", async () => {
    const asked: { url: string; redirect: string }[] = [];
    const redirecting: Wire = async ({ url, redirect }) => {
      asked.push({ url, redirect });
      return Response.redirect("http://elsewhere.example/mcp", 307);
    };
    await failureOf(call(redirecting, { token: "secret-token" }));
    const options = { fetch: redirecting, url: IN_PROCESS_SUMMARIZER_URL, timeoutMs: 5_000, name: "threadkeep-test" };
    await expect(pingSummarizer(options)).rejects.toThrow("Error POSTing to endpoint");
    expect(asked.length).toBeGreaterThan(1);
    for (const request of asked) expect(request).toEqual({ url: IN_PROCESS_SUMMARIZER_URL, redirect: "manual" });
  });

  test("takes two requests: one to negotiate, one to call", async () => {
    const wire = wireTo(extractive);
    let requests = 0;
    await call((request) => {
      requests += 1;
      return wire(request);
    });
    expect(requests).toBe(2);
  });

  test("serves many calls at once, each with its own answer", async () => {
    const wire = wireTo(modelThat(async ({ maxTokens }) => ({ items: [], model: `m${maxTokens}` })));
    const answers = await Promise.all(
      [11, 22, 33, 44].map((maxTokens) =>
        createSummarizerClient({ fetch: wire, url: IN_PROCESS_SUMMARIZER_URL, timeoutMs: 5_000, name: "t" }).summarize({
          ...REQUEST,
          maxTokens,
        }),
      ),
    );
    expect(answers.map(({ model }) => model)).toEqual(["m11", "m22", "m33", "m44"]);
  });

  test("reports a model that throws as a tool error, without its words", async () => {
    const failing = modelThat(async () => {
      throw new Error(`cannot read: ${SECRET}`);
    });
    const bodies: string[] = [];
    const wire = wireTo(failing);
    const error = await failureOf(
      call(async (request) => {
        const response = await wire(request);
        bodies.push(await response.clone().text());
        return response;
      }),
    );
    expect(error.kind).toBe("tool_error");
    expect(bodies.join()).not.toContain(SECRET);
  });

  test.each(["unreachable", "timeout", "rate_limited", "refused", "invalid_answer", "tool_error"] as const)(
    "a failure %s keeps its kind, its status, the requested pause and its cost, but not its words",
    async (kind) => {
      const usage = { inputTokens: 10, outputTokens: 2, costMicroDollars: 3 };
      const failing = modelThat(async () => {
        throw new ProviderError(kind, SECRET, { retryAfterSeconds: 42, status: 429, usage });
      });
      expect(await failureOf(call(wireTo(failing)))).toMatchObject({ kind, retryAfterSeconds: 42, status: 429, usage });
    },
  );

  test("passes on no invalid answer of a model", async () => {
    const faulty = modelThat(async () => ({
      items: [{ kind: "fact", text: "", sourceSeqs: [], status: "current" }],
      model: "test",
    }));
    expect((await failureOf(call(wireTo(faulty)))).kind).toBe("invalid_answer");
  });

  test("reports invalid arguments as a tool error, without calling the model", async () => {
    let asked = false;
    const wire = wireTo(
      modelThat(async () => {
        asked = true;
        return ANSWER;
      }),
    );
    const client = createSummarizerClient({ fetch: wire, url: IN_PROCESS_SUMMARIZER_URL, timeoutMs: 5_000, name: "t" });
    expect((await failureOf(client.summarize({ ...REQUEST, maxTokens: 0 }))).kind).toBe("tool_error");
    expect(asked).toBe(false);
  });

  test("cancels the model's work at a timeout", async () => {
    let cancelled = false;
    const slow = modelThat(
      (_, signal) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener("abort", () => {
            cancelled = true;
            reject(new Error("cancelled"));
          });
        }),
    );
    expect((await failureOf(call(wireTo(slow), { timeoutMs: 100 }))).kind).toBe("timeout");
    expect(cancelled).toBe(true);
  });

  test("returns a caller's own reason if the caller gives up", async () => {
    const controller = new AbortController();
    const never = modelThat(() => new Promise(() => {}));
    const answer = call(wireTo(never), { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("lease lost")), 50);
    await expect(answer).rejects.toThrow("lease lost");
  });

  test("can be called from outside under any host name, but not by a page in a browser", async () => {
    const wire = wireTo(extractive);
    const post = (headers: Record<string, string>) =>
      wire(
        new Request(`https://memory.example.com${SUMMARIZER_ROUTE}`, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            accept: "application/json, text/event-stream",
            host: "memory.example.com",
            ...headers,
          },
          body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} }),
        }),
      );
    const listed = await post({});
    expect(listed.status).toBe(200);
    expect(await listed.text()).toContain(SUMMARIZE_TOOL);
    expect((await post({ origin: "https://evil.example" })).status).toBe(403);
  });

  test("has one route", async () => {
    expect((await wireTo(extractive)(new Request("https://mcp.internal/mcp", { method: "POST" }))).status).toBe(404);
  });
});

/** An external server with a tool of the same name. */
function foreign(result: () => CallToolResult): Wire {
  const handler = createMcpHandler(
    () => {
      const server = new McpServer({ name: "foreign", version: "0.0.1" });
      server.registerTool(SUMMARIZE_TOOL, { inputSchema: z.looseObject({}) }, async () => result());
      return server;
    },
    { route: SUMMARIZER_ROUTE },
  );
  return (request) => handler(request, {}, createExecutionContext());
}

function saying(...texts: string[]): Wire {
  return foreign(() => ({ content: texts.map((text) => ({ type: "text", text })) }));
}

describe("an external server", () => {
  test("may answer in text that contains JSON", async () => {
    expect(await call(saying(JSON.stringify(ANSWER)))).toEqual(ANSWER);
    expect(await call(saying("Here you are:", `\`\`\`json\n${JSON.stringify(ANSWER)}\n\`\`\``))).toEqual(ANSWER);
  });

  test("may not answer in prose", async () => {
    expect((await failureOf(call(saying(`A summary. ${SECRET}`)))).kind).toBe("invalid_answer");
  });

  test.each([
    ["no items", { model: "m" }],
    ["an unknown kind", { ...ANSWER, items: [{ ...ANSWER.items[0], kind: SECRET }] }],
    ["no sources", { ...ANSWER, items: [{ ...ANSWER.items[0], sourceSeqs: [] }] }],
    ["an item as long as an essay", { ...ANSWER, items: [{ ...ANSWER.items[0], text: "x".repeat(3_000) }] }],
  ])("with %s gives an invalid answer", async (_, structuredContent) => {
    const error = await failureOf(call(foreign(() => ({ structuredContent, content: [] }))));
    expect(error.kind).toBe("invalid_answer");
  });

  test("that sends NUL characters or lone surrogates cannot get them stored", async () => {
    const dirty = {
      ...ANSWER,
      items: [
        { ...ANSWER.items[0], text: "Karin\u0000 moves\nto \ud800Bergen" },
        { ...ANSWER.items[0], text: "\u0000" },
      ],
    };
    const answer = await call(foreign(() => ({ structuredContent: dirty, content: [] })));
    expect(answer.items.map(({ text }) => text)).toEqual(["Karin moves to \ufffdBergen"]);
  });

  test("gets the token", async () => {
    const wire = saying(JSON.stringify(ANSWER));
    const seen = new Set<string | null>();
    await call(
      (request) => {
        seen.add(request.headers.get("authorization"));
        return wire(request);
      },
      { token: "s3cret" },
    );
    expect([...seen]).toEqual(["Bearer s3cret"]);
  });

  test("without the tool is a tool error", async () => {
    const handler = createMcpHandler(
      () => {
        const server = new McpServer({ name: "other", version: "0.0.1" });
        server.registerTool("translate", { inputSchema: z.object({}) }, async () => ({ content: [] }));
        return server;
      },
      { route: SUMMARIZER_ROUTE },
    );
    const error = await failureOf(call((request) => handler(request, {}, createExecutionContext())));
    expect(error.kind).toBe("tool_error");
  });

  test.each([
    [307, "refused"],
    [401, "refused"],
    [403, "refused"],
    [404, "refused"],
    [429, "rate_limited"],
    [408, "unreachable"],
    [500, "unreachable"],
    [503, "unreachable"],
  ])("that answers %i counts as %s, and may ask for a pause", async (status, kind) => {
    const error = await failureOf(call(async () => new Response(SECRET, { status, headers: { "retry-after": "7" } })));
    expect(error).toMatchObject({ kind, status, retryAfterSeconds: 7 });
  });

  test.each([
    ["of a kind that we do not know", { error: { kind: "tired", retryAfterSeconds: 7 } }],
    ["with words in place of numbers", { error: { kind: "timeout", status: SECRET } }],
    ["in another shape", { problem: SECRET }],
  ])("that reports a failure %s is a tool error", async (_, structuredContent) => {
    const error = await failureOf(call(foreign(() => ({ isError: true, structuredContent, content: [] }))));
    expect(error).toMatchObject({ kind: "tool_error", retryAfterSeconds: undefined });
  });

  test("that has no failure object may ask for a pause in the metadata of its result", async () => {
    const result = { isError: true, content: [], _meta: { "threadkeep/retryAfterSeconds": 9 } };
    expect(await failureOf(call(foreign(() => result)))).toMatchObject({ kind: "tool_error", retryAfterSeconds: 9 });
  });

  test("that answers with a web page is unreachable", async () => {
    const page = async () => new Response(`<html>${SECRET}</html>`, { headers: { "content-type": "text/html" } });
    expect((await failureOf(call(page))).kind).toBe("unreachable");
  });

  test("that cannot be reached is unreachable", async () => {
    const down = async () => {
      throw new TypeError(`connection to ${SECRET} refused`);
    };
    expect((await failureOf(call(down))).kind).toBe("unreachable");
  });

  test("that never answers is a timeout, even if the connection ignores its signal", async () => {
    const started = Date.now();
    expect((await failureOf(call(() => new Promise(() => {}), { timeoutMs: 100 }))).kind).toBe("timeout");
    expect(Date.now() - started).toBeLessThan(10_000);
  });
});

test("Retry-After is read as a number or as a date, and limited", () => {
  const now = Date.parse("2026-11-22T09:30:00Z");
  expect(parseRetryAfter("120", now)).toBe(120);
  expect(parseRetryAfter("Sun, 22 Nov 2026 09:31:00 GMT", now)).toBe(60);
  expect(parseRetryAfter("999999999", now)).toBe(3_600);
  for (const nothing of [null, "", "soon", "-5", "Sun, 22 Nov 2020 09:31:00 GMT"]) {
    expect(parseRetryAfter(nothing, now)).toBeUndefined();
  }
});
