import { readFileSync } from "node:fs";
import type { Route, WebSocketRoute } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Context } from "../../src/api/context.ts";
import type { OperationRun } from "../../src/api/operation-run.ts";
import type { Page as ListPage } from "../../src/api/page.ts";
import { openBrowser } from "../support/browser.ts";
import {
  failOn,
  goTo,
  type InspectorPage,
  messageRow as message,
  openInspector,
  openPage,
  openSession,
  SCREENS,
  screensToWalk,
  showPane,
  showUser,
  SOON,
} from "../support/inspector-page.ts";
import { ALERTS, FAILED, FAILED_RUN, RUNNING, SPENDING } from "../support/operations-samples.ts";
import { call, sharedService } from "../support/service.ts";
import { fileOf, messageLine } from "../support/transfer-file.ts";

const service = sharedService();
const opened = await openBrowser();
const browser = (): NonNullable<typeof opened> => opened ?? expect.fail("there is no browser");

afterAll(() => opened?.close());

/** Others write to the shared service at the same time: everything here is a user's own. */
const user = `inspector-${crypto.randomUUID()}`;
const asUser = { headers: { "Threadkeep-User": user } };

async function append(session: string, messages: readonly object[]): Promise<void> {
  const { status, text } = await call(service, "POST", `/v1/sessions/${session}/messages`, {
    ...asUser,
    body: { messages },
  });
  if (status !== 201) throw new Error(text);
}

const LONG_MESSAGES = 10_000;
let longImport: Promise<string> | undefined;

/** One for all screens: a session of ten thousand messages, none of which is summarized while it is looked at. */
function longSession(): Promise<string> {
  const importIt = async (): Promise<string> => {
    const id = `long-${crypto.randomUUID()}`;
    const lines = Array.from({ length: LONG_MESSAGES }, (_, index) =>
      messageLine(index + 1, `Turn number ${index + 1}`),
    );
    const body = fileOf(lines, { id, settings: { summarizeAfterTokens: 1_000_000 } });
    const headers = { ...asUser.headers, "content-type": "application/x-ndjson" };
    const { status, text } = await call(service, "POST", "/v1/import", { headers, body });
    if (status !== 201) throw new Error(text);
    return id;
  };
  longImport ??= importIt();
  return longImport;
}

/** Three pages of them. The nightly run makes thousands: `npm run measure-inspector -- --sessions 3000`. */
const MANY_SESSIONS = 250;
/** Requests at a time. */
const WIDTH = 16;
let manyMade: Promise<string> | undefined;

/** One for all screens: a user with more sessions than are read at once, all but the first with a title. */
function userOfMany(): Promise<string> {
  const make = async (): Promise<string> => {
    const owner = `many-${crypto.randomUUID()}`;
    const body = { messages: [{ role: "user", content: "Said without a title." }] };
    const headers = { "Threadkeep-User": owner };
    const { status, text } = await call(service, "POST", "/v1/sessions/untitled/messages", { headers, body });
    if (status !== 201) throw new Error(text);
    const numbers = Array.from({ length: MANY_SESSIONS - 1 }, (_, index) => index + 1).values();
    await Promise.all(
      Array.from({ length: WIDTH }, async () => {
        for (const number of numbers) await makeTitled(owner, number);
      }),
    );
    return owner;
  };
  manyMade ??= make();
  return manyMade;
}

async function makeTitled(owner: string, number: number): Promise<void> {
  const headers = { "Threadkeep-User": owner };
  const body = { id: `titled-${number}`, metadata: { title: `Chat ${number}` } };
  const { status, text } = await call(service, "POST", "/v1/sessions", { headers, body });
  if (status !== 201) throw new Error(text);
}

describe.skipIf(opened === null)("signing in to the inspector (skipped where there is no Chrome)", () => {
  let tab: InspectorPage;
  beforeAll(async () => {
    tab = await openPage(browser());
  });
  afterAll(() => tab.close());

  it("takes a key, keeps it out of addresses and storage, and forgets it with the page", async () => {
    const { page, requests } = tab;
    await page.goto(service.url);
    const key = page.getByLabel("API key, admin key");
    await key.fill("not-a-key-of-anybody-surely");
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("alert").getByText("This API key is not known").waitFor();
    await key.fill(service.apiKey);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("heading", { name: "Sessions", exact: true }).waitFor();
    // A tenant's key is no operator's.
    expect(await page.getByRole("link", { name: "Operations" }).count()).toBe(0);
    const kept = await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, history.state])");
    expect(kept).not.toContain(service.apiKey);
    expect(requests.map((request) => request.url()).join(" ")).not.toContain(service.apiKey);
    await page.reload();
    await page.getByRole("heading", { name: "See what a chat remembers" }).waitFor();
  });

  it("says what to do when a link was used before", async () => {
    const { page } = tab;
    const { body } = await call<{ path: string }>(service, "POST", "/inspector/links", { key: service.adminKey });
    for (const heading of ["Sessions", "See what a chat remembers"]) {
      await page.goto("about:blank");
      await page.goto(`${service.url}${body.path}`);
      await page.getByRole("heading", { name: heading, exact: true }).waitFor();
      expect(page.url()).toBe(`${service.url}/#/`);
    }
    expect(await page.getByRole("alert").textContent()).toContain("npm run inspect");
  });
});

