import { describe, expect, it, onTestFinished } from "vitest";
import type { Context } from "../../src/api/context.ts";
import type { SearchResult } from "../../src/api/search.ts";
import type { SessionState } from "../../src/api/session.ts";
import type { TenantState } from "../../src/api/tenant.ts";
import { SENTENCE_ENCODER, serveEmbeddings } from "../../tools/embeddings/serve-embeddings.ts";
import { call, startOwnService } from "../support/service.ts";
import { socketSurface } from "../support/socket-surface.ts";

const TURNS = [
  "I adopted a beagle called Rex last spring.",
  "The quarterly report is due on Friday.",
  "My sister moved to Oslo for a job in fishing.",
  "The kitchen sink leaks again.",
  "I start piano lessons in September.",
].flatMap((content) => [
  { role: "user", content },
  { role: "assistant", content: "Noted." },
]);

describe("a service with embeddings, with a real model", () => {
  it("finds by meaning a message without a shared word, says so, counts it, and continues by words when the model is gone", async () => {
    const model = await serveEmbeddings();
    onTestFinished(() => model.close());
    const service = await startOwnService({
      env: {
        THREADKEEP_EMBEDDINGS: `openai-compatible/${SENTENCE_ENCODER}`,
        THREADKEEP_EMBEDDINGS_BASE_URL: `${model.url}/v1`,
        THREADKEEP_EMBEDDINGS_PRICE: "1",
      },
    });
    const session = "/v1/sessions/meaning";
    /** Repeats the search while its vector comes too late, as it may on a busy machine. */
    const search = async (query: string): Promise<SearchResult> => {
      let found: SearchResult | undefined;
      await expect
        .poll(
          async () => {
            found = (await call<SearchResult>(service, "POST", `${session}/search`, { body: { query } })).body;
            return found.retrieval?.because;
          },
          { timeout: 30_000 },
        )
        .not.toBe("late");
      if (found === undefined) throw new Error("nothing was answered");
      return found;
    };

    await call(service, "POST", `${session}/messages`, { body: { messages: TURNS } });
    const before = await search("Which puppy lives with me?");
    expect(before).toMatchObject({ data: [], retrieval: { by: "words", because: "none-yet" } });

    await call(service, "POST", `${session}/summarize`, { body: { keepRecentTokens: 0, waitMs: 10_000 } });
    await expect
      .poll(async () => (await call<SessionState>(service, "GET", session)).body, { timeout: 30_000 })
      .not.toMatchObject({ vectorsPending: true });
    const found = await search("Which puppy lives with me?");
    expect(found.retrieval).toEqual({ by: "words-and-meaning" });
    expect(found.data[0]?.message.seq).toBe(1);

    const query = "Which puppy lives with me?";
    const context = await call<Context>(service, "POST", `${session}/context`, { body: { query, maxTokens: 1_000 } });
    expect(context.body.retrieval).toEqual({ by: "words-and-meaning" });
    const rendered = await call<{ context: { meta: Pick<Context, "retrieval"> } }>(
      service,
      "POST",
      `${session}/messages`,
      { body: { messages: [{ role: "user", content: query }], context: { query: "auto", format: "openai-chat" } } },
    );
    expect(rendered.body.context.meta.retrieval).toEqual({ by: "words-and-meaning" });

    // Frames on a socket are answered by the session's object, which asks the Worker for vectors.
    const socket = socketSurface({ url: service.url, apiKey: service.apiKey });
    await expect
      .poll(() => socket.context("meaning", { query, maxTokens: 1_000 }), { timeout: 30_000 })
      .toMatchObject({ retrieval: found.retrieval });
    const asked = await socket.append("meaning", {
      messages: [{ role: "user", content: query }],
      context: { query: "auto" },
    });
    expect(asked.context).toMatchObject({ retrieval: found.retrieval });

    // The usage of queries is reported in batches, and so a little later.
    const spent = async (): Promise<number> => {
      const { body } = await call<TenantState>(service, "GET", "/v1/admin/tenants/local", { key: service.adminKey });
      return body.spentToday.embeddings.inputTokens;
    };
    await expect.poll(spent, { timeout: 30_000 }).toBeGreaterThan(TURNS.length);

    await model.close();
    const alone = await search("the leaking sink in the kitchen");
    expect(alone).toMatchObject({ retrieval: { by: "words", because: "unavailable" } });
    expect(alone.data[0]?.message.seq).toBe(7);
  });
});
