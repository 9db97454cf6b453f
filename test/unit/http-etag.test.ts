import { describe, expect, it } from "vitest";
import { matchesTag, strongTag, taggedAnswer } from "../../src/http/etag.ts";

const get = (ifNoneMatch?: string, method = "GET"): Request =>
  new Request("http://threadkeep.test/", {
    method,
    headers: ifNoneMatch === undefined ? {} : { "if-none-match": ifNoneMatch },
  });

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

describe("entity tags", () => {
  it("identify the bytes: the same tag for equal ones, another for others", async () => {
    expect(await strongTag(bytes("a"))).toBe(await strongTag(bytes("a")));
    expect(await strongTag(bytes("a"))).not.toBe(await strongTag(bytes("b")));
    expect(await strongTag(bytes("a"))).toMatch(/^"[0-9a-f]{32}"$/);
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

  it("answer 304 without a body to a client that has the bytes already", async () => {
    const first = await taggedAnswer(get(), '{"a":1}', 200);
    const tag = first.headers.get("etag") ?? "";
    expect(await first.json()).toEqual({ a: 1 });
    const again = await taggedAnswer(get(tag), '{"a":1}', 200);
    expect([again.status, again.headers.get("etag"), await again.text()]).toEqual([304, tag, ""]);
    const changed = await taggedAnswer(get(tag), '{"a":2}', 200);
    expect([changed.status, await changed.json()]).toEqual([200, { a: 2 }]);
  });

  it("do not affect a POST", async () => {
    expect((await taggedAnswer(get("*", "POST"), '{"a":1}', 200)).status).toBe(200);
  });
});
