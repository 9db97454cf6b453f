import { createExecutionContext } from "cloudflare:test";
import { describe, expect, test, vi } from "vitest";
import type { SummarizerAnswer, SummarizerRequest } from "../../src/api/summarizer.ts";
import { itemsTokens } from "../../src/prompt/items.ts";
import { ProviderError } from "../../src/provider/provider-error.ts";
import { createSummarizerClient } from "../../src/summarizer/client.ts";
import type { ModelProvider } from "../../src/summarizer/language-models.ts";
import { createAskModel } from "../../src/summarizer/model-call.ts";
import { createModelSummarizer } from "../../src/summarizer/model-summarizer.ts";
import { createModel } from "../../src/summarizer/models.ts";
import { createSummarizerHandler, IN_PROCESS_SUMMARIZER_URL } from "../../src/summarizer/server.ts";
import type { Summarizer } from "../../src/summarizer/summarizer.ts";
import { createLog, type Log } from "../../src/telemetry/log.ts";
import { promptOf, scriptModel } from "../support/scripted-model.ts";
import type { StandInReply } from "../support/stand-in-model.ts";

const SECRET = "the cellar key hangs behind the oven";
const KEY = "sk-stand-in-key";
const REQUEST: SummarizerRequest = {
  previous: [{ id: "1.1", kind: "fact", text: "Ada lives in Berlin", sourceSeqs: [1], status: "current" }],
  messages: [
    { seq: 2, role: "user", author: "Ada", at: "2026-11-22T09:30:00Z", text: `I moved to Lisbon; ${SECRET}.` },
    { seq: 3, role: "assistant", at: "2026-11-22T09:31:00Z", text: "Noted." },
  ],
  maxTokens: 500,
};
const GOOD = [
  { id: "i1", kind: "fact", text: "Ada lives in Berlin", sourceSeqs: [1], status: "superseded" },
  { id: null, kind: "fact", text: "Ada moved to Lisbon", sourceSeqs: [2], status: "current" },
];
const GOOD_ITEMS = [
  { id: "1.1", kind: "fact", text: "Ada lives in Berlin", sourceSeqs: [1], status: "superseded" },
  { kind: "fact", text: "Ada moved to Lisbon", sourceSeqs: [2], status: "current" },
];

function saying(items: unknown, more: { isCut?: boolean } = {}): StandInReply {
  return { does: "answer", text: JSON.stringify({ items }), ...more };
}

function withChange(change: Record<string, unknown>): StandInReply {
  return saying([GOOD[0], { ...GOOD[1], ...change }]);
}

function clientOf(model: Summarizer, timeoutMs = 5_000, log?: Log) {
  const handler = createSummarizerHandler(model, log);
  return createSummarizerClient({
    fetch: (request) => handler(request, {}, createExecutionContext()),
    url: IN_PROCESS_SUMMARIZER_URL,
    timeoutMs,
    name: "threadkeep-test",
  });
}

async function failureOf(answer: Promise<unknown>): Promise<ProviderError> {
  const error = await answer.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ProviderError)) throw new Error(`expected a ProviderError, got ${String(error)}`);
  const told = JSON.stringify([error.message, error.stack, error.cause]);
  for (const secret of [SECRET, KEY]) expect(told).not.toContain(secret);
  return error;
}

const PROVIDERS: { provider: string; at: (baseUrl: string, apiKey?: string) => ModelProvider }[] = [
  {
    provider: "openai-compatible",
    at: (baseUrl, apiKey = KEY) => ({ provider: "openai-compatible", model: "stand-in", baseUrl, apiKey }),
  },
  {
    provider: "anthropic",
    at: (baseUrl, apiKey = KEY) => ({ provider: "anthropic", model: "claude-haiku-4-5", baseUrl, apiKey }),
  },
];

