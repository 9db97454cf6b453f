import type { Locator, Page, Request } from "playwright-core";
import { makeSignInLink } from "../../scripts/dev/sign-in-link.ts";
import type { TestBrowser } from "./browser.ts";
import type { ProvidedService } from "./provided.ts";

/** The sizes and schemes that people have: a desk in daylight, a phone at night. */
export const SCREENS = [
  { name: "1,280 pixels, light", viewport: { width: 1_280, height: 800 }, colorScheme: "light" },
  { name: "390 pixels, dark", viewport: { width: 390, height: 844 }, colorScheme: "dark" },
] as const;
export type Screen = (typeof SCREENS)[number];

/** Far more than anything takes here, on a busy machine too. */
const PATIENCE_MS = 20_000;
/** For `vi.waitFor`: sooner or later, because the machine may be busy. */
export const SOON = { timeout: PATIENCE_MS, interval: 50 };

export interface InspectorPage {
  readonly page: Page;
  /** What went wrong in the page: errors of scripts, and what its content security policy refused. */
  readonly faults: string[];
  /** All that the page asked for. */
  readonly requests: Request[];
  close(): Promise<void>;
}

/** A page of its own, not signed in. */
export async function openPage({ browser }: TestBrowser, screen: Screen = SCREENS[0]): Promise<InspectorPage> {
  const { viewport, colorScheme } = screen;
  const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce", locale: "en-US" });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults: string[] = [];
  const requests: Request[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    // A request that is refused is told there as well, and some tests ask for that.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      faults.push(message.text());
  });
  page.on("request", (request) => requests.push(request));
  return { page, faults, requests, close: () => context.close() };
}

/** A page that was opened by a link, as `npm start` prints it. */
export async function openInspector(
  browser: TestBrowser,
  service: Pick<ProvidedService, "url" | "adminKey">,
  screen?: Screen,
): Promise<InspectorPage> {
  const opened = await openPage(browser, screen);
  await opened.page.goto(await makeSignInLink(service));
  await opened.page.getByRole("heading", { name: "Sessions", exact: true }).waitFor();
  return opened;
}

/** Goes to a view without loading the page anew, which would sign out. */
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
