import axe from "axe-core";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { signUserToken } from "../../scripts/dev/issuer.ts";
import { statePaths } from "../../scripts/dev/paths.ts";
import type { Context } from "../../src/api/context.ts";
import { openBrowser, type TestBrowser } from "../support/browser.ts";
import {
  failOn,
  goTo,
  type InspectorPage,
  messageRow,
  openInspector,
  openPage,
  openSession,
  SCREENS,
  type Screen,
  showPane,
  showUser,
  SOON,
  WALKS_ALL_SCREENS,
} from "../support/inspector-page.ts";
import { ALERTS, FAILED, FAILED_RUN, RUNNING, SPENDING } from "../support/operations-samples.ts";
import { call, sharedService } from "../support/service.ts";

const service = sharedService();
const opened = await openBrowser();
const browser = (): TestBrowser => opened ?? expect.fail("there is no browser");

afterAll(() => opened?.close());

/** An address as some people have it: none of it may push anything out of sight. */
const user = `tour-${crypto.randomUUID().slice(0, 8)}.of-two-surnames@post.of-a-large-company.example`;
const asUser = { headers: { "Threadkeep-User": user } };
/** As models are named. */
const MODEL = "workers-ai/@cf/meta/llama-3.3-70b-instruct-fp8-fast";

/** A message of each kind: Markdown, what cannot be seen, files, tools, reasoning, data, a long text without a space, and two answers. */
const KINDS = "kinds";
const MESSAGES = [
  { role: "system", content: "Answer briefly." },
  {
    role: "user",
    author: "Ada of the two long surnames, from the other office",
    content:
      "# A title\n\n1. **bold** and `code`\n2. [a link](https://ok.example/a) and ![a picture](https://ok.example/b.png)\n\n" +
      '> said before\n\n```ts\nconst answer = await ask("a line that is longer than a phone is wide, and then some");\n```\n\n' +
      `| city | hotel | price | note |\n| - | - | - | - |\n| Porto | Bela Vista | 120 | ${"breakfast ".repeat(8)} |\n\n---\n\nzero\u200Bwidth`,
  },
  {
    role: "assistant",
    content: [
      { type: "reasoning", text: "They ask for the weather, so I look it up first. ".repeat(4) },
      { type: "tool-call", toolCallId: "call-1", toolName: "get_weather_forecast", input: { city: "Porto", days: 3 } },
    ],
  },
  {
    role: "tool",
    content: [
      {
        type: "tool-result",
        toolCallId: "call-1",
        toolName: "get_weather_forecast",
        output: { type: "json", value: { days: [{ day: "Friday", sky: "rain", degrees: 14 }] } },
      },
    ],
  },
  {
    role: "user",
    content: [
      { type: "text", text: "And these?" },
      {
        type: "file",
        mediaType: "image/png",
        filename: `${"holiday-".repeat(8)}1.png`,
        data: "https://ok.example/1.png",
      },
      { type: "data-location", data: { latitude: 41.15, longitude: -8.61 } },
    ],
  },
  { role: "assistant", content: `${"w".repeat(400)} ${"many words ".repeat(500)}` },
  { role: "user", content: "Where should I eat?" },
  { role: "assistant", content: "In the tavern by the river." },
  { role: "user", content: "This is erased." },
];

async function send<T>(method: string, path: string, body?: object): Promise<T> {
  const answer = await call<T>(service, method, path, { ...asUser, ...(body === undefined ? {} : { body }) });
  if (answer.status >= 300) throw new Error(answer.text);
  return answer.body;
}

