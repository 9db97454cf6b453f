import type { Locator, Page } from "playwright-core";
import { afterAll, describe, expect, it, vi } from "vitest";
import { openBrowser, type TestBrowser } from "../support/browser.ts";
import { failOn, goTo, messageRow, openInspector, screensToWalk, SOON } from "../support/inspector-page.ts";
import { call, sharedService } from "../support/service.ts";

const service = sharedService();
const opened = await openBrowser();
const browser = (): TestBrowser => opened ?? expect.fail("there is no browser");

afterAll(() => opened?.close());

/** More than there are controls in any view. */
const MAX_TABS = 150;

/** Of something that need not be drawn now: a list draws what is in view. */
const hasFocus = (target: Locator): Promise<boolean> =>
  target.evaluateAll((found) => found.some((element) => element === element.ownerDocument.activeElement));

/** Goes with the key alone to something, which says where it is: it is in view, and has an outline or is a field. */
async function tabTo(page: Page, target: Locator, key: "Tab" | "Shift+Tab" = "Tab"): Promise<void> {
  await target.waitFor({ state: "attached" });
  for (let tabs = 0; tabs < MAX_TABS; tabs += 1) {
    if (await hasFocus(target)) {
      const seen: unknown = await page.evaluate(`{
        const { left, right, top, bottom } = document.activeElement.getBoundingClientRect();
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        [right > 0 && left < innerWidth && bottom > 0 && top < innerHeight, outlineStyle !== "none" && outlineWidth !== "0px"];
      }`);
      expect(seen, String(target)).toEqual([true, true]);
      return;
    }
    await page.keyboard.press(key);
  }
  throw new Error(`The key ${key} does not lead to ${target}`);
}

async function type(page: Page, text: string): Promise<void> {
  await page.keyboard.press("Control+A");
  await page.keyboard.type(text);
}

/** Where the focus is, once it is where it should be. */
const expectFocus = (target: Locator): Promise<void> =>
  vi.waitFor(async () => expect(await hasFocus(target), String(target)).toBe(true), SOON);

/** Around once, forwards and backwards: nothing behind a dialog gets the focus. */
async function expectTrap(page: Page): Promise<void> {
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  const controls = await dialog.locator(":is(a, button, input, textarea, select):visible:enabled").count();
  expect(controls).toBeGreaterThan(1);
  for (const key of ["Tab", "Shift+Tab"] as const) {
    for (let tabs = 0; tabs <= controls + 1; tabs += 1) {
      await page.keyboard.press(key);
      const where = await page.evaluate<string>(
        `document.activeElement === document.body ? "the browser" : document.activeElement.closest("dialog") === null ? document.activeElement.outerHTML : "the dialog"`,
      );
      expect(["the browser", "the dialog"]).toContain(where);
    }
  }
}