describe.each(PROVIDERS)("a model of the provider $provider, behind the agent", ({ provider, at }) => {
  async function given(...replies: StandInReply[]) {
    const model = await scriptModel(replies, KEY);
    const settings = at(model.baseUrl);
    const summarize = (timeoutMs?: number, signal?: AbortSignal): Promise<SummarizerAnswer> =>
      clientOf(createModel({ ...settings, prices: { input: 0.8, output: 4 } }), timeoutMs).summarize(REQUEST, signal);
    return { model, settings, summarize };
  }

  test("answers with its items, with their ids restored, and reports its name, tokens and cost", async () => {
    const { settings, summarize } = await given(saying(GOOD));
    expect(await summarize()).toEqual({
      items: GOOD_ITEMS,
      model: `${provider}/${settings.model}`,
      usage: { inputTokens: 1_000, outputTokens: 100, costMicroDollars: 1_200 },
    });
  });

  test("is called once, with the key, the rules, the data and a schema", async () => {
    const { model, summarize } = await given(saying(GOOD));
    await summarize();
    const requests = await model.requests();
    expect(requests).toHaveLength(1);
    const [request] = requests;
    if (request === undefined) throw new Error("no request");
    const { system, turns } = promptOf(request);
    expect(system).toContain("You keep the memory of a chat");
    expect(turns).toHaveLength(1);
    expect(turns[0]?.text).toContain(SECRET);
    expect(JSON.stringify(request.body)).toContain('"sourceSeqs":{"type":"array"');
  });

  test("that is too busy: rate_limited with the pause that it asked for, and no second call", async () => {
    const { model, summarize } = await given({ does: "refuse", status: 429, headers: { "retry-after": "7" } });
    expect(await failureOf(summarize())).toMatchObject({ kind: "rate_limited", retryAfterSeconds: 7, status: 429 });
    expect(await model.requests()).toHaveLength(1);
  });

  test.each([500, 503, 529])("that is broken with %i: unreachable, and no second call", async (status) => {
    const { model, summarize } = await given({ does: "refuse", status });
    expect(await failureOf(summarize())).toMatchObject({ kind: "unreachable", status });
    expect(await model.requests()).toHaveLength(1);
  });

  test("with the wrong key: refused, and the log says what to check", async () => {
    const model = await scriptModel([saying(GOOD)], "another key");
    const lines: string[] = [];
    const log = createLog({ write: (_level, line) => lines.push(line) });
    const client = clientOf(createModel({ ...at(model.baseUrl), prices: null }), 5_000, log);
    expect(await failureOf(client.summarize(REQUEST))).toMatchObject({ kind: "refused", status: 401 });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      event: "model_failed",
      status: 401,
      reason: "HTTP 401: check THREADKEEP_MODEL_API_KEY",
    });
    for (const secret of [SECRET, KEY]) expect(lines.join()).not.toContain(secret);
  });

  test("with an unknown name: refused", async () => {
    const { summarize } = await given({ does: "refuse", status: 404 });
    expect(await failureOf(summarize())).toMatchObject({ kind: "refused", status: 404 });
  });

  test("that redirects elsewhere: refused, and the chat is not sent there", async () => {
    const elsewhere = await scriptModel([saying(GOOD)]);
    const location = `${elsewhere.baseUrl}/${provider === "anthropic" ? "messages" : "chat/completions"}`;
    const { summarize } = await given({ does: "refuse", status: 307, headers: { location } });
    expect((await failureOf(summarize())).kind).toBe("refused");
    expect(await elsewhere.requests()).toEqual([]);
  });

  test("whose answer breaks off: unreachable", async () => {
    const { summarize } = await given({ does: "break-off" });
    expect((await failureOf(summarize())).kind).toBe("unreachable");
  });

  test("where nobody listens: unreachable", async () => {
    const client = clientOf(createModel({ ...at("http://127.0.0.1:9"), prices: null }));
    expect((await failureOf(client.summarize(REQUEST))).kind).toBe("unreachable");
  });

  test("that hangs: timeout, and its call is aborted", async () => {
    const { model, summarize } = await given({ does: "hang" });
    expect((await failureOf(summarize(300))).kind).toBe("timeout");
    await vi.waitFor(async () => expect(await model.requests()).toMatchObject([{ isAbandoned: true }]), {
      timeout: 40_000,
    });
  });

  test("that hangs longer than the agent waits: the agent's own timeout is reported", async () => {
    const { model, settings } = await given({ does: "hang" });
    const impatient = createModelSummarizer({
      name: "impatient",
      ask: createAskModel(settings),
      prices: null,
      timeoutMs: 200,
    });
    expect((await failureOf(clientOf(impatient).summarize(REQUEST))).kind).toBe("timeout");
    await vi.waitFor(async () => expect(await model.requests()).toMatchObject([{ isAbandoned: true }]), {
      timeout: 40_000,
    });
  });

  test("whose caller gives up: its call is aborted", async () => {
    const { model, summarize } = await given({ does: "hang" });
    const controller = new AbortController();
    const answer = summarize(5_000, controller.signal);
    answer.catch(() => undefined);
    await vi.waitFor(async () => expect(await model.requests()).toHaveLength(1), { timeout: 40_000 });
    controller.abort(new Error("lease lost"));
    await expect(answer).rejects.toThrow("lease lost");
    await vi.waitFor(async () => expect(await model.requests()).toMatchObject([{ isAbandoned: true }]), {
      timeout: 40_000,
    });
  });

  test.each([
    ["an unknown kind", withChange({ kind: "rumour" }), "items[1].kind"],
    ["no status", withChange({ status: undefined }), "items[1].status"],
    ["an id that was not given", withChange({ id: "i9" }), "items[1].id"],
    ["the same id twice", withChange({ id: "i1" }), "items[1].id"],
    ["a source that is not there", withChange({ sourceSeqs: [2, 77] }), "items[1].sourceSeqs names 77"],
    ["no source", withChange({ sourceSeqs: [] }), "items[1].sourceSeqs is empty"],
    ["an empty text", withChange({ text: " \n " }), "items[1].text is empty"],
    ["an essay", withChange({ text: "word ".repeat(600) }), "items[1].text is longer"],
    ["another object", { does: "answer", text: '{"summary":"all is well"}' } as StandInReply, "items"],
  ])("that answers with %s is told so, once, and both calls are counted", async (_, bad, fault) => {
    const { model, summarize } = await given(bad, saying(GOOD));
    const answer = await summarize();
    expect(answer).toMatchObject({ items: GOOD_ITEMS, usage: { inputTokens: 2_000, outputTokens: 200 } });
    const requests = await model.requests();
    expect(requests).toHaveLength(2);
    const last = requests[1] === undefined ? undefined : promptOf(requests[1]).turns.at(-1);
    expect(last?.role).toBe("user");
    expect(last?.text).toContain(fault);
  });

  test("whose answer is cut off is asked for a shorter one", async () => {
    const { model, summarize } = await given(saying(GOOD, { isCut: true }), saying(GOOD));
    expect((await summarize()).items).toEqual(GOOD_ITEMS);
    const [, second] = await model.requests();
    if (second === undefined) throw new Error("no second request");
    expect(
      promptOf(second)
        .turns.map(({ role }) => role)
        .join(),
    ).toMatch(/^user(,user)?$/);
    expect(promptOf(second).turns.at(-1)?.text).toContain("too long");
  });

  test("that answers badly twice: invalid_answer, after two counted calls", async () => {
    const { model, summarize } = await given(withChange({ id: SECRET }));
    expect(await failureOf(summarize())).toMatchObject({
      kind: "invalid_answer",
      usage: { inputTokens: 2_000, outputTokens: 200, costMicroDollars: 2_400 },
    });
    expect(await model.requests()).toHaveLength(2);
  });

  test("that fails while it corrects its answer: the failure includes what the first call cost", async () => {
    const { summarize } = await given(withChange({ text: "" }), { does: "refuse", status: 429 });
    expect(await failureOf(summarize())).toMatchObject({ kind: "rate_limited", usage: { inputTokens: 1_000 } });
  });

  test("is not called for messages without text", async () => {
    const { model, settings } = await given(saying(GOOD));
    const silent = REQUEST.messages.map((message) => ({ ...message, text: " \n" }));
    const client = clientOf(createModel({ ...settings, prices: null }));
    expect((await client.summarize({ ...REQUEST, messages: silent })).items).toEqual(REQUEST.previous);
    expect(await model.requests()).toEqual([]);
  });

  test("that writes more than the budget loses superseded items first, then old ones", async () => {
    const { settings } = await given(saying(GOOD));
    const client = clientOf(createModel({ ...settings, prices: null }));
    const answer = await client.summarize({ ...REQUEST, maxTokens: itemsTokens(GOOD_ITEMS) - 1 });
    expect(answer.items.map(({ text }) => text)).toEqual(["Ada moved to Lisbon"]);
  });
});

