import type { Locator, Page, Request } from "playwright-core";
import { makeSignInLink } from "../../scripts/dev/sign-in-link.ts";
import type { TestBrowser } from "./browser.ts";
import type { ProvidedService } from "./provided.ts";

const DESK = { width: 1_280, height: 800 } as const;
const PHONE = { width: 390, height: 844 } as const;

/** Typical sizes and colour schemes; a desktop by day and a phone at night come first. */
export const SCREENS = [
  { name: "1,280 pixels, light", viewport: DESK, colorScheme: "light" },
  { name: "390 pixels, dark", viewport: PHONE, colorScheme: "dark" },
  { name: "1,280 pixels, dark", viewport: DESK, colorScheme: "dark" },
  { name: "390 pixels, light", viewport: PHONE, colorScheme: "light" },
] as const;
export type Screen = (typeof SCREENS)[number];

/** The nightly run uses all sizes and schemes: `THREADKEEP_SCREENS=all npm test -- inspector`. */
export const WALKS_ALL_SCREENS = process.env["THREADKEEP_SCREENS"] === "all";

/** The screens for a test of many steps. `npm test` uses only the named ones, by default a desktop by day and a phone at night. */
export function screensToWalk(...names: readonly Screen["name"][]): readonly Screen[] {
  if (WALKS_ALL_SCREENS) return SCREENS;
  return names.length === 0 ? SCREENS.slice(0, 2) : SCREENS.filter(({ name }) => names.includes(name));
}

/** Far longer than anything takes here, also on a busy machine. */
const PATIENCE_MS = 20_000;
/** For `vi.waitFor`: sooner or later, because the machine may be busy. */
export const SOON = { timeout: PATIENCE_MS, interval: 50 };

export interface InspectorPage {
  readonly page: Page;
  /** Faults in the page: script errors, and violations of its content security policy. */
  readonly faults: string[];
  /** Every URL that the page requested. */
  readonly requests: Request[];
  close(): Promise<void>;
}

/** A new page, not signed in. */
export async function openPage({ browser }: TestBrowser, screen: Screen = SCREENS[0]): Promise<InspectorPage> {
  const { viewport, colorScheme } = screen;
  const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce", locale: "en-US" });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults: string[] = [];
  const requests: Request[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    // A refused request is reported there as well, and some tests cause one on purpose.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      faults.push(message.text());
  });
  page.on("request", (request) => requests.push(request));
  return { page, faults, requests, close: () => context.close() };
}

/** A page that was opened with a link, as `npm start` prints it. */
export async function openInspector(
  browser: TestBrowser,
  service: Pick<ProvidedService, "url" | "adminKey">,
  screen?: Screen,
  tab?: InspectorPage,
): Promise<InspectorPage> {
  const opened = tab ?? (await openPage(browser, screen));
  await opened.page.goto(await makeSignInLink(service));
  await opened.page.getByRole("heading", { name: "Sessions", exact: true }).waitFor();
  return opened;
}

/** Opens a view without reloading the page, which would sign out. */
export async function goTo(page: Page, address: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(address)}`);
}

/** Shows the sessions of the user in the page that is open. */
export async function showUser(page: Page, name: string): Promise<void> {
  await page.locator(".who > summary").click();
  await page.getByLabel("Show the sessions of this user").fill(name);
  await page.getByRole("button", { name: "Show", exact: true }).click();
  await page.getByRole("heading", { name: `Sessions of ${name}` }).waitFor();
}

/** Anew, with nothing asked of it yet. */
export async function openSession(page: Page, id: string): Promise<void> {
  await goTo(page, "#/sessions");
  await page.locator("main.sessions").waitFor();
  await goTo(page, `#/sessions/${id}`);
  await page.locator(".session-head code", { hasText: id }).waitFor();
}

/** On a phone one of the two panes is shown. */
export async function showPane(page: Page, name: "Transcript" | "What the model gets"): Promise<void> {
  const button = page.locator(".sides").getByRole("button", { name });
  if (await button.isVisible()) await button.click();
}

export const messageRow = (page: Page, seq: number): Locator => page.locator(`article[data-seq="${seq}"]`);

export function failOn(faults: readonly string[]): void {
  if (faults.length > 0) throw new Error(`The page had faults: ${faults.join("; ")}`);
}
