import type { Page } from "playwright-core";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../client/src/index.ts";
import { openBrowser } from "../support/browser.ts";
import { sharedService } from "../support/service.ts";
import { describeSessionContract } from "../support/session-contract.ts";
import type { SessionSurface } from "../support/session-surface.ts";

const service = sharedService();
const opened = await openBrowser();

async function bundleForPage(): Promise<string> {
  const bundle = await rolldown({ input: "test/support/page-program.ts", platform: "browser" });
  const { output } = await bundle.generate({ format: "iife", minify: true });
  return output[0].code;
}

describe.skipIf(opened === null)("a page (skipped where there is no Chrome)", () => {
  let page: Page;

  beforeAll(async () => {
    const script = await bundleForPage();
    page = (await opened?.browser.newPage()) ?? expect.fail("there is no browser");
    // A page of the service's own origin, which need not be one of its pages.
    await page.route("**/test-page", (route) =>
      route.fulfill({ contentType: "text/html", body: "<!doctype html><title>Test</title>" }),
    );
    await page.goto(`${service.url}/test-page`);
    await page.addScriptTag({ content: script });
  });
  afterAll(() => opened?.close());

  /** Makes the page do something, and throws here what is thrown there. */
  async function ask<T>(operation: string, ...args: unknown[]): Promise<T> {
    const answer = await page.evaluate((given) => Reflect.get(globalThis, "ask")(...given), [
      service.url,
      service.apiKey,
      operation,
      args,
    ] as const);
    if (answer.thrown !== undefined) throw Object.assign(new Error(answer.thrown.message), answer.thrown);
    return answer.value;
  }

  const surface: SessionSurface = {
    create: (...args) => ask("create", ...args),
    state: (...args) => ask("state", ...args),
    update: (...args) => ask("update", ...args),
    delete: (...args) => ask("delete", ...args),
    fork: (...args) => ask("fork", ...args),
    branch: (...args) => ask("branch", ...args),
    append: (...args) => ask("append", ...args),
    messages: (...args) => ask("messages", ...args),
    message: (...args) => ask("message", ...args),
    edit: (...args) => ask("edit", ...args),
    erase: (...args) => ask("erase", ...args),
    context: (...args) => ask("context", ...args),
    search: (...args) => ask("search", ...args),
    summarize: (...args) => ask("summarize", ...args),
    summaries: (...args) => ask("summaries", ...args),
    summaryChanges: (...args) => ask("summaryChanges", ...args),
    losses: (...args) => ask("losses", ...args),
    restoreSummary: (...args) => ask("restoreSummary", ...args),
  };
  describeSessionContract("the client, in a browser", () => surface);

  it("follows a session live with a ticket from its back end, without a key", async () => {
    const session = createClient({ url: service.url, key: service.apiKey }).session(crypto.randomUUID());
    await session.append(["one", "two"].map((content) => ({ role: "user", content })));
    const { ticket } = await session.ticket();
    const types: unknown = await page.evaluate((given) => Reflect.get(globalThis, "follow")(...given), [
      service.url,
      session.id,
      ticket,
      3,
    ] as const);
    expect(types).toEqual(["hello", "appended", "appended"]);
  });
});
