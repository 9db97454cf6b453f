import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

/** Without a key. */
const read = (path: string): Promise<Response> => exports.default.fetch(new Request(`http://threadkeep.test${path}`));

describe("the API reference", () => {
  it("may run only its own files, contact only this service, and is shown in no frame", async () => {
    const { headers } = await read("/docs");
    expect(headers.get("Content-Security-Policy")?.split("; ")).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
      "img-src 'self' data:",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ]);
  });

  it.each([
    ["/docs", "text/html; charset=utf-8"],
    ["/openapi.json", "application/json"],
    ["/llms.txt", "text/markdown; charset=utf-8"],
  ])("%s needs no key, and is revalidated each time", async (path, type) => {
    const { status, headers } = await read(path);
    expect(status).toBe(200);
    expect(headers.get("Content-Type")).toBe(type);
    expect(headers.get("Cache-Control")).toBe("no-cache");
  });

  it("serves every file that it names", async () => {
    const text = await (await read("/docs")).text();
    const files = text.match(/\/inspector\/assets\/[\w.-]+/g) ?? [];
    expect(files.length).toBeGreaterThan(2);
    for (const file of files) expect((await read(file)).status, file).toBe(200);
  });
});