describe.skipIf(opened === null).each(screensToWalk("1,280 pixels, light"))("the keyboard alone at $name", (screen) => {
  it("reaches and uses the list, the transcript, what the model gets, the sliders, the menus and the dialogs", async () => {
    const user = `keys-${crypto.randomUUID()}`;
    const headers = { "Threadkeep-User": user };
    const said = ["I am Ada, and I am allergic to walnuts.", "Noted: no walnuts.", "I live in Porto.", "A fine city."];
    const messages = Array.from({ length: 40 }, (_, index) => ({
      role: index % 2 === 0 ? "user" : "assistant",
      content: said[index] ?? `Turn ${index + 1}, on trains.`,
    }));
    const made = [
      await call(service, "POST", "/v1/sessions/older/messages", { headers, body: { messages: [messages[0]] } }),
      await call(service, "POST", "/v1/sessions/porto/messages", { headers, body: { messages } }),
      await call(service, "POST", "/v1/sessions/porto/summarize", {
        headers,
        body: { keepRecentTokens: 0, waitMs: 10_000 },
      }),
    ];
    for (const { status, text } of made) expect(status, text).toBeLessThan(300);
    const { page, faults, close } = await openInspector(browser(), service, screen);
    const isPhone = screen.viewport.width < 500;

    // The first key leads past the navigation.
    await tabTo(page, page.getByRole("link", { name: "Skip to the content" }));
    await page.keyboard.press("Enter");
    await expectFocus(page.locator("main"));
    await page.keyboard.press("Tab");
    await expectFocus(page.getByRole("button", { name: "Open a sample chat" }));

    // The menu of users: Escape closes it, and so does a choice; the focus is where it was.
    const menu = page.locator(".who > summary");
    await tabTo(page, menu, "Shift+Tab");
    await page.keyboard.press("Enter");
    const id = page.getByLabel("Show the sessions of this user");
    await tabTo(page, id);
    await page.keyboard.press("Escape");
    await expectFocus(menu);
    expect(await id.isVisible()).toBe(false);
    await page.keyboard.press("Enter");
    await tabTo(page, id);
    await type(page, user);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: `Sessions of ${user}` }).waitFor();
    await expectFocus(menu);

    // A dialog keeps the focus, and gives it back.
    const paste = page.getByRole("button", { name: "Paste or drop a chat" });
    await tabTo(page, paste);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    await expectTrap(page);
    await page.keyboard.press("Escape");
    await expectFocus(paste);

    // The list, and a session of it.
    const row = page.locator(".session-row", { hasText: "porto" });
    await tabTo(page, row);
    await page.keyboard.press("Enter");
    await page.getByText("For the next answer the model gets").waitFor({ state: "attached" });
    await expectFocus(page.locator("main.session"));
    const show = async (name: string): Promise<void> => {
      if (!isPhone) return;
      await tabTo(page, page.locator(".sides").getByRole("button", { name }), "Shift+Tab");
      await page.keyboard.press("Enter");
    };
    await page.keyboard.press("Tab");
    await show("Transcript");
    await messageRow(page, 40).waitFor();

    // The transcript scrolls, and shows what a search finds.
    const list = page.getByRole("region", { name: "Messages" });
    const search = page.getByRole("searchbox", { name: "Search in this session" });
    await tabTo(page, search);
    await page.keyboard.type("walnuts");
    await page.keyboard.press("Enter");
    await tabTo(page, page.locator(".search-hits button").first());
    await page.keyboard.press("Enter");
    await page.locator("article.is-lit").waitFor();
    await page.keyboard.press("Escape");
    await expectFocus(search);
    expect(await page.locator(".search-hits").count()).toBe(0);
    await tabTo(page, list);
    await page.keyboard.press("End");
    await messageRow(page, 40).waitFor();
    await page.keyboard.press("Home");
    await messageRow(page, 1).getByText("allergic to walnuts").waitFor();

    // A message's menu: pinned, then edited in a dialog. The focus stays at the menu.
    const actionsOf = (seq: number): Locator => messageRow(page, seq).locator(".actions > summary");
    const choose = async (seq: number, name: string): Promise<void> => {
      await tabTo(page, actionsOf(seq));
      await page.keyboard.press("Enter");
      await tabTo(page, messageRow(page, seq).getByRole("button", { name, exact: true }));
      await page.keyboard.press("Enter");
    };
    await choose(1, "Pin");
    await messageRow(page, 1).getByText("always kept").waitFor();
    await expectFocus(actionsOf(1));
    await tabTo(page, list, "Shift+Tab");
    await page.keyboard.press("End");
    await messageRow(page, 40).waitFor();
    await choose(40, "Edit");
    await expectTrap(page);
    await tabTo(page, page.getByRole("dialog").getByLabel("Words"));
    await page.keyboard.press("Control+End");
    await page.keyboard.type(" And boats.");
    await tabTo(page, page.getByRole("button", { name: "Save" }));
    await page.keyboard.press("Enter");
    await messageRow(page, 40).getByText("on trains. And boats.").waitFor();
    await expectFocus(actionsOf(40));
    await page.keyboard.press("Enter");
    await page.keyboard.press("Escape");
    await expectFocus(actionsOf(40));

    // A turn is said.
    const words = page.getByLabel("What is said");
    await tabTo(page, words);
    await page.keyboard.type("Said by keys.");
    await page.keyboard.press("Control+Enter");
    await page.locator("article").getByText("Said by keys.").waitFor();
    await expectFocus(words);

    // What the model gets: its form, a question, the budget, an item, and what its parts hold.
    await show("What the model gets");
    const bar = page.locator(".bar");
    await tabTo(page, page.getByLabel("Shown as"));
    await page.keyboard.type("Text");
    await page.getByLabel("The prompt").waitFor();
    await tabTo(page, page.getByLabel("The prompt"));
    await tabTo(page, page.getByLabel("Shown as"), "Shift+Tab");
    await page.keyboard.type("Expl");
    await page.getByText("What it knows of messages").waitFor();
    await tabTo(page, page.getByLabel("What would it remember for"));
    await page.keyboard.type("what must I not eat?");
    await page.keyboard.press("Enter");
    await page.getByText("Brought back for").waitFor();
    await tabTo(page, page.getByRole("slider", { name: "Budget" }));
    await page.keyboard.press("Home");
    await vi.waitFor(async () => expect(await bar.getAttribute("aria-label")).toMatch(/^Of 256 tokens/), SOON);
    const own = page.getByRole("button", { name: "The session's own" });
    await tabTo(page, own);
    await page.keyboard.press("Enter");
    await vi.waitFor(async () => expect(await bar.getAttribute("aria-label")).not.toMatch(/^Of 256 tokens/), SOON);
    const part = page.locator("details.part > summary").last();
    await tabTo(page, part);
    await page.keyboard.press("Enter");
    await page.locator("details.part[open] li").first().waitFor();
    const item = page.locator("button.item-text").first();
    await tabTo(page, item, "Shift+Tab");
    await page.keyboard.press("Space");
    await page.locator(".item.is-lit").waitFor();
    expect(await item.getAttribute("aria-pressed")).toBe("true");

    // Back in time and to now; a version of the summary.
    const time = page.getByRole("region", { name: "Time travel" });
    await tabTo(page, time.getByRole("slider"));
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowLeft");
    const back = time.getByRole("button", { name: "Back to now" });
    await tabTo(page, back);
    await page.keyboard.press("Enter");
    await time.getByText("now (41)").waitFor();
    const version = time.getByRole("button", { name: /^Summary 1/ });
    await tabTo(page, version);
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "Summary version 1" }).waitFor();
    await expectTrap(page);
    await tabTo(page, page.getByRole("dialog").getByRole("button", { name: "Close" }));
    await page.keyboard.press("Enter");
    await expectFocus(version);

    // A user's data: the dialog that erases is left without an erasure.
    await goTo(page, "#/user");
    await page.getByRole("button", { name: "Erase", exact: true }).waitFor();
    const erase = page.getByRole("button", { name: "Erase", exact: true });
    await tabTo(page, erase);
    await page.keyboard.press("Enter");
    await page
      .getByRole("dialog")
      .getByText(/^[\d,]+ messages?/)
      .waitFor();
    await expectTrap(page);
    await page.keyboard.press("Escape");
    await expectFocus(erase);
    failOn(faults);
    await close();
  });
});
