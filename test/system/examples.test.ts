import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import Anthropic from "@anthropic-ai/sdk";
import type { Page } from "playwright-core";
import { describe, expect, inject, it, onTestFinished } from "vitest";
import { createClient } from "../../client/src/index.ts";
import { answer as answerWithAnthropic } from "../../examples/anthropic/answer.ts";
import { identifyProcess, killTrees } from "../../scripts/dev/processes.ts";
import { readWorkerExample } from "../../scripts/examples/worker-example.ts";
import { startWorkerPair } from "../../scripts/examples/worker-pair.ts";
import { openBrowser } from "../support/browser.ts";
import { promptOf, scriptModel } from "../support/scripted-model.ts";
import { eventually, sharedService } from "../support/service.ts";
import { cleanEnvironment } from "../support/start-command.ts";

const service = sharedService();
const client = createClient({ url: service.url, key: service.apiKey });

/** An example as a person starts it, and everything that it has printed so far. */
function run(name: string, args: string[], env: Record<string, string> = {}) {
  const child: ChildProcess = spawn(process.execPath, ["scripts/run.mjs", "example", name, ...args], {
    env: { ...cleanEnvironment(), THREADKEEP_URL: service.url, THREADKEEP_API_KEY: service.apiKey, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  onTestFinished(async () => {
    const identity = child.pid === undefined ? null : identifyProcess(child.pid);
    if (identity !== null) await killTrees([identity]);
  });
  return { child, output: () => output };
}

describe("the examples", () => {
  it("node-chat answers with a model through OpenAI's SDK, remembers, serves its page and lets it follow the chat", async () => {
    const model = await scriptModel([
      { does: "answer", text: "Yes, Baixa is flat." },
      { does: "answer", text: "By train." },
    ]);
    const { output } = run("node-chat", [], { MODEL_BASE_URL: model.baseUrl, MODEL: "m" });
    const url = await eventually("it listens", () => /http:\/\/[\d.]+:\d+\//.exec(output())?.[0], 40_000);
    const chat = `${url}chats/${crypto.randomUUID()}`;
    const ask = async (text: unknown): Promise<Response> =>
      fetch(chat, { method: "POST", body: JSON.stringify({ text }) });
    expect(await (await ask("Is Baixa flat?")).json()).toEqual({ answer: "Yes, Baixa is flat." });
    expect(await (await ask("How do I get there?")).json()).toEqual({ answer: "By train." });
    const requests = await model.requests();
    expect(promptOf(requests[1] ?? expect.fail("the model was not called")).turns).toEqual([
      { role: "user", text: "Is Baixa flat?" },
      { role: "assistant", text: "Yes, Baixa is flat." },
      { role: "user", text: "How do I get there?" },
    ]);
    expect(await (await fetch(chat)).json()).toMatchObject({ messages: [{}, {}, {}, { role: "assistant" }] });
    expect([(await ask(7)).status, (await fetch(`${url}chats/..%2f..`)).status]).toEqual([422, 404]);

    const page = await (await fetch(url)).text();
    expect(page).toContain("Chat with a memory");
    // The page never contains or stores the key.
    expect(page).not.toContain(service.apiKey);
    const live: { url: string; ticket: string } = JSON.parse(
      await (await fetch(`${chat}/ticket`, { method: "POST" })).text(),
    );
    const socket = new WebSocket(`${live.url}?ticket=${live.ticket}&since=0`);
    const frames: string[] = [];
    socket.addEventListener("message", ({ data }) => frames.push(String(data)));
    await eventually("the page gets every message", () => (frames.length === 5 ? true : undefined));
    socket.close();
  });

  it("node-chat follows in two windows before anything is said, and shows its history after a reload (skipped without a browser)", async ({
    skip,
  }) => {
    const opened = await openBrowser();
    if (opened === null) return skip();
    onTestFinished(opened.close);
    const { output } = run("node-chat", []);
    const url = await eventually("it listens", () => /http:\/\/[\d.]+:\d+\//.exec(output())?.[0], 40_000);
    const chat = `${url}?chat=${crypto.randomUUID()}`;
    const failed: string[] = [];
    const open = async (): Promise<Page> => {
      const page = await opened.browser.newPage();
      page.on("response", (response) => {
        if (response.status() >= 400 && !response.url().endsWith("/favicon.ico")) failed.push(response.url());
      });
      page.on("pageerror", (error) => failed.push(error.message));
      await page.goto(chat);
      await page.getByText("Live.").waitFor();
      return page;
    };
    const [first, second] = [await open(), await open()];
    const said = (page: Page): Promise<string[]> => page.locator("#log li").allTextContents();
    await first.getByLabel("Your message").fill("Is Baixa flat?");
    await first.getByRole("button").click();
    const answered = "You said “Is Baixa flat?”. I have 1 messages in mind.";
    for (const page of [first, second]) await page.getByText(answered).waitFor();
    await second.getByLabel("Your message").fill("<b>And</b> Alfama?");
    await second.getByRole("button").click();
    for (const page of [first, second]) {
      await page.getByText("I have 3 messages in mind.").waitFor();
      expect(await said(page)).toEqual([
        "Is Baixa flat?",
        answered,
        "<b>And</b> Alfama?",
        "You said “<b>And</b> Alfama?”. I have 3 messages in mind.",
      ]);
    }
    await first.reload();
    await first.getByText("I have 3 messages in mind.").waitFor();
    expect(await said(first)).toEqual(await said(second));
    expect(failed).toEqual([]);
  });

  it("tools-and-images stores a picture, a call and its result, and the model sees all of them in the next turn", async () => {
    const sessionId = crypto.randomUUID();
    const alone = run("tools-and-images", [], { SESSION: sessionId });
    await eventually("it answers", () => /I see your picture\. Line 28 leaves/.exec(alone.output())?.[0], 40_000);
    const model = await scriptModel([
      { does: "call", tool: "next_departure", input: { line: 15 } },
      { does: "answer", text: "In four minutes." },
    ]);
    const env = { SESSION: sessionId, MODEL_BASE_URL: model.baseUrl, MODEL: "m" };
    const { output } = run("tools-and-images", ["examples/tools-and-images/dot.png", "And line 15?"], env);
    await eventually("it answers", () => /In four minutes\./.exec(output())?.[0], 40_000);
    expect(output()).toContain("(the tool says: Line 15 leaves in four minutes.)");
    const last = (await model.requests()).at(-1)?.body["messages"];
    expect(last).toMatchObject([
      { role: "user", content: [{ type: "text" }, { type: "image_url" }] },
      { role: "assistant", tool_calls: [{ function: { name: "next_departure", arguments: '{"line":28}' } }] },
      { role: "tool", content: "Line 28 leaves in four minutes." },
      { role: "assistant", content: "I see your picture. Line 28 leaves in four minutes." },
      { role: "user", content: [{ type: "text", text: "And line 15?" }, { type: "image_url" }] },
      { role: "assistant", tool_calls: [{ function: { name: "next_departure" } }] },
      { role: "tool", content: "Line 15 leaves in four minutes." },
    ]);
  });

  const python = spawnSync("python3", ["--version"]).status === 0;
  it.skipIf(!python)("python-chat remembers from one question to the next (skipped without python3)", async () => {
    const sessionId = crypto.randomUUID();
    const { child, output } = run("python-chat", [sessionId]);
    child.stdin?.end("Is Baixa flat?\nHow do I get there? é\n\n");
    const code = await new Promise((resolve) => {
      child.once("exit", resolve);
    });
    expect(output()).toContain("I have 1 messages in mind; the last one is 'Is Baixa flat?'.");
    expect(output()).toContain("I have 3 messages in mind; the last one is 'How do I get there? é'.");
    expect(code).toBe(0);
    expect((await client.withUser("somebody").session(sessionId).state()).headSeq).toBe(4);
  });

  it.skipIf(!python)("python-chat shows a prompt, and ends on Ctrl-C in the middle of a chat", async () => {
    const { child, output } = run("python-chat", [crypto.randomUUID()]);
    await eventually("it asks", () => (output().includes("You: ") ? true : undefined));
    child.stdin?.write("Is Baixa flat?\n");
    await eventually("it answers", () => (output().includes("I have 1 messages in mind") ? true : undefined));
    const ended = new Promise((resolve) => {
      child.once("exit", resolve);
    });
    child.kill("SIGINT");
    expect(await ended).toBe(0);
    expect(output()).not.toContain("Traceback");
  });

  it("worker-rpc remembers for each of its users, through the binding in its wrangler.toml, and mcp-summarizer summarizes their chats", async () => {
    const token = `summarizer-${crypto.randomUUID()}`;
    const summarizer = run("mcp-summarizer", [], { SUMMARIZER_MCP_TOKEN: token, PORT: "0" });
    const summarizerUrl = await eventually(
      "the summarizer listens",
      () => /http:\/\/[\d.]+:\d+\/mcp/.exec(summarizer.output())?.[0],
    );
    const pair = await startWorkerPair({
      ...readWorkerExample("worker-rpc"),
      bundleDirectory: inject("bundleDir"),
      hyperdriveUrl: service.databaseUrl,
      secrets: {
        THREADKEEP_API_KEY: service.apiKey,
        THREADKEEP_ADMIN_KEY: service.adminKey,
        SUMMARIZER_MCP_URL: summarizerUrl,
        SUMMARIZER_MCP_TOKEN: token,
      },
    });
    onTestFinished(() => pair.dispose());
    const chat = crypto.randomUUID();
    const url = new URL(`/chats/${chat}`, await pair.ready);
    const ask = async (user: string, text = "Is Baixa flat?"): Promise<unknown> =>
      (await fetch(url, { method: "POST", body: JSON.stringify({ user, text }) })).json();
    expect(await ask("ada", "I am allergic to nuts. Is Baixa flat?")).toMatchObject({ remembered: 1 });
    expect(await ask("ada")).toMatchObject({ remembered: 3 });
    expect(await ask("bob")).toMatchObject({ remembered: 1 });
    expect(await ask("b/b")).toMatchObject({ remembered: 1 });
    expect(await ask("-")).toMatchObject({ code: "validation_failed" });

    const threadkeep = await pair.getWorker("threadkeep");
    for (const text of ["We decided on Luna for Friday.", "And on Saturday?"]) await ask("ada", text);
    const summarized = await threadkeep.fetch(`http://threadkeep.test/v1/sessions/${chat}/summarize`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${service.apiKey}`,
        "threadkeep-user": "ada",
        "content-type": "application/json",
      },
      body: JSON.stringify({ keepRecentTokens: 0, waitMs: 10_000 }),
    });
    expect(await summarized.json()).toMatchObject({
      job: { state: "done" },
      summary: {
        summarizer: "example/rules",
        degraded: false,
        items: [{ kind: "preference", text: "I am allergic to nuts.", sourceSeqs: [1] }],
      },
    });
  });

  it("cloudflare-agent keeps its chat in a session, and a second Agent remembers over MCP", async () => {
    const model = await scriptModel([
      { does: "answer", text: "Yes, Baixa is flat." },
      { does: "answer", text: "By train." },
    ]);
    const example = readWorkerExample("cloudflare-agent");
    const pair = await startWorkerPair({
      ...example,
      callerBindings: {
        ...example.callerBindings,
        MODEL_BASE_URL: model.baseUrl,
        THREADKEEP_URL: service.url,
        THREADKEEP_API_KEY: service.apiKey,
      },
      bundleDirectory: inject("bundleDir"),
      hyperdriveUrl: service.databaseUrl,
      secrets: { THREADKEEP_API_KEY: service.apiKey, THREADKEEP_ADMIN_KEY: service.adminKey },
    });
    onTestFinished(() => pair.dispose());
    const url = new URL(`/agents/chat-agent/${crypto.randomUUID()}`, await pair.ready);
    const asked = await fetch(url, { method: "POST", body: "Is Baixa flat?" });
    expect(await asked.json()).toEqual({ answer: "Yes, Baixa is flat.", remembered: 1 });

    const socket = new WebSocket(url.href.replace("http", "ws"));
    const frames: string[] = [];
    socket.addEventListener("open", () => socket.send("How do I get there?"));
    socket.addEventListener("message", ({ data }) => frames.push(String(data)));
    const answer = await eventually("the answer comes", () => frames.find((frame) => frame.startsWith('{"answer"')));
    socket.close();
    expect(JSON.parse(answer)).toEqual({ answer: "By train.", remembered: 3 });
    const [, second] = await model.requests();
    expect(promptOf(second ?? expect.fail("the model was not called")).turns).toEqual([
      { role: "user", text: "Is Baixa flat?" },
      { role: "assistant", text: "Yes, Baixa is flat." },
      { role: "user", text: "How do I get there?" },
    ]);
    const refused = await fetch(new URL("/agents/chat-agent/not%20an%20id", url), { method: "POST", body: "Hello?" });
    expect([refused.status, await refused.json()]).toMatchObject([422, { code: "validation_failed" }]);

    // The model of this Agent knows only what the tools of /mcp return.
    const user = `lee-${crypto.randomUUID()}`;
    const say = async (text: string): Promise<unknown> =>
      (await fetch(new URL(`/agents/recall-agent/${user}`, url), { method: "POST", body: text })).json();
    const messages = [{ id: "n1", role: "user", content: "I am Lee, and I walk with a stick." }];
    await model.change([
      { does: "call", tool: "append_messages", input: { sessionId: "notes", messages } },
      { does: "answer", text: "Noted." },
      { does: "call", tool: "get_context", input: { sessionId: "notes" } },
      { does: "answer", text: "Baixa, Lee: it is flat." },
    ]);
    expect(await say("I am Lee, and I walk with a stick.")).toEqual({
      answer: "Noted.",
      called: ["tool_threadkeep_append_messages"],
    });
    expect(await say("Where shall I stroll?")).toEqual({
      answer: "Baixa, Lee: it is flat.",
      called: ["tool_threadkeep_get_context"],
    });
    const told = JSON.stringify((await model.requests()).at(-1)?.body["messages"]);
    expect(told).toContain("<threadkeep_memory>");
    expect(told).toContain("I walk with a stick.");
    expect((await client.withUser(user).session("notes").state()).headSeq).toBe(1);
  });

  it("anthropic remembers from one turn to the next, with Anthropic's SDK", async () => {
    const model = await scriptModel([{ does: "answer", text: "Yes, Baixa is flat." }]);
    const anthropic = new Anthropic({ baseURL: model.baseUrl, apiKey: "k", maxRetries: 0 });
    const session = client.session(crypto.randomUUID());
    expect(await answerWithAnthropic(anthropic, "m", session, "Is Baixa flat?")).toBe("Yes, Baixa is flat.");
    await answerWithAnthropic(anthropic, "m", session, "How do I get there?");
    const [, second] = await model.requests();
    expect(second?.body["messages"]).toMatchObject([
      { role: "user" },
      { role: "assistant", content: [{ type: "text", text: "Yes, Baixa is flat." }] },
      { role: "user", content: [{ type: "text", text: "How do I get there?" }] },
    ]);
    expect((await session.state()).headSeq).toBe(4);
  });
});