async function makeKinds(): Promise<void> {
  const path = `/v1/sessions/${KINDS}`;
  await send("POST", "/v1/sessions", {
    id: KINDS,
    metadata: { title: `Every kind of message, ${"and-then-some-".repeat(9)}` },
  });
  await send("POST", `${path}/messages`, { messages: MESSAGES });
  await send("POST", `${path}/messages`, { messages: [{ role: "assistant", content: "In the bakery.", afterSeq: 7 }] });
  const { data } = await send<{ data: { id: string; seq: number }[] }>("GET", `${path}/messages?limit=20`);
  const idOf = (seq: number): string => data.find((one) => one.seq === seq)?.id ?? expect.fail(`no message ${seq}`);
  await send("PATCH", `${path}/messages/${idOf(7)}`, { content: "Where should I eat tonight?" });
  await send("DELETE", `${path}/messages/${idOf(9)}`);
}

/** Run in the page: what of a part of it is cut off, out of reach, or too small to be used. */
const FIND_CUT = `(within) => {
  const SEEN = "a, button, input, select, textarea, summary, h1, h2, h3, h4, p, li, td, th, dt, dd, label, output, figcaption, code, pre";
  /** What has room for what does not fit on a line: it scrolls sideways by itself. */
  const MAY_SCROLL = ".strip, .table-frame, pre, .response-col_description__inner, .opblock-section-header, .model-box, .curl-command, .highlight-code";
  const SCROLLS = /auto|scroll/, CUTS = /hidden|clip/;
  const found = new Set();
  const kept = new Map();
  /** Asked again and again of those around, and dear to compute. */
  const lookOf = (element) => {
    if (!kept.has(element)) kept.set(element, { style: getComputedStyle(element), box: element.getBoundingClientRect() });
    return kept.get(element);
  };
  const named = (element) => {
    const text = (element.getAttribute("aria-label") ?? element.textContent ?? "").trim().slice(0, 40);
    return element.tagName.toLowerCase() + (element.classList.length > 0 ? "." + [...element.classList].join(".") : "") + " “" + text + "”";
  };
  const { scrollWidth } = document.documentElement;
  if (scrollWidth > innerWidth) found.add("the page is " + scrollWidth + " pixels wide");
  const root = document.querySelector(within);
  for (const element of [root, ...root.querySelectorAll("*")]) {
    const { overflowX } = getComputedStyle(element);
    if (SCROLLS.test(overflowX) && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0 && !element.matches(MAY_SCROLL))
      found.add(named(element) + " scrolls sideways: " + element.scrollWidth + " of " + element.clientWidth);
    if (element.matches(".virtual-list") && element.clientHeight > 0 && element.clientHeight < 120)
      found.add(named(element) + " has " + element.clientHeight + " pixels of height");
  }
  for (const element of root.querySelectorAll(SEEN)) {
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || getComputedStyle(element).clipPath !== "none" || element.closest(".visually-hidden, .skip, [aria-hidden=true] canvas")) continue;
    const { style: own, box } = lookOf(element);
    const isControl = element.matches("a, button, input, select, textarea, summary");
    if (isControl && (box.width < 4 || box.height < 4)) found.add(named(element) + " has no size");
    let scrollsX = false, scrollsY = false;
    for (let around = element.parentElement; around !== null; around = around.parentElement) {
      const { style, box: frame } = lookOf(around);
      if (SCROLLS.test(style.overflowX)) scrollsX = true;
      if (SCROLLS.test(style.overflowY)) scrollsY = true;
      const isShort = style.textOverflow === "ellipsis";
      if (!scrollsX && !isShort && CUTS.test(style.overflowX) && (box.left < frame.left - 1 || box.right > frame.right + 1))
        found.add(named(element) + " is cut off sideways by " + named(around));
      if (!scrollsY && CUTS.test(style.overflowY) && (box.top < frame.top - 1 || box.bottom > frame.bottom + 1))
        found.add(named(element) + " is cut off by " + named(around));
      if (style.position === "fixed") break;
    }
    if (!scrollsX && (box.left < -1 || box.right > innerWidth + 1)) found.add(named(element) + " stands beside the page");
    const pageScrolls = document.documentElement.scrollHeight > innerHeight + 1;
    if (!scrollsY && !pageScrolls && isControl && (box.top < -1 || box.bottom > innerHeight + 1)) found.add(named(element) + " stands above or below the page");
    // What was typed scrolls in its field.
    if (!element.matches("input") && CUTS.test(own.overflowX) && own.textOverflow !== "ellipsis" && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0)
      found.add(named(element) + " cuts off its own text");
  }
  return [...found];
}`;

