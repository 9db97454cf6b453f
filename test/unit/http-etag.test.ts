import { describe, expect, it } from "vitest";
import { taggedAnswer } from "../../src/http/etag.ts";

const get = (ifNoneMatch?: string, method = "GET"): Request =>
  new Request("http://threadkeep.test/", {
    method,
    headers: ifNoneMatch === undefined ? {} : { "if-none-match": ifNoneMatch },
  });

const tagOf = async (json: string): Promise<string> =>
  (await taggedAnswer(get(), json, 200)).headers.get("etag") ?? "none";

describe("entity tags", () => {
  it("identify the bytes: the same tag for equal ones, another for others", async () => {
    expect(await tagOf('"a"')).toBe(await tagOf('"a"'));
    expect(await tagOf('"a"')).not.toBe(await tagOf('"b"'));
    expect(await tagOf('"a"')).toMatch(/^"[0-9a-f]{32}"$/);
  });

  it.each([
    ['"x"', 304],
    ['W/"x"', 304],
    ['"a", "x"', 304],
    ['"a","x" , "b"', 304],
    ["*", 304],
    ['"a, x"', 200],
    ["x", 200],
    ['"xx"', 200],
    [undefined, 200],
  ])("If-None-Match %s, where x is the tag, is answered with %i", async (header, status) => {
    const tag = (await tagOf("{}")).slice(1, -1);
    expect((await taggedAnswer(get(header?.replace("x", tag)), "{}", 200)).status).toBe(status);
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
