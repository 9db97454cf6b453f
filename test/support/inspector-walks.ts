import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Locator, Page } from "playwright-core";
import { expect, vi } from "vitest";
import type { Context } from "../../src/api/context.ts";
import type { Failure } from "../../src/api/job.ts";
import type { MemorySearchResult } from "../../src/api/memory-search.ts";
import type { SessionState } from "../../src/api/session.ts";
import type { Summary } from "../../src/api/summary.ts";
import type { TenantState } from "../../src/api/tenant.ts";
import { goTo, messageRow, openSession, showPane, SOON } from "./inspector-page.ts";
import type { ProvidedService } from "./provided.ts";
import { promptOf, type ScriptedModel } from "./scripted-model.ts";
import { type Answer, call, eventually } from "./service.ts";
import { makeTemporaryDirectory, removeDirectory } from "./temporary-directory.ts";
import { fileOf, itemLine, messageLine, summaryLine } from "./transfer-file.ts";

/**
 * Walks through the inspector, at any size and in any scheme. Each makes what it looks at over HTTP, under ids that no other walk
 * uses, and leaves the service as it was.
 */

/** What a walk stands on: a page that shows the sessions of this user, signed in as an operator. */
export interface Ground {
  readonly service: Pick<ProvidedService, "url" | "apiKey" | "adminKey">;
  readonly user: string;
  /** The model of the service. */
  readonly model: ScriptedModel;
}

/** How long the model is waited for: it answers at once, on a machine that may be busy. */
const SUMMARY_WAIT_MS = 10_000;

const freshId = (name: string): string => `${name}-${crypto.randomUUID().slice(0, 8)}`;

async function send<Body>({ service, user }: Ground, method: string, address: string, body?: unknown): Promise<Body> {
  const headers = {
    "Threadkeep-User": user,
    ...(typeof body === "string" ? { "content-type": "application/x-ndjson" } : {}),
  };
  const answer: Answer<Body> = await call(service, method, address, { headers, body });
  if (answer.status >= 300) throw new Error(`${method} ${address}: ${answer.text}`);
  return answer.body;
}

/** Said in turn, by the user first. */
function turns(...words: string[]): object[] {
  return words.map((content, index) => ({ role: index % 2 === 0 ? "user" : "assistant", content }));
}

async function append(ground: Ground, session: string, messages: readonly object[]): Promise<void> {
  await send(ground, "POST", `/v1/sessions/${session}/messages`, { messages });
}

async function summarize(ground: Ground, session: string): Promise<Summary> {
  const body = { keepRecentTokens: 0, waitMs: SUMMARY_WAIT_MS };
  const { summary } = await send<{ summary: Summary | null }>(
    ground,
    "POST",
    `/v1/sessions/${session}/summarize`,
    body,
  );
  return summary ?? expect.fail(`${session} was not summarized`);
}

const strip = (page: Page): Locator => page.getByRole("list", { name: "Versions of the summary" });
const known = (page: Page): Locator => page.locator(".part.is-summarized");

const lit = (page: Page, seq: number): Locator => page.locator(`article.is-lit[data-seq="${seq}"]`);

