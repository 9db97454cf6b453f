import { describe, expect, it } from "vitest";
import type { AnswerLine } from "../../src/api/answer.ts";
import type { Message } from "../../src/api/message.ts";
import type { Page } from "../../src/api/page.ts";
import type { Principal } from "../../src/api/principal.ts";
import { createChatModel } from "../../src/summarizer/chat-model.ts";
import { promptOf, scriptModel } from "../support/scripted-model.ts";
import { until } from "../support/session.ts";
import type { StandInReply } from "../support/stand-in-model.ts";
import { appWith } from "../support/worker-app.ts";
import { freshTenant, tenants } from "../support/worker-user.ts";

const OPERATOR = ["memory:read", "memory:write", "ops"] as const;
const PRICES = { input: 1, output: 5 };

/** The inspector's surface with a model, for a caller with these scopes. */
async function inspectorWith(replies: StandInReply[] | null, change: Partial<Principal> = {}) {
  const tenant = freshTenant();
  const model = replies === null ? null : await scriptModel(replies, "sk-of-the-test-0123456789");
  const counting: Promise<unknown>[] = [];
  const unused = async (): Promise<never> => {
    throw new Error("not of this test");
  };
  const app = appWith({
    authenticate: async () => ({ kind: "tenant-key", id: "key:1", tenant, owner: "-", scopes: OPERATOR, ...change }),
    inspector: {
      signIn: unused,
      signIns: { issueTicket: unused, readTicket: unused, issueToken: unused, principalOf: unused } as never,
      issuers: [],
      chat: {
        model:
          model === null
            ? null
            : createChatModel({
                provider: "openai-compatible",
                model: "m",
                baseUrl: model.baseUrl,
                apiKey: "sk-of-the-test-0123456789",
                prices: PRICES,
              }),
        keepAlive: (work) => void counting.push(work),
      },
    },
  });
  const send = (method: string, path: string, body?: unknown) =>
    app.request(`http://threadkeep.test${path}`, {
      method,
      headers: { "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  return {
    tenant,
    model,
    say: async (...messages: { role: string; content: string }[]) =>
      expect((await send("POST", "/v1/sessions/s/messages", { messages })).status).toBe(201),
    async ask(): Promise<{ status: number; lines: AnswerLine[]; problem: Record<string, unknown> }> {
      const response = await send("POST", "/inspector/sessions/s/answer");
      const text = new TextDecoder().decode(await response.arrayBuffer());
      await Promise.all(counting);
      if (response.status !== 200) return { status: response.status, lines: [], problem: JSON.parse(text) };
      const lines = text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as AnswerLine);
      return { status: 200, lines, problem: {} };
    },
    stream: async () => (await send("POST", "/inspector/sessions/s/answer")).body,
    caller: async () => (await (await send("GET", "/inspector/caller")).json()) as { model: string | null },
    async said(): Promise<string[]> {
      const page = (await (await send("GET", "/v1/sessions/s/messages")).json()) as Page<Message>;
      return page.data.map(({ role, content }) => `${role}: ${String(content)}`);
    },
  };
}

const QUESTION = { role: "user", content: "Where do I live?" };

describe("a turn that the model answers", () => {
  it("is sent with Threadkeep's context, streamed, appended, and counted for the tenant's day", async () => {
    const chat = await inspectorWith([{ does: "answer", text: "In Porto." }]);
    await chat.say({ role: "system", content: "Be brief." }, { role: "user", content: "I am Ada, of Porto." });
    await chat.say({ role: "assistant", content: "Hello Ada." }, QUESTION);
    const { lines } = await chat.ask();
    expect(lines.at(-1)).toEqual({ seq: 5 });
    expect(lines.map((line) => ("text" in line ? line.text : "")).join("")).toBe("In Porto.");
    expect((await chat.said()).at(-1)).toBe("assistant: In Porto.");
    const [request] = (await chat.model?.requests()) ?? [];
    const prompt = promptOf(request ?? expect.fail("nobody was asked"));
    expect(prompt.system).toContain("Be brief.");
    expect(prompt.turns.map(({ text }) => text)).toEqual(["I am Ada, of Porto.", "Hello Ada.", "Where do I live?"]);
    // The stand-in's streams report no usage, so what was sent and said is counted by an estimate.
    const { spentToday } = await tenants.readRecord(chat.tenant);
    expect(spentToday.inputTokens).toBeGreaterThan(10);
    expect(spentToday.outputTokens).toBeGreaterThan(1);
    expect(await chat.caller()).toMatchObject({ model: "openai-compatible/m" });
  });

  it("appends nothing if the model fails, says what to check, and quotes nothing", async () => {
    const chat = await inspectorWith([{ does: "refuse", status: 401 }]);
    await chat.say(QUESTION);
    const { lines } = await chat.ask();
    expect(lines).toEqual([
      { problem: { code: "unavailable", detail: expect.stringContaining("check THREADKEEP_MODEL_API_KEY") } },
    ]);
    expect(JSON.stringify(lines)).not.toContain("live");
    expect(await chat.said()).toEqual(["user: Where do I live?"]);
  });

  it("is not appended if something was said meanwhile, and not answered if the last message is not a user's", async () => {
    const chat = await inspectorWith([
      { does: "stall", text: "In " },
      { does: "answer", text: "" },
    ]);
    await chat.say(QUESTION);
    const reader = ((await chat.stream()) ?? expect.fail("no stream")).getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('{"text":"In "}\n');
    // If the reader leaves, the model's answer is stopped.
    void reader.cancel();
    await until(
      "the model's request is given up",
      async () => (await chat.model?.requests())?.[0]?.isAbandoned === true,
    );
    expect(await chat.said()).toHaveLength(1);
    expect((await chat.ask()).lines).toEqual([
      { problem: { code: "unavailable", detail: expect.stringContaining("returned an empty answer") } },
    ]);
    await chat.say({ role: "assistant", content: "In Porto." });
    expect((await chat.ask()).problem).toMatchObject({ code: "validation_failed" });
  });

  it("is refused without a model, beyond the tenant's budget, and to everybody but operators", async () => {
    const none = await inspectorWith(null);
    await none.say(QUESTION);
    expect(await none.ask()).toMatchObject({ status: 501, problem: { code: "model_not_configured" } });
    expect(await none.caller()).toMatchObject({ model: null });
    const spent = await inspectorWith([{ does: "answer", text: "Porto." }]);
    await tenants.update(spent.tenant, { summarizerTokensPerDay: 0 });
    await spent.say(QUESTION);
    expect(await spent.ask()).toMatchObject({ status: 429, problem: { code: "quota_exceeded" } });
    const scopes = ["memory:read", "memory:write", "memory:erase"] as const;
    for (const change of [{ scopes }, { scopes, kind: "user", owner: "ada" }] as const) {
      const other = await inspectorWith([{ does: "answer", text: "Porto." }], change);
      await other.say(QUESTION);
      expect(await other.ask()).toMatchObject({ status: 403, problem: { code: "forbidden" } });
      expect(await other.caller()).toMatchObject({ model: null });
      expect(await other.model?.requests()).toEqual([]);
    }
  });
});
