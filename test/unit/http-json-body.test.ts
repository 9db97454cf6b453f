import { describe, expect, it } from "vitest";
import { ThreadkeepError } from "../../src/api/errors.ts";
import { readJsonBody } from "../../src/http/json-body.ts";

const LIMIT = 1_000;
const JSON_TYPE = { "content-type": "application/json" };

function post(body: string | Uint8Array | ReadableStream | null, headers: Record<string, string> = JSON_TYPE): Request {
  return new Request("http://threadkeep.test/", { method: "POST", body, headers, duplex: "half" } as RequestInit);
}

async function refusal(request: Request): Promise<ThreadkeepError["fault"]> {
  const thrown = await readJsonBody(request, LIMIT).catch((error: unknown) => error);
  if (thrown instanceof ThreadkeepError) return thrown.fault;
  throw new Error("It was accepted");
}

/** A body without a Content-Length, generated while it is read. */
function streamOf(chunk: Uint8Array, count: number): { stream: ReadableStream; pulled: () => number } {
  let pulled = 0;
  const stream = new ReadableStream({
    pull(controller) {
      if (pulled >= count) return controller.close();
      pulled += 1;
      controller.enqueue(chunk);
    },
  });
  return { stream, pulled: () => pulled };
}

describe("reading a JSON body", () => {
  it("reads a body in pieces, even if a piece ends within a character", async () => {
    const bytes = new TextEncoder().encode('{"a":"é"}');
    let at = 0;
    const stream = new ReadableStream({
      pull(controller) {
        if (at === bytes.length) return controller.close();
        controller.enqueue(bytes.slice(at, (at += 1)));
      },
    });
    await expect(readJsonBody(post(stream), LIMIT)).resolves.toEqual({ a: "é" });
  });

  it("treats no body as none", async () => {
    await expect(readJsonBody(post(null, {}), LIMIT)).resolves.toBeUndefined();
    await expect(readJsonBody(post(""), LIMIT)).resolves.toBeUndefined();
  });

  it.each([
    "application/json",
    "application/json; charset=utf-8",
    "Application/JSON;charset=UTF-8",
    "application/vnd.a+json",
  ])("accepts %s", async (type) => {
    await expect(readJsonBody(post("[1]", { "content-type": type }), LIMIT)).resolves.toEqual([1]);
  });

  it.each(["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "application/jsonp"])(
    "refuses %s",
    async (type) => {
      expect((await refusal(post("[1]", { "content-type": type }))).code).toBe("unsupported_media_type");
    },
  );

  it("refuses bytes without a content type, and compressed ones", async () => {
    const bytes = new TextEncoder().encode("[1]");
    expect((await refusal(post(bytes, {}))).code).toBe("unsupported_media_type");
    expect((await refusal(post(bytes, { ...JSON_TYPE, "content-encoding": "gzip" }))).code).toBe(
      "unsupported_media_type",
    );
  });

  it("accepts a body as large as the limit, and refuses one more byte", async () => {
    const text = JSON.stringify("x".repeat(LIMIT - 2));
    await expect(readJsonBody(post(text), LIMIT)).resolves.toHaveLength(LIMIT - 2);
    expect(await refusal(post(`${text} `))).toMatchObject({ code: "body_too_large", facts: { maxBytes: LIMIT } });
  });

  it("refuses a body that is too large even if no header says so", async () => {
    const { stream } = streamOf(new Uint8Array(100).fill(0x20), 50);
    expect((await refusal(post(stream))).code).toBe("body_too_large");
  });

  it("stops reading a body that never ends", async () => {
    const { stream, pulled } = streamOf(new Uint8Array(1024 * 1024).fill(0x20), Number.POSITIVE_INFINITY);
    expect((await refusal(post(stream))).code).toBe("body_too_large");
    expect(pulled()).toBeLessThan(20);
  });

  it("says where the JSON is broken, and repeats nothing of it", async () => {
    const fault = await refusal(post('{\n  "note": "my secret",\n  "a" 1\n}'));
    expect(fault).toMatchObject({ code: "malformed_json", facts: { line: 3, column: 7 } });
    expect(JSON.stringify(fault)).not.toContain("secret");
    expect(JSON.stringify(await refusal(post("my secret")))).not.toContain("secret");
  });

  it("refuses bytes that are not UTF-8", async () => {
    const fault = await refusal(post(Uint8Array.of(0x22, 0xc3, 0x28, 0x22)));
    expect(fault).toMatchObject({
      code: "malformed_json",
      errors: [{ path: "", detail: expect.stringContaining("UTF-8") }],
    });
  });

  it("calls a body malformed if its connection breaks, instead of calling the service unavailable", async () => {
    const broken = new ReadableStream({
      pull(controller) {
        controller.error(Object.assign(new Error("Network connection lost."), { retryable: true }));
      },
    });
    const fault = await refusal(post(broken));
    expect(fault).toMatchObject({ code: "malformed_json", detail: expect.stringContaining("broke off") });
  });
});
