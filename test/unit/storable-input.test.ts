import { describe, expect, it } from "vitest";
import { z } from "zod";
import { fieldFaults, parseRequest } from "../../src/contracts/faults.ts";
import { clientFrameSchema } from "../../src/contracts/live.ts";
import { newMessageSchema } from "../../src/contracts/message.ts";
import { workflowPayloadSchema } from "../../src/contracts/operation-run.ts";
import { isoTime } from "../../src/contracts/text.ts";
import { transferLineSchema } from "../../src/contracts/transfer.ts";
import { routes } from "../../src/http/app.ts";
import { bindingPropsSchema } from "../../src/rpc/binding-principal.ts";
import { placesOf, UNSTORABLE } from "../support/schema-places.ts";

/** Every schema that what comes from outside is parsed by, and that something of may be stored. */
const requests: readonly (readonly [string, z.ZodType])[] = [
  ...routes.flatMap(({ operationId, request, lines }) =>
    Object.entries({ ...request, lines }).flatMap(([part, schema]): [string, z.ZodType][] =>
      schema === undefined ? [] : [[`${operationId}.${part}`, schema]],
    ),
  ),
  ["frame", clientFrameSchema],
  ["import line", transferLineSchema],
  ["operation by wrangler", workflowPayloadSchema],
  ["props of a binding", bindingPropsSchema],
];

/** What a client is told of a value that a schema refuses. */
function toldOf(schema: z.ZodType, body: unknown): string[] {
  const { error } = z.object({ body: schema }).safeParse({ body });
  return fieldFaults(error?.issues ?? [], { body }).map(({ path, detail }) => `${path} ${detail}`);
}

/** How far an operation is, in the words of the instance before: nobody else writes that, and PostgreSQL gets none of it. */
const OF_OUR_OWN = "operation by wrangler.chain";

describe("whatever comes in", () => {
  it.each(requests)("%s refuses in each place what no store keeps", (name, schema) => {
    for (const { path, sound, planted } of placesOf(schema, name, UNSTORABLE)) {
      if (path.startsWith(OF_OUR_OWN)) continue;
      const known = toldOf(schema, sound);
      const told = toldOf(schema, planted).filter((fault) => !known.includes(fault));
      expect(told, `${path} took ${JSON.stringify(planted)}`).not.toEqual([]);
    }
  });

  it("is looked at in every place that a message has", () => {
    const places = new Set(placesOf(newMessageSchema, "message", UNSTORABLE).map(({ path }) => path));
    expect([...places]).toEqual(
      expect.arrayContaining([
        "message.author",
        "message.content|0",
        "message.content|1[]|0.text",
        "message.content|1[]|0.providerOptions{name}",
        "message.content|1[]|0.providerOptions{}",
        "message.content|1[]|3.input",
        "message.content|1[]|5.type",
        "message.metadata{name}",
        "message.occurredAt",
      ]),
    );
  });
});

describe("a refusal of what cannot be stored", () => {
  const faultsOf = (message: object): unknown => {
    try {
      return parseRequest(z.object({ body: newMessageSchema }), {
        params: {},
        query: {},
        headers: {},
        body: { role: "user", content: "hello", ...message },
      });
    } catch (error) {
      return error;
    }
  };
  const text = { type: "text", text: "hello" };

  it.each([
    [
      "a name among a part's options",
      { content: [{ ...text, providerOptions: { "x\u0000y": 1 } }] },
      "/content/0/providerOptions/x\u0000y",
      "NUL",
    ],
    [
      "a name deep in them",
      { content: [{ ...text, providerOptions: { x: { "y\ud800": 1 } } }] },
      "/content/0/providerOptions/x/y\ufffd",
      "lone surrogate",
    ],
    ["the type of a data part", { content: [{ type: "data-\u0000x", data: 1 }] }, "/content/0/type", "NUL"],
    [
      "a value deep in a call",
      { content: [{ type: "tool-call", toolCallId: "1", toolName: "t", input: { a: [{ b: "\u0000" }] } }] },
      "/content/0/input/a/0/b",
      "NUL",
    ],
    ["a name of metadata", { metadata: { "a\u0000": 1 } }, "/metadata/a\u0000", "NUL"],
    ["a year that its zone carries away", { occurredAt: "9999-12-31T23:59:59-10:00" }, "/occurredAt", "0001 to 9999"],
    ["the year 0", { occurredAt: "0000-01-01T00:00:00Z" }, "/occurredAt", "0001 to 9999"],
  ])("names %s", (_, message, path, word) => {
    expect(faultsOf(message)).toMatchObject({
      fault: { code: "validation_failed", errors: [{ path, detail: expect.stringContaining(word) }] },
    });
  });
});

it("the first and the last moment that are taken are those of the years 1 and 9999", () => {
  for (const text of ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "0000-12-31T23:00:00-01:00"])
    expect(isoTime.safeParse(text).success, text).toBe(true);
});