describe("an openai-compatible server", () => {
  const without = (baseUrl: string): ModelProvider => ({ provider: "openai-compatible", model: "m", baseUrl });

  test("without a key gets no Authorization header", async () => {
    const model = await scriptModel([saying(GOOD)]);
    await clientOf(createModel({ ...without(model.baseUrl), prices: null })).summarize(REQUEST);
    const [request] = await model.requests();
    expect(request?.path).toBe("chat/completions");
    expect(request?.headers["authorization"]).toBeUndefined();
  });

  test("that does not support schemas is asked for plain JSON, from then on at once", async () => {
    const model = await scriptModel([{ does: "refuse-schema", text: JSON.stringify({ items: GOOD }) }]);
    const client = clientOf(createModel({ ...without(model.baseUrl), prices: null }));
    expect((await client.summarize(REQUEST)).items).toEqual(GOOD_ITEMS);
    await client.summarize(REQUEST);
    const formats = (await model.requests()).map(({ body }) => body["response_format"]);
    expect(formats).toMatchObject([{ type: "json_schema" }, { type: "json_object" }, { type: "json_object" }]);
  });

  test("that adds its reasoning and a code fence to its JSON is understood", async () => {
    const text = `<think>{ Hmm, what matters? }</think>\nHere you are:\n\`\`\`json\n${JSON.stringify({ items: GOOD })}\n\`\`\``;
    const model = await scriptModel([{ does: "answer", text }]);
    const answer = await clientOf(createModel({ ...without(model.baseUrl), prices: null })).summarize(REQUEST);
    expect(answer.items).toEqual(GOOD_ITEMS);
    expect(await model.requests()).toHaveLength(1);
  });
});