/** The list of sessions is filtered by title; what sessions remember is searched across them; and words are found in one session. */
export async function walkSearches(page: Page, ground: Ground): Promise<void> {
  const [dinner, trip] = [freshId("dinner"), freshId("trip")];
  const lines = [
    ...["I am Ada.", "Hello Ada.", "My brother keeps zebras.", "How many?", "Three.", "Noted."].map((said, index) =>
      messageLine(index + 1, said, { role: index % 2 === 0 ? "user" : "assistant" }),
    ),
    summaryLine(1, 4),
    itemLine("zebras", "My brother keeps zebras", [3]),
  ];
  await send(ground, "POST", "/v1/import", fileOf(lines, { id: dinner, metadata: { title: `About ${dinner}` } }));
  await send(ground, "POST", "/v1/sessions", { id: trip, metadata: { title: `About ${trip}` } });
  // Searched is the archive, which has it a moment later.
  await eventually("the archive has the item", async () => {
    const { data } = await send<MemorySearchResult>(ground, "POST", "/v1/search", { query: "zebras" });
    return data.some(({ sessionId }) => sessionId === dinner) ? true : undefined;
  });

  await goTo(page, "#/sessions");
  const rows = page.locator(".session-row");
  const box = page.getByRole("searchbox", { name: "Search sessions" });
  await rows.getByText(`About ${dinner}`).waitFor();
  await box.fill(`about ${trip.toUpperCase()}`);
  await vi.waitFor(async () => expect(await rows.allTextContents()).toEqual([expect.stringContaining(trip)]), SOON);
  await box.fill("zebras");
  await page.getByText("No title or id has these words.").waitFor();
  await page.getByRole("button", { name: "Search memory" }).click();
  const hits = page.getByRole("region", { name: "What sessions remember" });
  const hit = hits.getByRole("listitem").filter({ hasText: "My brother keeps zebras" });
  await hit.getByRole("link", { name: `About ${dinner} #3` }).click();
  await lit(page, 3).getByText("My brother keeps zebras.").waitFor();

  const inside = page.getByRole("searchbox", { name: "Search in this session" });
  await inside.fill("three");
  await inside.press("Enter");
  const found = page.getByRole("region", { name: "Search results" });
  const best = found.getByRole("button").first();
  await best.getByText("matches three").waitFor();
  await best.click();
  await lit(page, 5).getByText("Three.").waitFor();
  await inside.fill("giraffes");
  await inside.press("Enter");
  await found.getByText("Nothing was found.").waitFor();
  await inside.fill("");
  await found.waitFor({ state: "detached" });
}

/** Files, reasoning, calls of tools and their results are told from words, and open on a click. */
export async function walkToolsAndFiles(page: Page, ground: Ground): Promise<void> {
  const id = freshId("tools");
  const tool = { toolCallId: "call-1", toolName: "get_weather" };
  await append(ground, id, [
    {
      role: "user",
      content: [
        { type: "text", text: "What is the weather, and what does this invoice say?" },
        { type: "file", mediaType: "application/pdf", filename: "invoice.pdf", data: "eA==".repeat(1_024) },
        { type: "file", mediaType: "image/png", data: "https://files.example/photo.png" },
      ],
    },
    {
      role: "assistant",
      content: [
        { type: "reasoning", text: "The weather first." },
        { type: "tool-call", ...tool, input: { city: "Porto", days: 3 } },
      ],
    },
    {
      role: "tool",
      content: [{ type: "tool-result", ...tool, output: { type: "json", value: { celsius: 21, sky: "clear" } } }],
    },
    { role: "assistant", content: "It is 21 degrees." },
  ]);
  await openSession(page, id);
  await showPane(page, "Transcript");
  const asked = messageRow(page, 1);
  await asked.getByText("what does this invoice say?").waitFor();
  await asked.getByText("file “invoice.pdf” application/pdf, 3 KB").waitFor();
  await asked.getByText("image image/png, https://files.example/photo.png").waitFor();
  const opened = async (seq: number, label: string, line: string): Promise<string | null> => {
    const part = messageRow(page, seq).getByRole("group").filter({ hasText: label });
    const head = part.locator("summary");
    expect(await head.textContent()).toBe(`${label} ${line}`);
    expect(await part.locator("pre, .plain-text").count()).toBe(0);
    await head.click();
    return part.locator("pre, .plain-text").textContent();
  };
  expect(await opened(2, "Reasoning", "The weather first.")).toBe("The weather first.");
  const input = await opened(2, "Calls get_weather", '{"city":"Porto","days":3}');
  expect(JSON.parse(input ?? "")).toEqual({ city: "Porto", days: 3 });
  const output = await opened(3, "Result of get_weather", '{"celsius":21,"sky":"clear"}');
  expect(JSON.parse(output ?? "")).toEqual({ celsius: 21, sky: "clear" });
}