describe.skipIf(opened === null)("a session in the inspector, live", () => {
  it("shows what happens as it happens, resumes after its connection dropped, and says so", async () => {
    const tab = await openInspector(browser(), service);
    const { page } = tab;
    const sockets: WebSocketRoute[] = [];
    const mayBegin = Promise.withResolvers<void>();
    await page.routeWebSocket(/\/live\?/, async (socket) => {
      await mayBegin.promise;
      socket.connectToServer();
      sockets.push(socket);
    });
    const id = `live-${crypto.randomUUID()}`;
    await append(id, [{ role: "user", content: "First words." }]);
    await showUser(page, user);
    await openSession(page, id);
    await message(page, 1).getByText("First words.").waitFor();
    await page.getByText("For the next answer the model gets").waitFor();
    // No event tells of what came between reading the session and following it.
    await append(id, [{ role: "assistant", content: "Said before the feed began." }]);
    mayBegin.resolve();
    await message(page, 2).getByText("Said before the feed began.").waitFor();
    await page.getByText("Live", { exact: true }).waitFor();
    // A menu that is open stays open while the page draws what happens, and closes once somebody presses elsewhere.
    const pin = message(page, 2).getByRole("button", { name: "Pin", exact: true });
    await message(page, 2).getByLabel("Do something with message 2").click();
    await append(id, [{ role: "user", content: "Said while you look." }]);
    await message(page, 3).getByText("Said while you look.").waitFor();
    expect(await pin.isVisible()).toBe(true);
    await message(page, 1).getByText("First words.").click();
    await pin.waitFor({ state: "hidden" });
    await page.getByText("Message 3 was appended.").waitFor();
    await sockets[0]?.close({ code: 1012, reason: "a deploy" });
    await page.getByText("Connection lost, trying again").waitFor();
    await append(id, [{ role: "user", content: "Said in between." }]);
    await page.getByText("Live again, nothing missed").waitFor();
    await message(page, 4).getByText("Said in between.").waitFor();
    expect(sockets.length).toBe(2);
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  it("waits where it is asked to, comes back to a service that was away, and to where one was signed out", async () => {
    const tab = await openInspector(browser(), service);
    const { page } = tab;
    const id = `away-${crypto.randomUUID()}`;
    await append(id, [{ role: "user", content: "Still here." }]);
    await showUser(page, user);
    // Refused once, with a second to wait.
    const problem = (code: string, detail: string) => ({ type: "about:blank", title: code, code, detail });
    await page.route(
      `**/v1/sessions/${id}`,
      (route) =>
        route.fulfill({
          status: 429,
          headers: { "Retry-After": "1" },
          json: problem("rate_limited", "There are too many requests."),
        }),
      { times: 1 },
    );
    await goTo(page, `#/sessions/${id}`);
    await page.getByText("Too many requests at once").waitFor();
    await message(page, 1).getByText("Still here.").waitFor();
    await page.getByText("Too many requests at once").waitFor({ state: "hidden" });
    // Away while a session is opened: all of it is read once the service is back.
    await goTo(page, "#/sessions");
    await page.locator("main.sessions").waitFor();
    await page.route(`**/v1/sessions/${id}/**`, (route) => route.abort());
    await page.route(`**/v1/sessions/${id}`, (route) => route.abort());
    await goTo(page, `#/sessions/${id}`);
    await page.getByRole("alert").getByText("The service does not answer").waitFor();
    await page.unrouteAll();
    await message(page, 1).getByText("Still here.").waitFor();
    await page.getByText("For the next answer the model gets").waitFor();
    await page.getByRole("alert").getByText("The service does not answer").waitFor({ state: "hidden" });
    // A network that is gone is told by the browser, long before the connection notices.
    await page.context().setOffline(true);
    await page.getByText("Connection lost, trying again").waitFor();
    await append(id, [{ role: "assistant", content: "Said while you were offline." }]);
    await page.context().setOffline(false);
    await page.getByText("Live again, nothing missed").waitFor();
    await message(page, 2).getByText("Said while you were offline.").waitFor();
    // What the model gets was read again by now. Otherwise that reading, and not the question, would be signed out.
    await page.locator("section.context").getByText("Said while you were offline.").waitFor({ state: "attached" });
    // Signed out by the service: it says so, and whoever signs in again is back where they were.
    await page.route(`**/v1/sessions/${id}/context`, (route) =>
      route.fulfill({ status: 401, json: problem("unauthenticated", "You were signed out: the end.") }),
    );
    await page.getByLabel("What would it remember for").fill("who is here?");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("You were signed out: the end.").waitFor();
    await page.unrouteAll();
    await page.getByLabel("API key, admin key").fill(service.adminKey);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await message(page, 1).getByText("Still here.").waitFor();
    expect(await page.getByRole("alert").isVisible()).toBe(false);
    expect(tab.faults).toEqual([]);
    await tab.close();
  });

  it("erases a user everywhere, once their id was typed, and tells how far it is", async () => {
    const tab = await openInspector(browser(), service);
    const { page } = tab;
    const leaving = `leaving-${crypto.randomUUID()}`;
    const body = { messages: [{ role: "user", content: "Forget me." }] };
    await call(service, "POST", "/v1/sessions/s/messages", { headers: { "Threadkeep-User": leaving }, body });
    await vi.waitFor(async () => {
      const listed = await call<{ data: { userId: string }[] }>(
        service,
        "GET",
        `/v1/admin/tenants/local/users?prefix=${leaving}`,
        { key: service.adminKey },
      );
      expect(listed.body.data).toEqual([{ userId: leaving }]);
    }, SOON);
    // Chosen from those who have sessions, by how the id begins.
    await page.locator(".who > summary").click();
    await page.getByLabel("Show the sessions of this user").fill(leaving.slice(0, 20));
    await page.getByRole("list", { name: "Users" }).getByRole("button", { name: leaving }).click();
    await page.getByRole("heading", { name: `Sessions of ${leaving}` }).waitFor();
    await goTo(page, "#/user");
    await page.getByRole("button", { name: "Erase", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("1 message", { exact: true }).waitFor();
    await dialog.getByLabel("Type the user's id").fill(leaving);
    await dialog.getByRole("button", { name: "Erase for good" }).click();
    await page.getByText(/^Eras(ing since|ed: a look)/).waitFor();
    const state = async (): Promise<string> =>
      (await call<{ state: string }>(service, "GET", `/v1/users/${leaving}/erasure`)).body.state;
    expect(["erasing", "erased"]).toContain(await state());
    await tab.close();
  });
});

describe.skipIf(opened === null).each(screensToWalk())("the inspector at $name", (screen) => {
  let tab: InspectorPage;
  let sample = "";

  beforeAll(async () => {
    tab = await openInspector(browser(), service, screen);
    const { page } = tab;
    await showUser(page, user);
    await page.getByRole("button", { name: "Open a sample chat" }).click();
    await page.getByText("What it knows of messages 1 to").waitFor({ state: "attached" });
    sample = /sample-\w+/.exec(page.url())?.[0] ?? expect.fail("no sample was opened");
  });
  afterEach(async () => {
    await tab.page.unrouteAll();
    failOn(tab.faults.splice(0));
  });
  afterAll(() => tab.close());

  it("says of a session what the model gets instead of the whole chat, where each message is, and why", async () => {
    const { page } = tab;
    await openSession(page, sample);
    await showPane(page, "What the model gets");
    const { body: context } = await call<Context>(service, "GET", `/v1/sessions/${sample}/context`, asUser);
    const through = context.summary?.throughSeq ?? 0;
    const sentence = `For the next answer the model gets ${context.tokens.used.toLocaleString("en")} tokens instead of`;
    await page.getByText(sentence).waitFor();
    await page.getByText(`what the summary knows of messages 1 to ${through}`).waitFor();
    expect(await page.locator(".bar").getAttribute("aria-label")).toContain(
      `summary ${context.tokens.summary.toLocaleString("en")}`,
    );
    await showPane(page, "Transcript");
    const legend = page.getByRole("list", { name: "What the model gets of the messages" });
    expect(await legend.getByRole("button").allTextContents()).toEqual([
      expect.stringMatching(/^\d+ recent$/),
      "1 always kept",
      expect.stringMatching(/^\d+ in the summary$/),
    ]);
    await legend.getByRole("button", { name: "in the summary" }).click();
    expect(await message(page, 1).getByText("in the summary").count()).toBe(1);
    expect(await message(page, 3).getByText("always kept").count()).toBe(1);
  });

  it("lights up the messages that an item cites, and the items that rest on a message", async () => {
    const { page } = tab;
    await openSession(page, sample);
    await showPane(page, "What the model gets");
    await page.getByRole("button", { name: /My name is Marta/ }).click();
    await showPane(page, "Transcript");
    await page.locator('article.is-lit[data-seq="1"]').waitFor();
    await message(page, 1)
      .getByRole("button", { name: /of the summary rest/ })
      .click();
    await showPane(page, "What the model gets");
    expect(await page.locator(".item.is-lit").allTextContents()).toEqual(
      expect.arrayContaining([expect.stringContaining("My name is Marta")]),
    );
  });

  it("brings back what matters for a question, with the reason, and fits another budget", async () => {
    const { page } = tab;
    await openSession(page, sample);
    await showPane(page, "What the model gets");
    await page.getByLabel("What would it remember for").fill("Which hotel has the walnut cake?");
    await page.keyboard.press("Enter");
    await page.locator(".part.is-retrieved").getByText("because: matches").first().waitFor();
    const slider = page.getByRole("slider", { name: "Budget" });
    await slider.fill("60");
    await vi.waitFor(
      async () => expect(await page.locator(".bar").getAttribute("aria-label")).toMatch(/^Of 1,\d+ tokens/),
      SOON,
    );
    await page.getByRole("button", { name: "The session's own" }).click();
    await vi.waitFor(
      async () => expect(await page.locator(".bar").getAttribute("aria-label")).toMatch(/^Of 2,000 tokens/),
      SOON,
    );
  });

  it("shows the prompt to the letter in each format", async () => {
    const { page } = tab;
    await openSession(page, sample);
    await showPane(page, "What the model gets");
    for (const format of ["openai-chat", "anthropic", "text"]) {
      await page.getByLabel("Shown as").selectOption(format);
      const { body } = await call<Record<string, unknown>>(
        service,
        "GET",
        `/v1/sessions/${sample}/context?format=${format}`,
        asUser,
      );
      const { meta: _meta, ...prompt } = body;
      const expected = format === "text" ? String(body["text"]) : JSON.stringify(prompt, null, 2);
      await vi.waitFor(async () => expect(await page.getByLabel("The prompt").textContent()).toBe(expected), SOON);
    }
    await page.getByLabel("Shown as").selectOption("threadkeep");
  });

  it("lists sessions by title or by the first words said in them, with what they remember", async () => {
    const { page } = tab;
    const id = `words-${crypto.randomUUID()}`;
    await append(id, [{ role: "user", content: "Which boat goes to Bled?" }]);
    await goTo(page, "#/sessions");
    const row = page.getByRole("link", { name: "Which boat goes to Bled?" }).filter({ hasText: id });
    await row.waitFor();
    await page.getByText("Threadkeep is the memory of your chats").waitFor();
    expect(await row.textContent()).toContain("1 message");
    await page
      .getByRole("link", { name: "two weeks by train" })
      .filter({ hasText: sample })
      .getByText(/items remembered/)
      .waitFor();
    await page.getByRole("searchbox").fill(id);
    await vi.waitFor(async () => expect(await page.locator(".session-row").count()).toBe(1), SOON);
    await row.click();
    await page.getByRole("heading", { name: "Which boat goes to Bled?" }).waitFor();
  });

  it("shows hostile text as text, and asks nobody for anything", async () => {
    const { page, requests } = tab;
    const id = `hostile-${crypto.randomUUID()}`;
    const evil = "http://evil.example";
    await append(id, [
      {
        role: "user",
        content: `<script>fetch("${evil}/script")</script><img src="${evil}/tag.png" onerror="alert(1)">`,
      },
      { role: "assistant", content: `![cat](${evil}/image.png) <svg onload=alert(1)> [press](javascript:alert(1))` },
      {
        role: "user",
        content: `[data](data:text/html,x) [safe](https://ok.example/a) <${evil}/auto> \u202Edesrever\u202C zero\u200Bwidth`,
      },
      { role: "assistant", content: "w".repeat(200_000) },
      { role: "user", content: [{ type: "file", mediaType: "image/png", data: `${evil}/file.png` }] },
      { role: "assistant", content: "# Title\n\n- **bold** and `code`\n\n| a | b |\n| - | - |\n| 1 | 2 |" },
    ]);
    requests.length = 0;
    await openSession(page, id);
    await showPane(page, "Transcript");
    await message(page, 6).locator("table").waitFor();
    await page.getByRole("region", { name: "Messages" }).evaluate((list) => list.scrollTo(0, 0));
    await message(page, 1).waitFor();
    expect(await message(page, 1).textContent()).toContain(`<script>fetch("${evil}/script")</script>`);
    const links = await page
      .locator("article a")
      .evaluateAll((found) => found.map((link) => link.getAttribute("href")));
    expect(links).toContain("https://ok.example/a");
    for (const link of links) expect(link).toMatch(/^https?:/);
    expect(await page.locator("article :is(script, img, svg, iframe, video)").count()).toBe(0);
    expect(await message(page, 3).locator(".hidden-characters").allTextContents()).toEqual([
      "U+202E",
      "U+202C",
      "U+200B",
    ]);
    expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    const elsewhere = requests.map((request) => request.url()).filter((url) => !url.startsWith(service.url));
    expect(elsewhere).toEqual([]);
  });

  it("goes back in time: the context as of any message, and what each version of the summary changed and lost", async () => {
    const { page } = tab;
    // Nothing of the beginning is read before it is travelled to: what is read then is higher than was thought, and stays in view.
    const mayRead = Promise.withResolvers<void>();
    await page.route(/\/messages\?afterSeq=0/, async (route) => {
      await mayRead.promise;
      await route.continue();
    });
    await openSession(page, sample);
    await showPane(page, "Transcript");
    const time = page.getByRole("region", { name: "Time travel" });
    await time.getByRole("slider").fill("40");
    await message(page, 41).getByText("Message 41 …").waitFor();
    mayRead.resolve();
    await message(page, 41).getByText("not said yet").waitFor();
    await showPane(page, "What the model gets");
    const { body } = await call<Context>(service, "GET", `/v1/sessions/${sample}/context?atSeq=40`, asUser);
    const tokens = body.tokens.used.toLocaleString("en");
    await page.getByText(`For the next answer the model gets ${tokens} token`).waitFor();
    await time.getByRole("button", { name: "Back to now" }).click();
    // By words alone: nothing was paid, and nobody says 0 tokens of what no model read.
    const second = time.getByRole("button", { name: /^Summary 2/ });
    await second.getByText(/^no model asked · free · [\d.]+ m?s$/).waitFor();
    await second.getByText(/^\d+ items, \d+ tokens$/).waitFor();
    await second.click();
    const version = page.getByRole("dialog", { name: "Summary version 2" });
    await version.getByRole("heading", { name: "What changed since version 1" }).waitFor();
    expect(await version.getByLabel("added", { exact: true }).count()).toBeGreaterThan(0);
    await version.getByRole("heading", { name: "What it does not say" }).waitFor();
    const through = /messages 1 to (\d+)/.exec((await version.textContent()) ?? "")?.[1];
    await version.getByRole("button", { name: "See the session as of message" }).click();
    await time.getByText(`${through} of 222`).waitFor();
    await time.getByRole("button", { name: "Back to now" }).click();
  });

  it("tries it out: turns are appended, pinned, edited, answered anew on a branch, summarized and erased", async () => {
    const { page } = tab;
    const id = `tried-${crypto.randomUUID()}`;
    await append(id, [{ role: "user", content: "I am Ada and I live in Porto." }]);
    await openSession(page, id);
    await showPane(page, "Transcript");
    const said = page.getByLabel("What is said");
    const act = async (seq: number, name: string): Promise<void> => {
      await message(page, seq).getByLabel(`Do something with message ${seq}`).click();
      await message(page, seq).getByRole("button", { name, exact: true }).click();
    };
    for (const [role, words] of [
      ["assistant", "Hello Ada, how is Porto?"],
      ["user", "Rainy. My budget is 900 euros."],
      ["assistant", "Noted: 900 euros."],
      ["user", "Where should I eat?"],
      ["assistant", "Try the tavern by the river."],
    ] as const) {
      await page.getByLabel("Who says it").selectOption(role);
      await said.fill(words);
      await said.press("Control+Enter");
      await page.locator("article").getByText(words).waitFor();
      // Its answer may come after the word of the live feed.
      await page.locator("button:enabled", { hasText: "Append" }).waitFor();
    }
    await act(3, "Pin");
    await message(page, 3).getByText("always kept").waitFor();
    await act(1, "Edit");
    await page.getByRole("dialog").getByLabel("Words").fill("I am Ada and I live in Braga.");
    await page.getByRole("button", { name: "Save" }).click();
    await message(page, 1).getByText("Braga").waitFor();
    await act(6, "Answer anew");
    await page.getByRole("dialog").getByLabel("Words").fill("Try the bakery on the hill.");
    await page.getByRole("button", { name: "Go on from here" }).click();
    await message(page, 7).getByText("2 of 2").waitFor();
    // The menu is in reach also beside all that this header shows.
    await act(7, "Pin");
    await message(page, 7).getByText("always kept").waitFor();
    await vi.waitFor(async () => expect(await message(page, 6).count()).toBe(0), SOON);
    await message(page, 7).getByRole("button", { name: "The wording before" }).click();
    await message(page, 6).getByText("1 of 2").waitFor();
    await page.getByRole("button", { name: "Summarize now" }).click();
    await message(page, 1).getByText("of the summary rest").waitFor();
    await said.fill("Thank you, I will try both.");
    await said.press("Control+Enter");
    await page.locator("article").getByText("Thank you, I will try both.").waitFor();
    await page.getByRole("button", { name: "Summarize now" }).click();
    const strip = page.getByRole("list", { name: "Versions of the summary" });
    await strip.getByRole("button", { name: /^Summary 2/ }).waitFor();
    await strip.getByRole("button", { name: /^Summary 1/ }).click();
    await page.getByRole("button", { name: "Restore …" }).click();
    await page.getByRole("button", { name: "Restore version 1" }).click();
    await strip.getByRole("button", { name: /^Summary 3/ }).waitFor();
    await vi.waitFor(async () => expect(await strip.getByRole("button").count()).toBe(2), SOON);
    await act(1, "Erase");
    const dialog = page.getByRole("dialog", { name: "Erase message 1?" });
    await dialog
      .getByText("rests on it, and goes with it")
      .or(dialog.getByText("rest on it, and go with it"))
      .waitFor();
    await dialog.getByRole("button", { name: "Erase for good" }).click();
    await message(page, 1).getByText("Erased: the words are gone").waitFor();
    await showPane(page, "What the model gets");
    await vi.waitFor(async () => expect(await page.locator(".context").getByText("Braga").count()).toBe(0), SOON);
  });

  it("makes a session of a pasted transcript, and of an export that is dropped", async () => {
    const { page } = tab;
    await goTo(page, "#/sessions");
    await page.getByRole("button", { name: "Paste or drop a chat" }).click();
    const dialog = page.getByRole("dialog");
    const paste = dialog.getByLabel("The chat");
    await paste.fill("hello");
    await dialog.getByText("Begin each turn with who says it").waitFor();
    await paste.fill("Ada: Is Baixa flat?\n**Assistant:** Mostly.\nIt has steps.");
    await dialog.getByText("2 messages were read.").waitFor();
    await dialog.getByRole("button", { name: "Make a session of it" }).click();
    await page.getByRole("heading", { name: "Is Baixa flat?" }).waitFor();
    const { text } = await call(service, "GET", `/v1/sessions/${sample}/export`, asUser);
    await goTo(page, "#/sessions");
    await page.getByRole("button", { name: "Paste or drop a chat" }).click();
    // Dropped as the browser drops a file; the browser's own chooser is another way to the same.
    await page.evaluate(`{
      const dropped = new DataTransfer();
      dropped.items.add(new File([${JSON.stringify(text)}], "trip.jsonl", { type: "application/x-ndjson" }));
      const zone = document.querySelector(".drop");
      zone.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
    }`);
    await dialog.getByText("it becomes a session as it was").waitFor();
    await dialog.getByRole("button", { name: "Make a session of it" }).click();
    await page.getByRole("heading", { name: "Sample: two weeks by train" }).waitFor();
    expect(page.url()).toContain("pasted-");
  });

  it("shows what is known across a user's sessions, and where it comes from", async () => {
    const { page } = tab;
    await goTo(page, "#/user");
    await page.getByRole("heading", { name: `What is known of ${user}` }).waitFor();
    const facts = page.getByRole("region", { name: "Facts" });
    const known = facts.getByRole("listitem").filter({ hasText: "My name is Marta" }).first();
    await known.waitFor();
    expect(await known.getByRole("link").getAttribute("href")).toMatch(/^#\/sessions\/[\w-]+\/1$/);
    await page.getByRole("button", { name: "Export" }).click();
    const preview = page.getByRole("dialog", { name: "Export this user's data?" });
    await preview.getByText(/^[\d,]+ messages/).waitFor();
    const asked: string[] = [];
    const inPages = (route: Route): Promise<void> => {
      const url = new URL(route.request().url());
      url.searchParams.set("limit", "1");
      asked.push(url.href);
      return route.continue({ url: url.href });
    };
    const path = `**/v1/users/${encodeURIComponent(user)}*`;
    await page.route(path, inPages);
    const downloading = page.waitForEvent("download");
    await preview.getByRole("button", { name: "Save the file" }).click();
    const download = await downloading;
    expect(download.suggestedFilename()).toBe(`${user}.jsonl`);
    const lines = readFileSync(await download.path(), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const sessions = lines.filter(({ type }) => type === "session").length;
    expect(lines.at(-1)).toMatchObject({ type: "user-end", sessions });
    expect(lines.filter(({ type }) => type === "user-next")).toEqual([]);
    expect(asked).toHaveLength(sessions + 1);
    await page.unroute(path);
    await preview.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Erase", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(/^[\d,]+ messages/).waitFor();
    expect(await dialog.getByRole("button", { name: "Erase for good" }).isDisabled()).toBe(true);
    await page.keyboard.press("Escape");
  });

  it("tells operators how each part does, what failed and runs, of what they are warned, who spent what, and whose keys there are", async () => {
    const { page } = tab;
    await page.route("**/v1/admin/jobs?*", (route) =>
      route.fulfill({ json: { data: [FAILED], hasMore: false, nextCursor: null } }),
    );
    await page.route("**/spending", (route) => route.fulfill({ json: SPENDING }));
    await page.route("**/v1/admin/alerts", (route) => route.fulfill({ json: ALERTS }));
    let status: OperationRun["status"] = "running";
    await page.route("**/v1/admin/operations?*", (route) => {
      const data = [{ ...RUNNING, status }, FAILED_RUN];
      return route.fulfill({ json: { data, hasMore: false, nextCursor: null } satisfies ListPage<OperationRun> });
    });
    await page.route(`**/v1/admin/operations/${RUNNING.id}`, (route) => {
      if (route.request().method() === "DELETE") status = "cancelled";
      return route.fulfill({ json: { ...RUNNING, status } });
    });
    // Where another test has left it, what it has read before would be shown.
    await goTo(page, "#/sessions");
    await page.locator("main.sessions").waitFor();
    await goTo(page, "#/operations");
    await page.getByRole("listitem").filter({ hasText: "PostgreSQL" }).first().waitFor();
    await page.locator(".chart canvas").first().waitFor();
    const spending = page.getByRole("region", { name: "Spending of local by day" });
    await spending.getByRole("img", { name: "Cost by day, today: Cost 0.0863 US dollars" }).waitFor();
    await spending.getByText("31 days together: 412,096 tokens in, 30,410 out").click();
    expect(await spending.getByRole("row").count()).toBe(2);
    expect(await page.locator(".chart").count()).toBe(4);
    await page.getByRole("region", { name: "Failed jobs" }).getByRole("button", { name: "Retry" }).first().click();
    // The job is made up, and the service says so.
    await page.getByRole("alert").getByText(/job/i).waitFor();
    await page.getByRole("alert").getByRole("button", { name: "Close" }).click();
    const alerts = page.getByRole("region", { name: "Alerts" });
    await alerts.getByText("The oldest message has waited for 900 s").waitFor();
    await alerts.getByText("docs/operate.md#queue-backlog").waitFor();
    const runs = page.getByRole("region", { name: "Runs of bulk operations" });
    await runs.getByText("No database").waitFor();
    const run = runs.getByRole("listitem").filter({ hasText: "verify" });
    await run.getByText("1,200 of 4,000 looked at, 3 failed").waitFor();
    await run.getByRole("button", { name: "Cancel" }).click();
    await run.getByText("cancelled", { exact: true }).waitFor();
    expect(await runs.getByRole("button", { name: "Cancel" }).count()).toBe(0);
    await page.getByRole("button", { name: "Show keys" }).first().click();
    await page.getByLabel("What the new key is for").fill("the inspector's test");
    await page.getByRole("button", { name: "Make a key" }).click();
    await page.locator(".made-key").waitFor();
    await page.getByRole("button", { name: "Revoke" }).first().click();
    await page.getByText("revoked", { exact: true }).first().waitFor();
    await page.unrouteAll();
  });

  it("does not distinguish a stranger's session from one that does not exist", async () => {
    const { page } = tab;
    await goTo(page, "#/sessions/nobodys-session");
    await page.getByRole("heading", { name: "There is no such session here" }).waitFor();
    expect(await page.locator("article, .context").count()).toBe(0);
    await goTo(page, "#/sessions");
  });
});

/** Lists that take many requests to fill: as long on each screen. */
describe.skipIf(opened === null).each(screensToWalk("390 pixels, dark"))(
  "long lists in the inspector at $name",
  (screen) => {
    let tab: InspectorPage;

    beforeAll(async () => {
      tab = await openInspector(browser(), service, screen);
      await showUser(tab.page, user);
    });
    afterEach(() => failOn(tab.faults.splice(0)));
    afterAll(() => tab.close());

    it("scrolls ten thousand messages, draws those in view alone, and reads of them what is looked at", async () => {
      const { page, requests } = tab;
      const id = await longSession();
      const { body: state } = await call<{ lastSeq: number }>(service, "GET", `/v1/sessions/${id}`, asUser);
      const { lastSeq } = state;
      requests.length = 0;
      await openSession(page, id);
      await showPane(page, "Transcript");
      await message(page, lastSeq).waitFor();
      const drawn = (): Promise<number> => page.locator("article").count();
      expect(await drawn()).toBeLessThan(60);
      const list = page.getByRole("region", { name: "Messages" });
      await list.evaluate((element) => element.scrollTo(0, element.scrollHeight / 2));
      await vi.waitFor(
        async () => expect(await page.locator("article").first().textContent()).toMatch(/Turn number [45]\d{3}/),
        SOON,
      );
      expect(await drawn()).toBeLessThan(60);
      // As the keyboard scrolls, too.
      await list.press("Home");
      await list.getByText("Turn number 1", { exact: true }).waitFor();
      expect(await drawn()).toBeLessThan(60);
      await list.press("End");
      await message(page, lastSeq).waitFor();
      await list.evaluate((element) => element.scrollTo(0, 0));
      await list.getByText("Turn number 1", { exact: true }).waitFor();
      const pages = requests.filter(
        (request) => request.url().includes(`/${id}/messages?`) && request.url().includes("limit=100"),
      );
      expect(pages.length).toBeLessThan(LONG_MESSAGES / 100 / 2);
      // What was pointed at before does not pull back whoever scrolled on.
      await page.getByRole("region", { name: "Time travel" }).getByRole("slider").fill("6000");
      await message(page, 6_001).waitFor();
      await list.evaluate((element) => element.scrollTo(0, 0));
      await list.getByText("Turn number 1", { exact: true }).waitFor();
      await append(id, [{ role: "user", content: "One more." }]);
      await page.getByText(`Message ${lastSeq + 1} was appended.`).waitFor();
      await page.getByText(`${(lastSeq + 1).toLocaleString("en")} messages`).waitFor();
      expect(await list.evaluate(({ scrollTop }) => scrollTop)).toBeLessThan(100);
    });

    it("scrolls more sessions than are read at once, draws those in view alone, finds one by title, and shows a new one", async () => {
      const { page, requests } = tab;
      const owner = await userOfMany();
      await goTo(page, "#/sessions");
      await showUser(page, owner);
      const list = page.getByRole("region", { name: "Sessions" });
      const rows = page.locator(".session-row");
      await rows.first().getByText("0 messages").waitFor();
      requests.length = 0;
      const { body } = await call<ListPage<{ id: string }>>(service, "GET", "/v1/sessions?limit=100", {
        headers: { "Threadkeep-User": owner },
      });
      const newest = body.data[0]?.id ?? expect.fail("there are no sessions");
      await vi.waitFor(async () => {
        await list.evaluate((element) => element.scrollTo(0, element.scrollHeight));
        const last = list.getByRole("listitem").last();
        expect(await last.getAttribute("aria-setsize")).toMatch(/^2[5-9]\d$/);
        expect(await last.getAttribute("aria-posinset")).toBe(await last.getAttribute("aria-setsize"));
      }, SOON);
      expect(await rows.count()).toBeLessThan(60);
      await rows.last().getByText("Said without a title.").waitFor();
      // Of those that were passed, nobody asks more than the list tells.
      const looked = new Set(requests.map((request) => /\/sessions\/(titled-\d+)$/.exec(request.url())?.[1]));
      expect(looked.size).toBeLessThan(MANY_SESSIONS / 2);
      await list.evaluate((element) => element.scrollTo(0, 0));
      await list.getByText(newest, { exact: true }).waitFor();
      // Found by title, also where it was not read yet; and there is no other.
      await goTo(page, "#/user");
      await goTo(page, "#/sessions");
      await page.getByRole("searchbox").fill("chat 7");
      await vi.waitFor(async () => expect(await rows.count()).toBe(11), SOON);
      await page.getByRole("searchbox").fill("nobody called it so");
      await page.getByText("No title or id has these words.").waitFor();
      // One without a title is found by its first words, once they were read.
      await page.getByRole("searchbox").fill("said without");
      await page.getByRole("button", { name: "Look at their first words" }).click();
      await rows.getByText("Said without a title.").waitFor();
      await page.getByRole("searchbox").fill("");
      // Live: one that is new stands at the top, one that is erased goes.
      const added = MANY_SESSIONS + SCREENS.indexOf(screen);
      await makeTitled(owner, added);
      await rows.first().getByText(`Chat ${added}`, { exact: true }).waitFor();
      await call(service, "DELETE", `/v1/sessions/titled-${added}`, { headers: { "Threadkeep-User": owner } });
      await list.getByText(`Chat ${added}`, { exact: true }).waitFor({ state: "detached" });
      await showUser(page, user);
    });
  },
);
