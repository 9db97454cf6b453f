import { describe, expect, it } from "vitest";
import { openApiDocument } from "../../../scripts/openapi/document.ts";
import { writeLlmsText } from "../../../scripts/openapi/llms-text.ts";
import { contextRequestSchema } from "../../../src/api/context.ts";
import { routes } from "../../../src/http/app.ts";

const document = openApiDocument(routes, "1.2.3");
const text = writeLlmsText(document);

describe("/llms.txt", () => {
  it("names each route with a link to the reference, and begins as the convention says", () => {
    expect(text).toMatch(/^# Threadkeep\n\n> .+\n/);
    const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
    );
    expect(operations.length).toBeGreaterThan(50);
    for (const { path, method, tags, operationId } of operations) {
      expect(text).toContain(`[${method.toUpperCase()} ${path}](/docs#/${tags[0]}/${operationId})`);
    }
  });

  it("names all formats of a context, and no others", () => {
    const named = /^- Formats of a context: (.+)\.$/m.exec(text)?.[1] ?? "";
    const formats = [...named.matchAll(/`([^`]+)`/g)].map(([, format]) => format);
    expect(formats.length).toBeGreaterThan(3);
    for (const format of formats) expect(contextRequestSchema.parse({ format }).format).toBe(format);
    expect(formats.toSorted()).toEqual(contextRequestSchema.shape.format.unwrap().options.toSorted());
  });
});

describe("the OpenAPI document", () => {
  it("is refused if an operation has no example, and the fault names the file to add it to", () => {
    const [route] = routes;
    if (route === undefined) throw new Error("there are no routes");
    const made = () => openApiDocument([...routes, { ...route, operationId: "newOperation" }], "1.2.3");
    expect(made).toThrow(/has no example .*"newOperation" in scripts\/openapi\/examples\.ts/);
  });

  it("is refused if an example belongs to no operation", () => {
    expect(() => openApiDocument(routes.slice(1), "1.2.3")).toThrow(/examples of no operation: \w+$/);
  });
});