/** What is done or superseded is shown on request; what was carried over leads to the message that it comes from. */
export async function walkPastAndCarriedItems(page: Page, ground: Ground): Promise<void> {
  const [first, next] = [freshId("first"), freshId("next")];
  const said = [
    "I live in Porto.",
    "Please book a seat by the window.",
    "I moved to Braga.",
    "Never book night trains.",
  ];
  const lines = [
    ...said.map((words, index) => messageLine(index + 1, words)),
    summaryLine(1, 4),
    itemLine("porto", "I live in Porto", [1], { status: "superseded" }),
    itemLine("seat", "Book a seat by the window", [2], { kind: "task", status: "done" }),
    itemLine("braga", "I moved to Braga", [3]),
    itemLine("nights", "Never book night trains", [4], { kind: "instruction" }),
  ];
  await send(ground, "POST", "/v1/import", fileOf(lines, { id: first }));
  await send(ground, "POST", "/v1/sessions", { id: next, continueFrom: first });
  await openSession(page, first);
  await showPane(page, "What the model gets");
  const items = known(page).locator(".item-text");
  await known(page).getByText("I moved to Braga").waitFor();
  expect(await items.allTextContents()).toEqual(["Never book night trains", "I moved to Braga"]);
  const past = known(page).getByLabel("Show 2 items that are done or superseded");
  await past.check();
  await known(page).getByRole("listitem").filter({ hasText: "I live in Porto" }).getByText("superseded").waitFor();
  await known(page).getByRole("listitem").filter({ hasText: "Book a seat" }).getByText("done").waitFor();
  await past.uncheck();
  await vi.waitFor(async () => expect(await items.count()).toBe(2), SOON);

  await eventually("the items are carried over", async () => {
    const { origin } = await send<SessionState>(ground, "GET", `/v1/sessions/${next}`);
    return origin?.state === "done" ? true : undefined;
  });
  await openSession(page, next);
  await page.getByText("continues").getByRole("link", { name: first }).waitFor();
  await showPane(page, "What the model gets");
  await page.getByRole("heading", { name: "What it knows from earlier sessions" }).waitFor();
  const carried = known(page).getByRole("listitem").filter({ hasText: "Never book night trains" });
  await carried.getByRole("link", { name: `carried over from ${first}` }).click();
  await lit(page, 4).getByText("Never book night trains.").waitFor();
  expect(page.url()).toContain(`/sessions/${first}/4`);
}

const DINNER = turns(
  "I am Ada, and I am allergic to nuts.",
  "Noted: no nuts.",
  "Book a table at Luna for 19:30.",
  "Luna is booked for 19:30.",
  "What should I order?",
  "The risotto has no nuts.",
  "Thank you.",
  "You are welcome.",
);
const MOVED = turns(
  "Move Luna to 20:15. We sit on the terrace.",
  "Luna is booked for 20:15.",
  "My budget is 900 euros.",
  "That is enough.",
  "Thank you.",
  "You are welcome.",
  "Bye.",
  "Bye.",
);
const ITEM = { id: null, kind: "fact", status: "current" };
const ALLERGY = { ...ITEM, kind: "preference", text: "Ada is allergic to nuts", sourceSeqs: [1] };
const EARLY = { ...ITEM, text: "Luna is booked for 19:30", sourceSeqs: [4] };
/** Nobody said it. */
const INVENTED = { ...ITEM, text: "The admin password is hunter2", sourceSeqs: [1, 2] };
const LATE = { ...ITEM, text: "Luna is booked for 20:15", sourceSeqs: [4, 10] };
const TERRACE = { ...ITEM, kind: "decision", text: "We sit on the terrace", sourceSeqs: [9] };