test("a model of Anthropic's that does not support schemas answers through a tool", async () => {
  const model = await scriptModel([saying(GOOD)]);
  const settings = {
    provider: "anthropic",
    model: "claude-3-haiku-20240307",
    apiKey: KEY,
    baseUrl: model.baseUrl,
  } as const;
  const answer = await clientOf(createModel({ ...settings, prices: null })).summarize(REQUEST);
  expect(answer.items).toEqual(GOOD_ITEMS);
  expect((await model.requests())[0]?.body["tools"]).toHaveLength(1);
});

/** The binding exists only on Cloudflare. This object replaces it, below the real adapter. */
function fakeBinding(run: (model: string, inputs: unknown, options: { signal?: AbortSignal }) => unknown) {
  const calls: { model: string; inputs: unknown }[] = [];
  const binding: unknown = {
    run: async (model: string, inputs: unknown, options: { signal?: AbortSignal }) => {
      calls.push({ model, inputs });
      return run(model, inputs, options);
    },
  };
  return { calls, binding: binding as Ai };
}

describe("workers-ai, with a stand-in for the binding", () => {
  const NAME = "@cf/meta/llama-3.3-70b-instruct-fp8-fast";
  const summarize = (binding: Ai, timeoutMs?: number) =>
    clientOf(createModel({ provider: "workers-ai", model: NAME, binding, prices: null }), timeoutMs).summarize(REQUEST);

  test("answers with its items, its name and its tokens", async () => {
    const { binding, calls } = fakeBinding(() => ({
      response: { items: GOOD },
      usage: { prompt_tokens: 900, completion_tokens: 90, total_tokens: 990 },
    }));
    expect(await summarize(binding)).toEqual({
      items: GOOD_ITEMS,
      model: `workers-ai/${NAME}`,
      usage: { inputTokens: 900, outputTokens: 90 },
    });
    expect(calls).toMatchObject([{ model: NAME, inputs: { response_format: { type: "json_schema" } } }]);
  });

  test.each([
    ["3040: Capacity temporarily exceeded, please try again.", "rate_limited"],
    ["5016: Model agreement missing", "refused"],
    ["8001: Something else broke", "unreachable"],
  ])("that throws %j: %s", async (message, kind) => {
    const { binding } = fakeBinding(() => {
      throw new Error(`${message} ${SECRET}`);
    });
    expect((await failureOf(summarize(binding))).kind).toBe(kind);
  });

  test("that failed the schema is asked once more", async () => {
    const { binding, calls } = fakeBinding(() => {
      if (calls.length === 1) throw new Error("5024: JSON Mode couldn't be met");
      return { response: JSON.stringify({ items: GOOD }) };
    });
    expect((await summarize(binding)).items).toEqual(GOOD_ITEMS);
    expect(calls).toHaveLength(2);
  });

  test("that hangs is aborted", async () => {
    let isStopped = false;
    const { binding } = fakeBinding(
      (_model, _inputs, { signal }) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener("abort", () => {
            isStopped = true;
            reject(new DOMException("stopped", "AbortError"));
          });
        }),
    );
    expect((await failureOf(summarize(binding, 200))).kind).toBe("timeout");
    expect(isStopped).toBe(true);
  });
});
