import { describe, expect, it } from "vitest";
import { matchesTag, strongTag, withTag } from "../../src/http/etag.ts";

const get = (ifNoneMatch?: string, method = "GET"): Request =>
  new Request("http://threadkeep.test/", {
    method,
    headers: ifNoneMatch === undefined ? {} : { "if-none-match": ifNoneMatch },
  });

describe("entity tags", () => {
  it("name the bytes: one for equal ones, another for others", async () => {
    expect(await strongTag("a")).toBe(await strongTag("a"));
    expect(await strongTag("a")).not.toBe(await strongTag("b"));
    expect(await strongTag("a")).toMatch(/^"[0-9a-f]{32}"$/);
  });

  it.each([
    ['"x"', true],
    ['W/"x"', true],
    ['"a", "x"', true],
    ['"a","x" , "b"', true],
    ["*", true],
    ['"a, x"', false],
    ["x", false],
    ['"xx"', false],
    [null, false],
  ])("If-None-Match %s matches: %s", (header, matches) => {
    expect(matchesTag(header, '"x"')).toBe(matches);
  });

  it("answer 304 without a body to a client that holds the bytes already", async () => {
    const first = await withTag(get(), Response.json({ a: 1 }));
    const tag = first.headers.get("etag") ?? "";
    expect(await first.json()).toEqual({ a: 1 });
    const again = await withTag(get(tag), Response.json({ a: 1 }));
    expect([again.status, again.headers.get("etag"), await again.text()]).toEqual([304, tag, ""]);
    const changed = await withTag(get(tag), Response.json({ a: 2 }));
    expect([changed.status, await changed.json()]).toEqual([200, { a: 2 }]);
  });

  it("leave a POST its body", async () => {
    expect((await withTag(get("*", "POST"), Response.json({ a: 1 }))).status).toBe(200);
  });
});