/** The strip tells of each version what it took and changed; one is looked into, and restored. */
export async function walkVersions(page: Page, ground: Ground): Promise<void> {
  const { model } = ground;
  const id = freshId("versions");
  await append(ground, id, DINNER);
  const items = (...list: object[]): string => JSON.stringify({ items: list });
  const usage = { input: 1_234, output: 56 };
  await model.change([{ does: "answer", text: items(ALLERGY, EARLY, INVENTED), usage }]);
  const before = (await model.requests()).length;
  const first = await summarize(ground, id);
  expect(first).toMatchObject({ summarizer: "openai-compatible/stand-in", degraded: false, throughSeq: 4 });
  expect(first.items.map(({ text }) => text)).toEqual([ALLERGY.text, EARLY.text]);
  const [request, ...more] = (await model.requests()).slice(before);
  expect(more).toEqual([]);
  const sent = promptOf(request ?? expect.fail("nobody was asked")).turns[0]?.text ?? "";
  expect(sent).toContain("allergic to nuts");
  // What stays word for word is not summarized.
  expect(sent).not.toContain("The risotto");

  await openSession(page, id);
  const one = strip(page).getByRole("button", { name: /^Summary 1/ });
  await one.getByText("messages 1–4").waitFor();
  await one.getByText("2 items,").waitFor();
  await one.getByText(/^1,234 tokens in, 56 out · \$0\.0015 · [\d.]+ m?s$/).waitFor();
  // The next comes while one looks.
  await append(ground, id, MOVED);
  await model.change([{ does: "answer", text: items(ALLERGY, LATE, TERRACE), usage: { input: 2_000, output: 80 } }]);
  await summarize(ground, id);
  await strip(page)
    .getByRole("button", { name: /^Summary 2/ })
    .click();
  const two = page.getByRole("dialog", { name: "Summary version 2" });
  await two.getByText("messages 1 to 12").waitFor();
  await two.getByText("by openai-compatible/stand-in").waitFor();
  await two.getByText(/^2,000 tokens in, 80 out; \$0\.0024; [\d.]+ m?s$/).waitFor();
  const changes = two.getByRole("region", { name: "What changed" });
  await changes.getByText("1 item added, 1 reworded, 0 dropped, 1 kept.").waitFor();
  const reworded = changes.getByRole("listitem").filter({ hasText: LATE.text });
  expect(await reworded.locator("del").textContent()).toBe(EARLY.text);
  await changes.getByRole("listitem").filter({ hasText: TERRACE.text }).getByLabel("added").waitFor();
  const losses = two.getByRole("region", { name: "What was lost" });
  expect(await losses.getByRole("listitem").filter({ hasText: "#11" }).textContent()).toContain("900");
  await page.keyboard.press("Escape");

  await one.click();
  const dialog = page.getByRole("dialog", { name: "Summary version 1" });
  await dialog.getByText("1 item left out for want of room or support").waitFor();
  await dialog.getByRole("button", { name: "Restore …" }).click();
  await dialog.getByText("Version 2 is deleted for good").waitFor();
  await dialog.getByRole("button", { name: "Restore version 1" }).click();
  await dialog.waitFor({ state: "detached" });
  // It is the newest under a number of its own.
  await strip(page)
    .getByRole("button", { name: /^Summary 3/ })
    .waitFor();
  await strip(page)
    .getByRole("button", { name: /^Summary 2/ })
    .waitFor({ state: "detached" });
  await showPane(page, "What the model gets");
  await known(page).getByText(EARLY.text).waitFor();
  expect(await known(page).getByText(LATE.text).count()).toBe(0);
}

async function failuresOf({ service }: Ground, session: string): Promise<Failure[]> {
  const { body } = await call<{ data: Failure[] }>(service, "GET", "/v1/admin/jobs?limit=100", {
    key: service.adminKey,
  });
  return body.data.filter((failure) => failure.session === session);
}

const failedJobs = (page: Page): Locator => page.getByRole("region", { name: "Failed jobs" }).getByRole("listitem");

/** A summary that fails is told while one looks, and among the operators' jobs; once the model is well, one click replaces it. */
export async function walkFailingSummary(page: Page, ground: Ground): Promise<void> {
  const { model } = ground;
  const id = freshId("failing");
  await append(ground, id, DINNER);
  await openSession(page, id);
  await page.getByText("Live", { exact: true }).waitFor();
  await model.change([{ does: "refuse", status: 401 }]);
  await summarize(ground, id);
  await page.getByRole("status").getByText("The model failed: summary version 1 was made without it").waitFor();
  await strip(page).getByText("until the model is back").waitFor({ state: "attached" });
  await showPane(page, "What the model gets");
  await known(page).getByText("The model failed, so this summary was made without it").waitFor();

  await eventually("operators have it on their list", async () => (await failuresOf(ground, id))[0]);
  await goTo(page, "#/operations");
  const job = failedJobs(page).filter({ hasText: id }).filter({ hasText: "summarize" });
  await job.getByText("summarizer refused").waitFor();
  // Without it the fallback would stay for good.
  await job.getByRole("button", { name: "Drop" }).click();
  const dialog = page.getByRole("dialog", { name: "Drop this summarize job?" });
  await dialog.getByLabel("Why").fill("too many of them");
  await dialog.getByRole("button", { name: "Drop it" }).click();
  await dialog.getByRole("alert").getByText("Fix the summarizer and retry the job").waitFor();
  await page.keyboard.press("Escape");
  await model.change([{ does: "answer", text: JSON.stringify({ items: [ALLERGY] }) }]);
  await job.getByRole("button", { name: "Retry" }).click();
  await job.waitFor({ state: "detached" });
  await openSession(page, id);
  await showPane(page, "What the model gets");
  await known(page).getByText(ALLERGY.text).waitFor();
  await known(page).getByText("by openai-compatible/stand-in").waitFor();
  expect(await known(page).getByText("The model failed").count()).toBe(0);
}

