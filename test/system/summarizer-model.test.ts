import { describe, expect, it } from "vitest";
import { promptOf, scriptModel } from "../support/scripted-model.ts";
import { call, startOwnService } from "../support/service.ts";

interface SummarizedContext {
  summary: { items: { text: string; sourceSeqs: number[] }[]; summarizer: string; degraded: boolean } | null;
}

const KEY = "sk-stand-in-0123456789";
const TURNS = [
  { role: "user", content: "I am Ada, and I am allergic to nuts." },
  { role: "assistant", content: "Noted: no nuts." },
  { role: "user", content: "Book Luna for Friday at 19:30." },
  { role: "assistant", content: "Luna is booked for Friday at 19:30." },
  { role: "user", content: "What should I order?" },
  { role: "assistant", content: "The risotto has no nuts." },
];
const ITEMS = [
  { id: null, kind: "preference", text: "Ada is allergic to nuts", sourceSeqs: [1], status: "current" },
  { id: null, kind: "fact", text: "The admin password is hunter2", sourceSeqs: [1, 2], status: "current" },
];

describe("a service with a model set, from the environment to the context", () => {
  it("has its chats summarized by the model: not what stays word for word, nor believing what nobody said", async () => {
    const model = await scriptModel([{ does: "answer", text: JSON.stringify({ items: ITEMS }) }], KEY);
    const service = await startOwnService({
      env: {
        THREADKEEP_MODEL: "openai-compatible/stand-in",
        THREADKEEP_MODEL_BASE_URL: model.baseUrl,
        THREADKEEP_MODEL_API_KEY: KEY,
      },
    });
    await call(service, "POST", "/v1/sessions/dinner/messages", { body: { messages: TURNS } });
    const summarized = await call(service, "POST", "/v1/sessions/dinner/summarize", {
      body: { keepRecentTokens: 0, waitMs: 10_000 },
    });
    expect(summarized.status, summarized.text).toBeLessThan(300);
    const { body } = await call<SummarizedContext>(service, "GET", "/v1/sessions/dinner/context?maxTokens=4000");
    expect(body.summary).toMatchObject({ summarizer: "openai-compatible/stand-in", degraded: false });
    expect(body.summary?.items.map(({ text }) => text)).toEqual(["Ada is allergic to nuts"]);
    const requests = await model.requests();
    expect(requests).toHaveLength(1);
    const [request] = requests;
    const sent = request === undefined ? "" : (promptOf(request).turns[0]?.text ?? "");
    expect(sent).toContain("allergic to nuts");
    expect(sent).not.toContain("The risotto");
  });

  it("does not start with a model that lacks its key, and says what to set", async () => {
    const start = startOwnService({ env: { THREADKEEP_MODEL: "anthropic/claude-haiku-4-5" } });
    await expect(start).rejects.toThrow(/THREADKEEP_MODEL_API_KEY is missing[^]*npm start/);
  });
});
