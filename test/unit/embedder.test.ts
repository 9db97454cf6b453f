import type { ServerResponse } from "node:http";
import type { Ai } from "@cloudflare/workers-types";
import { afterAll, describe, expect, test } from "vitest";
import { type LoopbackServer, sendJson, serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { createEmbedder, type EmbeddingSettings, MAX_TEXTS_PER_REQUEST } from "../../src/embedder/embedder.ts";
import { createQueryEmbedder, QUERY_DEADLINE_MS } from "../../src/embedder/query-embedder.ts";
import { ProviderError } from "../../src/provider/provider-error.ts";

const SECRET = "the cellar key hangs behind the oven";
const KEY = "sk-stand-in-key";

interface Seen {
  readonly path: string;
  readonly key: string | undefined;
  readonly texts: string[];
}

const servers: LoopbackServer[] = [];
afterAll(() => Promise.all(servers.map((server) => server.close())));

/** A provider on loopback that answers each request as the test says. */
async function given(
  reply: (response: ServerResponse, seen: Seen, count: number) => unknown,
  settings: Partial<EmbeddingSettings> = {},
) {
  const requests: Seen[] = [];
  const server = await serveOnLoopback((request, response, body) => {
    const { input } = JSON.parse(body.toString()) as { input: string[] };
    const seen = { path: request.url ?? "", key: request.headers.authorization, texts: input };
    requests.push(seen);
    return reply(response, seen, requests.length);
  });
  servers.push(server);
  let now = 0;
  const embedder = createEmbedder({
    settings: {
      provider: "openai-compatible",
      name: "openai-compatible/stand-in",
      model: "stand-in",
      baseUrl: `${server.url}/v1`,
      apiKey: KEY,
      price: 0.5,
      ...settings,
    } as EmbeddingSettings,
    now: () => now,
  });
  return { embedder, requests, server, pass: (ms: number) => (now += ms) };
}

function vectorsOf(texts: readonly string[], vector: unknown = [3, 4]) {
  const data = texts.map((_text, index) => ({ object: "embedding", index, embedding: vector }));
  return { object: "list", data, model: "stand-in", usage: { prompt_tokens: 10 * texts.length, total_tokens: 1 } };
}

const well = (response: ServerResponse, { texts }: Seen): void => sendJson(response, 200, vectorsOf(texts));

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

describe("the embedder of a server with OpenAI's API", () => {
  test("returns a vector of length 1 for each text, and reports tokens and cost", async () => {
    const { embedder, requests } = await given(well);
    const { vectors, usage } = await embedder.embed(["I live in Lisbon", SECRET]);
    expect(vectors.map((vector) => [...vector].map((value) => value.toFixed(3)))).toEqual([
      ["0.600", "0.800"],
      ["0.600", "0.800"],
    ]);
    expect(usage).toEqual({ inputTokens: 20, costMicroDollars: 10 });
    expect(requests).toEqual([{ path: "/v1/embeddings", key: `Bearer ${KEY}`, texts: ["I live in Lisbon", SECRET] }]);
  });

  test("estimates the tokens if the provider does not count them, and reports no cost without a price", async () => {
    const { embedder } = await given(
      (response, { texts }) => sendJson(response, 200, { ...vectorsOf(texts), usage: undefined }),
      { price: null },
    );
    expect((await embedder.embed(["one two three"])).usage).toEqual({ inputTokens: expect.any(Number) });
    expect((await embedder.embed(["one two three"])).usage.inputTokens).toBeGreaterThan(2);
  });

  test("sends no request for no texts", async () => {
    const { embedder, requests } = await given(well);
    expect(await embedder.embed([])).toEqual({ vectors: [], usage: { inputTokens: 0, costMicroDollars: 0 } });
    expect(requests).toEqual([]);
  });

  test("sends requests of limited number and length, in order, and cuts long texts between characters", async () => {
    const { embedder, requests } = await given(well);
    const texts = [
      ...Array.from({ length: MAX_TEXTS_PER_REQUEST + 1 }, (_, index) => `text ${index}`),
      ...Array.from({ length: 40 }, () => `${"a".repeat(3_999)}😀 and so on`),
      "",
    ];
    expect((await embedder.embed(texts)).vectors).toHaveLength(texts.length);
    expect(requests.map((request) => request.texts.length)).toEqual([MAX_TEXTS_PER_REQUEST, 33, 9]);
    expect(requests[0]?.texts[3]).toBe("text 3");
    expect(requests[1]?.texts.at(-1)).toBe("a".repeat(3_999));
    // Providers refuse an empty text.
    expect(requests[2]?.texts.at(-1)).toBe("-");
  });

  test("keeps the vectors that were paid for if a later request fails", async () => {
    const { embedder } = await given((response, seen, count) =>
      count === 1 ? well(response, seen) : sendJson(response, 503, {}),
    );
    const { vectors, usage } = await embedder.embed(Array.from({ length: MAX_TEXTS_PER_REQUEST + 1 }, () => "x"));
    expect(vectors).toHaveLength(MAX_TEXTS_PER_REQUEST);
    expect(usage.inputTokens).toBe(10 * MAX_TEXTS_PER_REQUEST);
  });

  test.each([400, 413, 422])("sends only the first words if a text is too long for the model (%i)", async (status) => {
    const { embedder, requests } = await given((response, seen) =>
      seen.texts.some(({ length }) => length > 400) ? sendJson(response, status, {}) : well(response, seen),
    );
    expect((await embedder.embed(["short", "long ".repeat(200)])).vectors).toHaveLength(2);
    expect(requests.map(({ texts }) => texts.map(({ length }) => length))).toEqual([
      [5, 1_000],
      [5, 400],
    ]);
    // The short text is refused for another reason.
    expect(requests).toHaveLength(2);
  });
});

describe("a failure of the provider has a kind, and contains nothing of the texts", () => {
  test.each([
    [500, "unreachable", "HTTP 500"],
    [503, "unreachable", "HTTP 503"],
    [401, "refused", "check THREADKEEP_EMBEDDINGS_API_KEY"],
    [404, "refused", "check the name in THREADKEEP_EMBEDDINGS"],
    [400, "refused", "HTTP 400"],
  ] as const)("%i: %s", async (status, kind, detail) => {
    const { embedder, requests } = await given((response) =>
      sendJson(response, status, { error: { message: `not taken: ${SECRET}` } }),
    );
    const failure = await failureOf(embedder.embed([SECRET]));
    expect(failure).toMatchObject({ kind, status });
    expect(failure.detail).toContain(detail);
    expect(requests).toHaveLength(1);
  });

  test("429: rate_limited, with the pause that the provider asked for", async () => {
    const { embedder } = await given((response) => sendJson(response, 429, {}, { "retry-after": "7" }));
    expect(await failureOf(embedder.embed([SECRET]))).toMatchObject({ kind: "rate_limited", retryAfterSeconds: 7 });
  });

  test("a redirect is not followed, because messages may not be sent to another address", async () => {
    const other = await given(well);
    const { embedder } = await given((response) =>
      response.writeHead(307, { location: `${other.server.url}/v1/embeddings` }).end(),
    );
    const failure = await failureOf(embedder.embed([SECRET]));
    expect(failure).toMatchObject({ kind: "refused", status: 307 });
    expect(failure.detail).toContain("THREADKEEP_EMBEDDINGS_BASE_URL redirects");
    expect(other.requests).toEqual([]);
  });

  test("no answer in time: timeout, and the request is aborted", async () => {
    let isGivenUp: Promise<unknown> | undefined;
    const { embedder } = await given((response) => {
      isGivenUp = new Promise((resolve) => response.once("close", resolve));
    });
    expect(await failureOf(embedder.embed([SECRET], 50))).toMatchObject({ kind: "timeout" });
    await isGivenUp;
  });

  test("nobody listens: unreachable", async () => {
    const { embedder, server } = await given(well);
    await server.close();
    expect(await failureOf(embedder.embed([SECRET]))).toMatchObject({ kind: "unreachable", status: undefined });
  });

  test.each([
    ["no JSON", (response: ServerResponse) => response.writeHead(200).end(`<html>${SECRET}</html>`), "unreachable"],
    [
      "half an answer",
      (response: ServerResponse) => {
        response.writeHead(200, { "content-length": "4000" });
        response.write('{"data":[{"embedding":[0.', () => response.destroy());
      },
      "unreachable",
    ],
    ["another shape", (response: ServerResponse) => sendJson(response, 200, { vectors: [] }), "invalid_answer"],
  ] as const)("%s: %s", async (_name, reply, kind) => {
    const { embedder } = await given(reply);
    expect(await failureOf(embedder.embed([SECRET]))).toMatchObject({ kind });
  });

  const answers: [string, unknown][] = [
    ["fewer vectors than texts", vectorsOf(["one"])],
    ["more vectors than texts", vectorsOf(["one", "two", "three"])],
    ["vectors of two dimensions", { data: [{ embedding: [1, 2] }, { embedding: [1, 2, 3] }] }],
    ["an empty vector", vectorsOf(["one", "two"], [])],
    [
      "a vector of too many dimensions",
      vectorsOf(
        ["one", "two"],
        Array.from({ length: 4_097 }, () => 0.5),
      ),
    ],
    // NaN and Infinity are null in JSON.
    ["a vector with NaN", vectorsOf(["one", "two"], [Number.NaN, 1])],
    ["a vector with a text", vectorsOf(["one", "two"], ["0.5", 1])],
    ["a vector of zeros", vectorsOf(["one", "two"], [0, 0])],
    ["a vector too long for a number", vectorsOf(["one", "two"], [1.7e308, 1.7e308])],
  ];
  test.each(answers)("%s: invalid_answer", async (_name, answer) => {
    const { embedder } = await given((response) => sendJson(response, 200, answer));
    expect(await failureOf(embedder.embed([SECRET, "and more"]))).toMatchObject({ kind: "invalid_answer" });
  });

  test("invalid vectors count as paid", async () => {
    const { embedder } = await given((response, { texts }) => sendJson(response, 200, vectorsOf(texts, [0, 0])));
    expect((await failureOf(embedder.embed(["one"]))).usage).toEqual({
      inputTokens: 10,
      outputTokens: 0,
      costMicroDollars: 5,
    });
  });

  test("an endless answer is read only up to a limit", async () => {
    let sent = 0;
    const { embedder } = await given(async (response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const piece = Buffer.alloc(1 << 20, " ");
      // It lasts as long as it is read: 64 MiB without a limit.
      while (!response.destroyed && sent < 64 * piece.length) {
        sent += piece.length;
        if (!response.write(piece)) {
          await new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
        }
      }
      response.end();
    });
    expect(await failureOf(embedder.embed([SECRET]))).toMatchObject({ kind: "invalid_answer" });
    expect(sent).toBeLessThan(32 << 20);
  });

  test("after five failures in a row there are no calls, until one call tries it after a pause", async () => {
    let isWell = false;
    const { embedder, requests, pass } = await given((response, seen) =>
      isWell ? well(response, seen) : sendJson(response, 500, {}),
    );
    for (let attempt = 0; attempt < 5; attempt += 1) await failureOf(embedder.embed([SECRET]));
    expect(embedder.isResting()).toBe(true);
    expect(await failureOf(embedder.embed([SECRET]))).toMatchObject({ kind: "circuit_open", retryAfterSeconds: 15 });
    expect(requests).toHaveLength(5);
    isWell = true;
    pass(15_000);
    expect((await embedder.embed(["x"])).vectors).toHaveLength(1);
    expect(embedder.isResting()).toBe(false);
  });
});

describe("the embedder of Workers AI, with a stand-in for the binding", () => {
  const workersAi = (run: (model: string, inputs: unknown) => unknown) => {
    const binding: unknown = { run: async (model: string, inputs: unknown) => run(model, inputs) };
    const model = "@cf/baai/bge-m3";
    return createEmbedder({
      settings: { provider: "workers-ai", name: `workers-ai/${model}`, model, binding: binding as Ai, price: null },
    });
  };

  test("returns its vectors, and estimates their tokens, which the binding does not count", async () => {
    const calls: unknown[] = [];
    const embedder = workersAi((model, inputs) => {
      calls.push([model, inputs]);
      return { shape: [1, 2], data: [[3, 4]], pooling: "cls" };
    });
    const { vectors, usage } = await embedder.embed(["I live in Lisbon"]);
    expect(vectors[0]?.[0]).toBeCloseTo(0.6);
    expect(usage.inputTokens).toBeGreaterThan(3);
    expect(calls).toEqual([["@cf/baai/bge-m3", { text: ["I live in Lisbon"] }]]);
  });

  test.each([
    ["3040: Capacity temporarily exceeded, please try again.", "rate_limited"],
    ["5016: Model agreement missing", "refused"],
    ["8001: Something else broke", "unreachable"],
  ])("reports an error %j as %s", async (message, kind) => {
    const embedder = workersAi(() => {
      throw new Error(`${message} ${SECRET}`);
    });
    expect(await failureOf(embedder.embed([SECRET]))).toMatchObject({ kind });
  });

  test("reports an answer without vectors as unreachable, as for a model that makes no vectors", async () => {
    expect(await failureOf(workersAi(() => ({ response: SECRET })).embed([SECRET]))).toMatchObject({
      kind: "unreachable",
    });
  });
});

describe("the vector of a query", () => {
  async function queried(reply: Parameters<typeof given>[0]) {
    const { embedder, requests } = await given(reply);
    const kept: Promise<unknown>[] = [];
    const spent: unknown[] = [];
    const queries = createQueryEmbedder({ embedder, keepAlive: (work) => void kept.push(work) });
    const ask = (query: string) =>
      queries.meaningOf(query, ({ inputTokens }, { result }) => spent.push([result, inputTokens]));
    return { ask, requests, spent, kept, isResting: () => embedder.isResting() };
  }

  test("has the name of the model; it is cached, and costs nothing the second time", async () => {
    const { ask, requests, spent, kept } = await queried(well);
    // The first call loads the SDK.
    await ask("warm up");
    await Promise.all(kept);
    const [first, second] = await Promise.all([ask("where do I live?"), ask("where do I live?")]);
    expect(first).toMatchObject({ model: "openai-compatible/stand-in", vector: expect.any(Float32Array) });
    expect(second).toEqual(first);
    expect(await ask("where do I live?")).toEqual(first);
    expect(requests.map(({ texts }) => texts)).toEqual([["warm up"], ["where do I live?"]]);
    expect(spent.at(-1)).toEqual(["ok", 10]);
    expect(spent).toHaveLength(2);
  });

  test("is late after the deadline; the late answer is cached for the next request", async () => {
    const held: (() => void)[] = [];
    const { ask, requests, kept } = await queried((response, seen) => {
      held.push(() => well(response, seen));
    });
    const startedAt = performance.now();
    expect(await ask("where do I live?")).toEqual({ without: "late" });
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(QUERY_DEADLINE_MS - 5);
    await expect.poll(() => held.length).toBe(1);
    held[0]?.();
    await Promise.all(kept);
    expect(await ask("where do I live?")).toHaveProperty("vector");
    expect(requests).toHaveLength(1);
  });

  test("is unavailable if the provider is down, is requested again by the next query, and not at all after too many failures", async () => {
    const { ask, requests, isResting } = await queried((response) => sendJson(response, 500, {}));
    await expect.poll(() => ask("where do I live?")).toEqual({ without: "unavailable" });
    await expect.poll(async () => (await ask("where do I live?")) && isResting()).toBe(true);
    const before = requests.length;
    expect(await ask("where do I live?")).toEqual({ without: "unavailable" });
    expect(requests).toHaveLength(before);
  });

  test("is not requested while many other requests are in progress", async () => {
    const { ask, requests } = await queried(() => undefined);
    const lacking = await Promise.all(Array.from({ length: 40 }, (_, index) => ask(`question ${index}`)));
    expect(lacking).toEqual(Array.from({ length: 40 }, () => ({ without: "late" })));
    await expect.poll(() => requests.length).toBe(16);
  });
});