/** What may be given up is dropped, with a reason that the audit keeps; and a tenant's summaries are paused and resumed. */
export async function walkDroppingAndPausing(page: Page, ground: Ground): Promise<void> {
  const { service, model } = ground;
  const id = freshId("vectors");
  await append(ground, id, DINNER);
  await model.change([{ does: "answer", text: JSON.stringify({ items: [ALLERGY] }) }]);
  await summarize(ground, id);
  // The service's embeddings make no vectors. Operators are told after the third attempt, some seconds later.
  const failure = await eventually("the vectors fail", async () =>
    (await failuresOf(ground, id)).find(({ kind }) => kind === "embed"),
  );
  await goTo(page, "#/operations");
  const job = failedJobs(page).filter({ hasText: id });
  await job.getByText("retrying").waitFor();
  await job.getByRole("button", { name: "Drop" }).click();
  const dialog = page.getByRole("dialog", { name: "Drop this embed job?" });
  const reason = `found by words, ${id}`;
  await dialog.getByLabel("Why").fill(reason);
  await dialog.getByRole("button", { name: "Drop it" }).click();
  await dialog.waitFor({ state: "detached" });
  await job.waitFor({ state: "detached" });
  expect(await failuresOf(ground, id)).toEqual([]);
  await eventually("the audit has the reason", async () => {
    const audit = await call(service, "GET", "/v1/admin/audit?limit=100", { key: service.adminKey });
    return audit.text.includes(reason) && audit.text.includes(failure.jobId) ? true : undefined;
  });

  const tenant = async (): Promise<string> => {
    const { body } = await call<TenantState>(service, "GET", "/v1/admin/tenants/local", { key: service.adminKey });
    return body.summarization;
  };
  const row = page.getByRole("region", { name: "Tenants" }).getByRole("row").filter({ hasText: "local" });
  await row.getByRole("button", { name: "Pause" }).click();
  await row.getByText("paused").waitFor();
  expect(await tenant()).toBe("paused");
  await row.getByRole("button", { name: "Resume" }).click();
  await row.getByRole("button", { name: "Pause" }).waitFor();
  expect(await tenant()).toBe("on");
}

/** A run of a bulk operation is followed to its end, and what the model took is told with its cost. */
export async function walkRunsAndSpending(page: Page, ground: Ground): Promise<void> {
  const { service, model, user } = ground;
  const id = freshId("verified");
  await append(ground, id, DINNER);
  await model.change([{ does: "answer", text: JSON.stringify({ items: [ALLERGY] }) }]);
  await summarize(ground, id);
  await goTo(page, "#/sessions");
  await page.locator("main.sessions").waitFor();
  await goTo(page, "#/operations");
  const runs = page.getByRole("region", { name: "Runs of bulk operations" });
  await runs.waitFor();
  const body = { op: "verify", tenant: "local", user, session: id };
  const run = await call(service, "POST", "/v1/admin/operations", { key: service.adminKey, body });
  expect(run.status).toBe(202);
  const told = runs.getByRole("listitem").filter({ hasText: "verify" }).first();
  await told.getByText("1 of 1 looked at, 0 failed").waitFor();
  await told.getByText("complete", { exact: true }).waitFor();
  const spending = page.getByRole("region", { name: "Spending of local by day" });
  await spending.getByRole("img", { name: /^Cost by day, today: Cost 0\.\d*[1-9]\d* US dollars$/ }).waitFor();
}