const NEXT_FRAME = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))";

/** What axe has against a part of the page: all that it knows of, or what it knows of colours. */
async function faultsOfAccess(page: Page, within: string, isWhole: boolean): Promise<string[]> {
  if (!(await page.evaluate<boolean>("'axe' in globalThis"))) await page.evaluate(axe.source);
  const options = {
    resultTypes: ["violations"],
    ...(isWhole
      ? { rules: { "target-size": { enabled: true } } }
      : { runOnly: ["color-contrast", "link-in-text-block"] }),
  };
  const { violations } = await page.evaluate<axe.AxeResults>(
    `axe.run(document.querySelector(${JSON.stringify(within)}), ${JSON.stringify(options)})`,
  );
  return violations
    .filter(({ impact }) => impact !== "minor")
    .map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`);
}

interface Look {
  /** What is looked at, as a selector; where it is left out, all of the page. */
  readonly within?: string;
  /** Which of the two panes of a session is shown on a phone. */
  readonly pane?: "Transcript" | "What the model gets";
  readonly screens?: readonly Screen[];
}

const PHONES = SCREENS.filter(({ viewport }) => viewport.width < 500);
const DESKS = SCREENS.filter(({ viewport }) => viewport.width > 500);
const [DESK] = SCREENS;

/** Looks at what is shown, at each size and in each scheme, without loading it anew. */
async function expectFine(page: Page, what: string, { within = "body", pane, screens }: Look = {}): Promise<void> {
  // A size after the other, since a new one is laid out anew.
  for (const screen of screens ?? [...DESKS, ...PHONES]) {
    const { viewport, colorScheme, name } = screen;
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    if (pane !== undefined) await showPane(page, pane);
    await page.evaluate(NEXT_FRAME);
    // All that a scheme changes are colours: by day everything is looked at, at night what has to do with colours.
    const isWhole = WALKS_ALL_SCREENS || colorScheme === "light";
    const cut = isWhole ? await page.evaluate<string[]>(`(${FIND_CUT})(${JSON.stringify(within)})`) : [];
    const barred = await faultsOfAccess(page, within, isWhole);
    if (await page.evaluate("document.documentElement.scrollWidth > innerWidth")) cut.push("the page scrolls sideways");
    expect.soft([...cut, ...barred], `${what} at ${name}`).toEqual([]);
  }
}

/** With all that one does in it on a desk, where both panes are in view. */
async function atDesk(page: Page): Promise<void> {
  await page.setViewportSize(DESK.viewport);
}

describe.skipIf(opened === null)("every view of the inspector (skipped where there is no Chrome)", () => {
  let tab: InspectorPage;
  let sample = "";

  beforeAll(async () => {
    tab = await openPage(browser());
    const { page } = tab;
    await page.route("**/inspector/caller", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), model: MODEL } });
    });
    await makeKinds();
    await openInspector(browser(), service, DESK, tab);
    await showUser(page, user);
    await page.getByRole("button", { name: "Open a sample chat" }).click();
    await page.getByText("What it knows of messages 1 to").waitFor({ state: "attached" });
    sample = /sample-\w+/.exec(page.url())?.[0] ?? expect.fail("no sample was opened");
  });
  afterEach(async () => {
    // What the page said in one test takes room in the next: the tests come in any order.
    await tab.page.evaluate(
      "document.querySelectorAll('.notice button, .problem button').forEach((button) => button.click())",
    );
    await tab.page.unrouteAll({ behavior: "ignoreErrors" });
    await atDesk(tab.page);
    failOn(tab.faults.splice(0));
  });
  afterAll(() => tab.close());

  it("signing in, with all ways there are, and as a user whose token is typed by hand", async () => {
    const { page, faults, requests, close } = await openPage(browser());
    await page.route("**/inspector/sign-in-methods", (route) =>
      route.fulfill({ json: { tokens: true, supabase: ["https://a-project-of-ours.supabase.co/auth/v1"] } }),
    );
    await page.goto(service.url);
    await page.getByRole("heading", { name: "As a user of a-project-of-ours" }).waitFor();
    const field = page.getByLabel("API key, admin key, or a user's token");
    await field.fill("not-a-key-of-anybody-surely");
    await field.press("Enter");
    await page.getByRole("alert").getByText("This API key is not known").waitFor();
    await expectFine(page, "signing in");
    await atDesk(page);
    const token = await signUserToken(statePaths(service.stateDir).issuerKey, { user });
    await field.fill("");
    await field.pressSequentially(token);
    await field.press("Enter");
    await page.getByRole("link", { name: "two weeks by train" }).waitFor();
    // A user sees what is theirs alone, and can be nobody else.
    expect(await page.getByRole("link", { name: "Operations" }).count()).toBe(0);
    await page.locator(".who > summary", { hasText: `Signed in as ${user}` }).click();
    expect(await page.getByLabel("Show the sessions of this user").count()).toBe(0);
    await page.getByText("Signed in until").waitFor();
    await expectFine(page, "the menu of a user", { within: ".top" });
    const kept = await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie, history.state])");
    expect(kept).not.toContain(token);
    expect(requests.map((request) => request.url()).join(" ")).not.toContain(token);
    failOn(faults);
    await close();
  });

  it("the sessions, what a search finds in them, none at all, and the menu of users", async () => {
    const { page } = tab;
    await goTo(page, "#/sessions");
    await page.getByRole("link", { name: "two weeks by train" }).getByText("last message").waitFor();
    await expectFine(page, "the sessions");
    await page.getByRole("searchbox").fill("Marta walnuts");
    await page.keyboard.press("Enter");
    await page.locator(".memory-hits li").first().waitFor();
    await page.getByText("No title or id has these words.").waitFor();
    await expectFine(page, "what a search finds", { within: "main" });
    await page.locator(".who > summary").click();
    await page.getByRole("list", { name: "Users" }).getByRole("button").first().waitFor();
    await expectFine(page, "the menu of users", { within: ".top" });
    await page.keyboard.press("Escape");
    await showUser(page, "nobody-at-all");
    await page.getByText("This user has no sessions.").waitFor();
    await expectFine(page, "a user without sessions", { within: "main" });
    await showUser(page, user);
  });

  it("the dialog that takes a chat", async () => {
    const { page } = tab;
    await goTo(page, "#/sessions");
    await page.getByRole("button", { name: "Paste or drop a chat" }).click();
    await page.getByRole("dialog").getByLabel("The chat").fill("Ada: Is Baixa flat?\n**Assistant:** Mostly.");
    await page.getByText("2 messages were read.").waitFor();
    await expectFine(page, "the dialog that takes a chat", { within: "dialog" });
    await page.keyboard.press("Escape");
  });

  it("a session with every kind of message, its branches, its menu and its dialogs", async () => {
    const { page } = tab;
    await openSession(page, KINDS);
    await page.getByRole("button", { name: "other branch" }).click();
    await page.getByText("1 of 2").waitFor();
    for (const fold of await page.locator("details.fold > summary").all()) await fold.click();
    await page.getByRole("region", { name: "Messages" }).press("Home");
    await messageRow(page, 2).locator("table").waitFor();
    await expectFine(page, "the beginning of a session", { pane: "Transcript" });
    await atDesk(page);
    await page.getByRole("region", { name: "Messages" }).press("End");
    await messageRow(page, 9).getByText("Erased: the words are gone").waitFor();
    for (const screens of [PHONES, DESKS]) {
      await page.setViewportSize(screens[0]?.viewport ?? DESK.viewport);
      await showPane(page, "Transcript");
      await page.getByRole("region", { name: "Messages" }).press("End");
      await messageRow(page, 8).getByLabel("Do something with message 8").click();
      await expectFine(page, "the end of a session, and a menu", { within: ".transcript", screens });
    }
    await messageRow(page, 8).getByRole("button", { name: "Answer anew" }).click();
    await expectFine(page, "the dialog of another wording", { within: "dialog" });
    await page.keyboard.press("Escape");
  });

  it("what the model gets, for a question and word for word, and what a search in a session finds", async () => {
    const { page } = tab;
    // One that is superseded and one from another session are told apart, too.
    await page.route(`**/v1/sessions/${sample}/context`, async (route) => {
      const response = await route.fetch();
      const context: Context = await response.json();
      const [first, second, ...items] = context.summary?.items ?? [];
      if (context.summary !== null && first !== undefined && second !== undefined) {
        context.summary.items = [{ ...first, status: "superseded" }, { ...second, sourceSession: KINDS }, ...items];
      }
      await route.fulfill({ response, json: context });
    });
    await openSession(page, sample);
    await page.getByLabel("What would it remember for").fill("Which hotel has the walnut cake?");
    await page.keyboard.press("Enter");
    await page.locator(".part.is-retrieved").getByText("because: matches").first().waitFor();
    for (const part of await page.locator("details.part > summary").all()) await part.click();
    await page.locator(".context input[type=checkbox]").check();
    await page.getByText("carried over from kinds").waitFor();
    await page.locator("button.item-text").last().click();
    await page.getByRole("searchbox", { name: "Search in this session" }).fill("walnut");
    await page.keyboard.press("Enter");
    await page.locator(".search-hits li").first().waitFor();
    await expectFine(page, "what the model gets", { pane: "What the model gets" });
    await expectFine(page, "what a search in a session finds", { pane: "Transcript", screens: PHONES });
    await atDesk(page);
    await page.getByLabel("Shown as").selectOption("anthropic");
    await page.getByLabel("The prompt").waitFor();
    await expectFine(page, "the prompt", { pane: "What the model gets", within: ".context" });
  });

  it("a session as it was, a version of its summary, and the dialogs that erase", async () => {
    const { page } = tab;
    await openSession(page, sample);
    const time = page.getByRole("region", { name: "Time travel" });
    await time.getByRole("slider").fill("40");
    await messageRow(page, 41).getByText("not said yet").waitFor();
    await expectFine(page, "a session as it was", { pane: "Transcript" });
    await atDesk(page);
    await time.getByRole("button", { name: "Back to now" }).click();
    await time.getByRole("button", { name: /^Summary 2/ }).click();
    const version = page.getByRole("dialog", { name: "Summary version 2" });
    await version.getByRole("button", { name: "Restore …" }).click();
    await version.getByRole("heading", { name: "What it does not say" }).waitFor();
    await expectFine(page, "a version of the summary", { within: "dialog" });
    await atDesk(page);
    await page.keyboard.press("Escape");
    await page.getByRole("region", { name: "Messages" }).press("Home");
    await messageRow(page, 1).getByLabel("Do something with message 1").click();
    await messageRow(page, 1).getByRole("button", { name: "Erase" }).click();
    await page.getByRole("dialog", { name: "Erase message 1?" }).getByRole("listitem").first().waitFor();
    await expectFine(page, "the dialog that erases a message", { within: "dialog" });
    await page.keyboard.press("Escape");
  });

  it("an answer that is being written, a connection that is lost, and a session that there is not", async () => {
    const { page } = tab;
    // The model takes its time: the request gets no answer, until the page gives up.
    await page.route(`**/inspector/sessions/${KINDS}/answer`, () => undefined);
    await openSession(page, KINDS);
    await page.getByText("Live", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Ask the model" }).click();
    await page.getByRole("group", { name: "The model's answer" }).waitFor();
    await page.context().setOffline(true);
    await page.getByText("Connection lost, trying again").waitFor();
    await expectFine(page, "an answer that is being written", { pane: "Transcript" });
    await page.context().setOffline(false);
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText("Stopped: nothing of the answer was appended.").waitFor();
    await expectFine(page, "a notice", { within: "#app" });
    await goTo(page, "#/sessions/nobodys-session");
    await page.getByRole("heading", { name: "There is no such session here" }).waitFor();
    await expectFine(page, "a session that there is not", { within: "main" });
  });

  it("what is known of a user, and the dialogs that export their data and erase them", async () => {
    const { page } = tab;
    await goTo(page, "#/user");
    await page.getByRole("region", { name: "Facts" }).getByText("My name is Marta").first().waitFor();
    await page.getByLabel("Also what is done or superseded").check();
    await expectFine(page, "what is known of a user");
    await atDesk(page);
    for (const name of ["Export", "Erase"]) {
      await page.getByRole("button", { name, exact: true }).click();
      await page
        .getByRole("dialog")
        .getByText(/^[\d,]+ messages/)
        .waitFor();
      await expectFine(page, `the dialog behind ${name}`, { within: "dialog" });
      await page.keyboard.press("Escape");
    }
  });

  it("the operations, with what failed, runs and was spent, the keys, and the dialog that drops a job", async () => {
    const { page } = tab;
    const list = (data: readonly object[]) => ({ json: { data, hasMore: false, nextCursor: null } });
    await page.route("**/v1/admin/jobs?*", (route) => route.fulfill(list([FAILED])));
    await page.route("**/v1/admin/operations?*", (route) => route.fulfill(list([RUNNING, FAILED_RUN])));
    await page.route("**/v1/admin/alerts", (route) => route.fulfill({ json: ALERTS }));
    await page.route("**/spending", (route) => route.fulfill({ json: SPENDING }));
    await goTo(page, "#/operations");
    await page.locator(".chart canvas").nth(3).waitFor();
    await page.getByText("31 days together").click();
    await page.getByRole("button", { name: "Show keys" }).first().click();
    await page.getByLabel("What the new key is for").fill("a tour of the inspector");
    await page.getByRole("button", { name: "Make a key" }).click();
    await page.locator(".made-key").waitFor();
    await expectFine(page, "the operations");
    await atDesk(page);
    const keys = page.getByRole("region", { name: "Keys of local" }).getByRole("listitem");
    await keys.filter({ hasText: "a tour of the inspector" }).getByRole("button", { name: "Revoke" }).click();
    await page.getByRole("button", { name: "Drop" }).click();
    await page.getByRole("dialog").getByLabel("Why").waitFor();
    await expectFine(page, "the dialog that drops a job", { within: "dialog" });
    await page.keyboard.press("Escape");
    await goTo(page, "#/sessions");
  });

  it("the API reference, with an operation open, and the dialog that takes a key", async () => {
    const { page, faults, close } = await openPage(browser());
    await page.goto(`${service.url}/docs`);
    // Operations look alike: some stand for all.
    await page.getByRole("searchbox", { name: "Search" }).fill("append");
    await vi.waitFor(async () => expect(await page.locator(".opblock").count()).toBeLessThan(20), SOON);
    await expectFine(page, "the API reference");
    await page.locator(".opblock-summary-control", { hasText: "Append 1 to 100 messages" }).first().click();
    await page.locator(".opblock.is-open").getByRole("button", { name: "Try it out" }).waitFor();
    await expectFine(page, "an operation", { within: ".opblock.is-open" });
    await page.locator(".auth-wrapper .authorize").click();
    await page.locator(".auth-container input").waitFor();
    await expectFine(page, "the dialog that takes a key", { within: ".dialog-ux" });
    failOn(faults);
    await close();
  });
});
