import { describe, expect, it } from "vitest";
import { z } from "zod";
import { appendRequestSchema } from "../../src/api/append.ts";
import { type FieldFault, ThreadkeepError } from "../../src/api/errors.ts";
import { parameterFault, parseRequest } from "../../src/api/faults.ts";
import { newSessionSchema } from "../../src/api/session.ts";

const request = z.object({
  query: z.strictObject({ limit: z.string().regex(/^\d+$/, { error: "must be a whole number" }).optional() }),
  body: appendRequestSchema,
});

function refusal(raw: { query?: unknown; body?: unknown }, schema: z.ZodType = request): ThreadkeepError {
  const whole = { params: {}, query: {}, headers: {}, body: undefined, ...raw };
  try {
    parseRequest(schema, whole);
  } catch (error) {
    if (error instanceof ThreadkeepError) return error;
    throw error;
  }
  throw new Error("It was accepted");
}

function faultsOf(body: unknown): FieldFault[] {
  return [...(refusal({ body }).fault.errors ?? [])];
}

const withContent = (content: unknown) => ({ messages: [{ role: "user", content }] });

describe("the faults of a request", () => {
  it("include a wrong role by its JSON Pointer, with the roles that exist", () => {
    const messages = [
      { role: "user", content: "hi" },
      { role: "bot", content: "hi" },
    ];
    expect(faultsOf({ messages })).toEqual([
      { path: "/messages/1/role", detail: 'must be one of "system", "developer", "user", "assistant", "tool"' },
    ]);
  });

  it("distinguish a missing property from one of the wrong type", () => {
    expect(faultsOf({ messages: [{ role: "user" }] })).toEqual([
      { path: "/messages/0/content", detail: "is required" },
    ]);
    expect(faultsOf(withContent(5))).toEqual([
      { path: "/messages/0/content", detail: "must be a string or an array, not a number" },
    ]);
    expect(faultsOf({})).toEqual([{ path: "/messages", detail: "is required" }]);
  });

  it("use the empty pointer for the body itself", () => {
    expect(faultsOf([])).toEqual([{ path: "", detail: "must be an object, not an array" }]);
    expect(faultsOf(undefined)).toEqual([{ path: "", detail: "is required" }]);
    expect(refusal({ body: null }).fault.detail).toMatch(/^The body must be an object, not null\./);
  });

  it("include each unknown property and each unknown parameter", () => {
    expect(faultsOf({ ...withContent("hi"), mesages: [], "a/b~c": 1 })).toEqual([
      { path: "/mesages", detail: "is not a known property" },
      { path: "/a~1b~0c", detail: "is not a known property" },
    ]);
    expect(refusal({ query: { limt: "5" }, body: withContent("hi") }).fault.errors).toEqual([
      { path: "limt", detail: "is not a known parameter" },
    ]);
    expect(parameterFault("limt", "is not a known parameter").fault.errors).toEqual([
      { path: "limt", detail: "is not a known parameter" },
    ]);
  });

  it("of query and body are in one answer", () => {
    const { fault } = refusal({ query: { limit: "ten" }, body: { messages: [] } });
    expect(fault.errors).toEqual([
      { path: "limit", detail: "must be a whole number" },
      { path: "/messages", detail: "must have at least 1 entry, not 0" },
    ]);
    expect(fault.detail).toMatch(/^limit must be a whole number\. It is the first of 2 faults/);
  });

  describe("of a union", () => {
    it("are those of the part whose type matches, not 'invalid input' for the union", () => {
      expect(faultsOf(withContent([{ type: "tool-call", toolCallId: "c1", toolName: 5, input: {} }]))).toEqual([
        { path: "/messages/0/content/0/toolName", detail: "must be a string, not a number" },
      ]);
      expect(faultsOf(withContent([{ type: "text", text: "hi", colour: "red" }]))).toEqual([
        { path: "/messages/0/content/0/colour", detail: "is not a known property" },
      ]);
    });

    it("are those of every invalid part", () => {
      const paths = faultsOf(withContent([{ type: "text" }, { type: "text", text: "fine" }, { type: "file" }])).map(
        (fault) => fault.path,
      );
      expect(paths).toEqual([
        "/messages/0/content/0/text",
        "/messages/0/content/2/mediaType",
        "/messages/0/content/2/data",
      ]);
    });

    it("list the known types if none matches", () => {
      expect(faultsOf(withContent([{ type: "video", url: "x" }]))).toEqual([
        {
          path: "/messages/0/content/0/type",
          detail: 'must be one of "text", "file", "reasoning", "tool-call", "tool-result", "data-…"',
        },
      ]);
    });

    it("say so if a part is not an object", () => {
      expect(faultsOf(withContent(["hi"]))).toEqual([
        { path: "/messages/0/content/0", detail: "must be an object, not a string" },
      ]);
    });

    it("are found if the union's own branch has a fault", () => {
      expect(faultsOf(withContent([]))).toEqual([
        { path: "/messages/0/content", detail: "must have at least 1 entry, not 0" },
      ]);
    });
  });

  it("keep the contract's own wording", () => {
    expect(faultsOf({ messages: [{ id: "a/b", role: "user", content: "hi" }] })).toEqual([
      { path: "/messages/0/id", detail: "must be 1 to 128 characters of A-Z a-z 0-9 . _ : - and neither . nor .." },
    ]);
  });

  describe("of a long request", () => {
    /** How many values were read before the answer. */
    function looked(make: (value: z.ZodType) => z.ZodType, body: unknown): number {
      let count = 0;
      const value = z.unknown().refine(
        () => {
          count += 1;
          return false;
        },
        { abort: true },
      );
      refusal({ body }, z.object({ body: make(value) }));
      return count;
    }

    it("are searched only up to the reported number", () => {
      const many = Array.from({ length: 25_600 }, () => ({}));
      expect(looked((value) => z.array(value), many)).toBeLessThan(50);
      const nested = Array.from({ length: 100 }, () => many.slice(0, 256));
      expect(looked((value) => z.array(z.array(value)), nested)).toBeLessThan(1_000);
      expect(looked((value) => z.array(z.union([z.string(), z.array(value)])), nested)).toBeLessThan(6_000);
      expect(looked((value) => z.strictObject({ list: z.array(z.array(value)) }), { list: nested })).toBeLessThan(
        1_000,
      );
    });

    it("are found wherever the first one is", () => {
      const sound = { type: "text", text: "a" };
      const messages = Array.from({ length: 100 }, (_, at) => ({
        role: "user",
        content: Array.from({ length: 256 }, (__, part) => (at >= 70 && part >= 200 ? { type: "text" } : sound)),
      }));
      const faults = faultsOf({ messages });
      expect(faults).toHaveLength(20);
      expect(faults[0]).toEqual({ path: "/messages/70/content/200/text", detail: "is required" });
      expect(refusal({ body: { messages } }).fault.detail).toContain("the first of many faults");
    });

    it("are reported for each list that is too long", () => {
      const parts = Array.from({ length: 300_000 }, () => ({}));
      expect(faultsOf(withContent(parts))).toEqual([
        { path: "/messages/0/content", detail: "must have at most 4096 entries, not 300000" },
      ]);
      expect(faultsOf({ messages: parts })).toEqual([
        { path: "/messages", detail: "must have at most 100 entries, not 300000" },
      ]);
    });

    /** The same value, and how often something of it was read. */
    function watched<T extends object>(value: T): { value: T; reads: () => number } {
      let reads = 0;
      const get = (target: T, name: PropertyKey): unknown => {
        reads += 1;
        return Reflect.get(target, name);
      };
      return { value: new Proxy(value, { get }), reads: () => reads };
    }

    it("of metadata with many names are found after reading no more names than are allowed", () => {
      const names = Array.from({ length: 80_000 }, (_, at) => [`k${at}`, 1]);
      const { value: metadata, reads } = watched(Object.fromEntries(names));
      expect(faultsOf({ messages: [{ role: "user", content: "hi", metadata }] })).toEqual([
        { path: "/messages/0/metadata", detail: "must be at most 4096 bytes as JSON" },
      ]);
      expect(reads()).toBeLessThan(2_000);
    });

    it("of provider options with many names are found before each name is read", () => {
      const names = Array.from({ length: 80_000 }, (_, at) => [`k${at}`, 1]);
      const { value: providerOptions, reads } = watched(Object.fromEntries(names));
      expect(faultsOf(withContent([{ type: "text", text: "hi", providerOptions }]))).toEqual([
        { path: "/messages/0/content/0/providerOptions", detail: "must be at most 262144 bytes as JSON" },
      ]);
      expect(reads()).toBeLessThan(80_000);
    });

    it("of unknown names are searched once", () => {
      const names = Array.from({ length: 1_000 }, (_, at) => [`k${at}`, 1]);
      let looks = 0;
      const watch = z.unknown().refine(() => {
        looks += 1;
        return true;
      });
      const { fault } = refusal(
        { body: Object.fromEntries(names) },
        z.object({ body: watch.pipe(z.strictObject({})) }),
      );
      expect(fault.errors).toHaveLength(20);
      expect(looks).toBe(1);
    });

    it("of a part are those of the type that it names; other types are not tried", () => {
      const { value: part, reads } = watched({ type: "tool-result", toolCallId: "c", output: 1 });
      expect(faultsOf({ messages: [{ role: "tool", content: [part] }] })).toEqual([
        { path: "/messages/0/content/0/toolName", detail: "is required" },
      ]);
      // It is read twice: up to the first fault, and for all faults.
      expect(reads()).toBeLessThan(24);
    });

    it("say of a name that it is too long", () => {
      expect(faultsOf({ messages: [{ role: "user", content: "hi", author: "\u200b".repeat(300_000) }] })).toEqual([
        { path: "/messages/0/author", detail: "must have at most 128 characters" },
      ]);
    });

    it("are a single one for an object with names that cannot be stored", () => {
      const metadata = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`\u0000${index}`, 1]));
      expect(faultsOf({ messages: [{ role: "user", content: "hi", metadata }] })).toHaveLength(1);
    });
  });

  it("point at the second of two messages with one id", () => {
    const message = { id: "a", role: "user", content: "hi" };
    expect(faultsOf({ messages: [message, message] })).toEqual([
      { path: "/messages/1/id", detail: "is the same as that of message 0: each message of a batch needs its own" },
    ]);
  });

  it("never repeat the request's content", () => {
    const secret = "my secret diary";
    const bodies = [
      withContent([{ type: secret }]),
      { messages: [{ role: "user", content: "x", author: `${secret}\ud800` }] },
      { messages: [{ role: secret, content: secret }] },
      { messages: [{ id: secret, role: "user", content: secret, occurredAt: secret }] },
      { messages: secret },
      { messages: [{ role: "user", content: "x", metadata: { a: secret.repeat(1000) } }] },
    ];
    for (const body of bodies) expect(JSON.stringify(refusal({ body }).fault)).not.toContain(secret);
  });

  it("stay few and short, however much is wrong", () => {
    const body = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`${index}${"x".repeat(500)}`, 1]));
    const { fault } = refusal({ body });
    expect(fault.errors).toHaveLength(20);
    expect(JSON.stringify(fault).length).toBeLessThan(10_000);
  });

  it.each([
    [19, "19"],
    [20, "many"],
    [21, "many"],
  ])("are counted while all are listed: of %i it says %s", (count, said) => {
    const body = Object.fromEntries(Array.from({ length: count }, (_, index) => [`wrong${index}`, 1]));
    expect(refusal({ body: { ...withContent("hi"), ...body } }).fault.detail).toContain(`the first of ${said} faults`);
  });

  it("are found in a value with thousands of levels", () => {
    const deep = JSON.parse(`${"[".repeat(200_000)}${"]".repeat(200_000)}`);
    expect(faultsOf({ messages: [{ role: "user", content: "x", metadata: { deep } }] })).toEqual([
      { path: "/messages/0/metadata/deep", detail: "must not nest deeper than 32 levels" },
    ]);
    const session = z.object({ body: newSessionSchema });
    expect(refusal({ body: { metadata: { deep } } }, session).fault.errors).toEqual([
      { path: "/metadata/deep", detail: "must not nest deeper than 32 levels" },
    ]);
  });

  it("are found next to such a value", () => {
    const deep = JSON.parse(`${"[".repeat(20_000)}${"]".repeat(20_000)}`);
    const paths = faultsOf({
      messages: [
        { role: 7, content: "x" },
        { role: "user", content: "x", metadata: { deep } },
      ],
    });
    expect(paths.map(({ path }) => path)).toEqual(["/messages/0/role", "/messages/1/metadata/deep"]);
    expect(faultsOf({ messages: [{ role: 7, content: "x" }], unknown: deep }).map(({ path }) => path)).toContain(
      "/unknown",
    );
  });

  it("have paths of well-formed text even if a property's name is not well-formed", () => {
    const paths = faultsOf({ ...withContent("hi"), "\ud800": 1 }).map((fault) => fault.path);
    expect(paths.every((path) => path.isWellFormed())).toBe(true);
  });
});
