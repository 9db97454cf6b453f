import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { OpenApiDocument } from "../../scripts/openapi/document-types.ts";
import { PROBLEMS } from "../../src/api/errors.ts";
import { openBrowser } from "../support/browser.ts";
import { type InspectorPage, openPage } from "../support/inspector-page.ts";
import { call, sharedService } from "../support/service.ts";

/** Long, because other tests may use both cores for a while. */
const PATIENCE_MS = 60_000;
const PATIENCE = { timeout: PATIENCE_MS };

const service = sharedService();
const opened = await openBrowser();
let view: InspectorPage;

beforeAll(async () => {
  view = await openPage(opened ?? expect.fail("there is no browser"));
});
afterAll(() => opened?.close());

const count = (selector: string): Promise<number> => view.page.locator(selector).count();

describe("the API reference in a browser", () => {
  // One page for the whole test, because showing the reference takes seconds of processor time.
  it("leads to a problem, finds an operation, sends its request with the typed key, and contacts no other host", async () => {
    const { page, requests, faults } = view;
    page.setDefaultTimeout(PATIENCE_MS);
    const { body } = await call<OpenApiDocument>(service, "GET", "/openapi.json", { key: null });
    const all = Object.values(body.paths).flatMap((methods) => Object.values(methods)).length;

    await page.goto(`${service.url}/docs#problem-unauthenticated`);
    await page.locator(".opblock").first().waitFor();
    await expect.poll(() => page.evaluate("scrollY"), PATIENCE).toBeGreaterThan(500);
    expect(await count("#problems tbody tr")).toBe(Object.keys(PROBLEMS).length);
    expect(await count(".opblock")).toBe(all);

    const search = page.getByRole("searchbox", { name: "Search" });
    await search.fill("zzz");
    await expect.poll(() => count(".opblock"), PATIENCE).toBe(0);
    await search.fill("");
    await expect.poll(() => count(".opblock"), PATIENCE).toBe(all);
    await search.fill("newest sessions");
    await expect.poll(() => count(".opblock"), PATIENCE).toBeLessThan(all / 2);

    await page.locator(".opblock-summary-control", { hasText: "List sessions, newest first" }).click();
    const operation = page.locator(".opblock.is-open");
    await operation.getByRole("button", { name: "Try it out" }).waitFor();
    expect(await page.evaluate("location.hash")).toBe("#/Sessions/listSessions");

    await page.locator(".auth-wrapper .authorize").click();
    await page.locator(".auth-container input").fill(service.apiKey);
    await page.locator(".auth-btn-wrapper .authorize").click();
    await page.locator(".auth-btn-wrapper .btn-done").click();
    await operation.getByRole("button", { name: "Try it out" }).click();
    await operation.getByRole("button", { name: "Execute" }).click();
    await operation.locator(".live-responses-table .response-col_status", { hasText: "200" }).waitFor();
    expect(await operation.locator(".live-responses-table .microlight").first().textContent()).toContain('"data"');
    expect(await page.evaluate("localStorage.length + sessionStorage.length")).toBe(0);

    const background = (): Promise<unknown> => page.evaluate("getComputedStyle(document.body).backgroundColor");
    const light = await background();
    await page.emulateMedia({ colorScheme: "dark" });
    await expect.poll(background, PATIENCE).not.toBe(light);

    // A violation of its content security policy would count as a fault.
    expect(faults).toEqual([]);
    const addresses = requests.map((request) => request.url()).filter((url) => !/^(about|data|blob):/.test(url));
    expect(addresses.filter((url) => new URL(url).origin !== service.url)).toEqual([]);
    expect(addresses.some((url) => url.startsWith(`${service.url}/v1/sessions`))).toBe(true);
  });
});