/** A file that is dropped anywhere becomes a session: the browser neither shows it nor leaves the page. */
export async function walkDroppedFile(page: Page, ground: Ground): Promise<void> {
  const id = freshId("dropped");
  const title = `Kept from ${id}`;
  await send(ground, "POST", "/v1/sessions", { id, metadata: { title } });
  await append(ground, id, DINNER);
  const { user, service } = ground;
  const exported = await call(service, "GET", `/v1/sessions/${id}/export`, { headers: { "Threadkeep-User": user } });
  const directory = makeTemporaryDirectory();
  const devtools = await page.context().newCDPSession(page);
  try {
    const file = path.join(directory, "chat.jsonl");
    writeFileSync(file, exported.text);
    await openSession(page, id);
    // As the desktop hands a file to the browser: no script of the page takes part.
    const data = { items: [], files: [file], dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"] as const) {
      await devtools.send("Input.dispatchDragEvent", { type, x: 200, y: 400, data });
    }
    const dialog = page.getByRole("dialog", { name: "Paste or drop a chat" });
    await dialog.getByText("An export of Threadkeep: it becomes a session as it was.").waitFor();
    await dialog.getByRole("button", { name: "Make a session of it" }).click();
  } finally {
    await devtools.detach();
    removeDirectory(directory);
  }
  await page.getByRole("heading", { name: title }).waitFor();
  expect(page.url()).toContain("#/sessions/pasted-");
  await showPane(page, "Transcript");
  await messageRow(page, 8).getByText("You are welcome.").waitFor();
}

/** Turns are answered by the model, word by word, and both are appended; an answer is asked for again; what fails or is stopped is not appended. */
export async function walkChat(page: Page, ground: Ground): Promise<void> {
  const { model } = ground;
  const id = freshId("chat");
  await append(ground, id, DINNER.slice(0, 1));
  await openSession(page, id);
  await showPane(page, "Transcript");
  const answered = (seq: number, words: string): Promise<void> => messageRow(page, seq).getByText(words).waitFor();
  const ask = async (words: string | null): Promise<void> => {
    if (words !== null) await page.getByLabel("What is said").fill(words);
    await page.getByRole("button", { name: "Ask the model" }).click();
  };
  await model.change([{ does: "answer", text: "Take the risotto." }]);
  await ask("What should I order?");
  await answered(3, "Take the risotto.");
  await answered(2, "What should I order?");
  // A summary of another walk's session may have been asked for since.
  const asked = (await model.requests()).map((seen) =>
    promptOf(seen)
      .turns.map(({ text }) => text)
      .join(" "),
  );
  const ofTurn = asked.findLast((said) => said.includes("What should I order?")) ?? expect.fail("nobody was asked");
  expect(ofTurn).toContain("allergic to nuts");

  const askAgain = async (seq: number): Promise<void> => {
    await messageRow(page, seq).getByLabel(`Do something with message ${seq}`).click();
    await messageRow(page, seq).getByRole("button", { name: "Answer anew" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Ask the model again" }).click();
  };
  await model.change([{ does: "answer", text: "Take the soup." }]);
  await askAgain(3);
  await answered(4, "Take the soup.");
  await answered(4, "2 of 2");
  await messageRow(page, 3).waitFor({ state: "detached" });
  // A failure is shown, nothing is appended, the answer before is back, and the turn can be sent again.
  await model.change([{ does: "refuse", status: 500 }]);
  await askAgain(4);
  const failed = page.getByRole("alert").filter({ hasText: "The model did not answer: HTTP 500" });
  await failed.getByRole("button", { name: "Close" }).click();
  await answered(4, "Take the soup.");
  await ask("And to drink?");
  await answered(5, "And to drink?");
  await failed.waitFor();
  await model.change([{ does: "answer", text: "Water." }]);
  await ask(null);
  await answered(6, "Water.");
  // After Stop nobody waits any longer, and a partial answer is not appended.
  await model.change([{ does: "stall", text: "Let me think" }]);
  await ask("And then?");
  const answering = page.getByRole("group", { name: "The model's answer" });
  await answering.getByText("Let me think").waitFor();
  await answering.getByRole("button", { name: "Stop" }).click();
  await page.getByText("Stopped: nothing of the answer was appended.").waitFor();
  await answering.waitFor({ state: "detached" });
  await model.change([{ does: "answer", text: "A grappa." }]);
  await ask(null);
  await answered(8, "A grappa.");
  const { messages } = await send<Context>(ground, "GET", `/v1/sessions/${id}/context`);
  expect(messages.map(({ content }) => content)).toEqual([
    "I am Ada, and I am allergic to nuts.",
    "What should I order?",
    "Take the soup.",
    "And to drink?",
    "Water.",
    "And then?",
    "A grappa.",
  ]);
  expect(await page.getByRole("alert").isVisible()).toBe(false);
}
