import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { PROBLEMS } from "../../src/contracts/errors.ts";
import { type Answer, call, sharedService } from "../support/service.ts";

const service = sharedService();
const page = (path: string): Promise<Answer<unknown>> => call(service, "GET", path, { key: null });

function inline(html: string, element: "script" | "style"): string[] {
  return Array.from(
    html.matchAll(new RegExp(`<${element}(?![^>]* src=)[^>]*>([\\s\\S]*?)</${element}>`, "g")),
    ([, text]) => text ?? "",
  );
}

const POLICIES = [
  ["/", "script-src 'self'"],
  ["/docs", "script-src 'none'"],
] as const;

describe.each(POLICIES)("the page at %s", (path, scripts) => {
  it("is HTML that needs no key and is not kept without asking again", async () => {
    const { status, headers, text } = await page(path);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(headers.get("cache-control")).toBe("no-cache");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(text).toMatch(/^<!doctype html>\s*<html lang="en">/);
    expect(text).toContain('name="viewport"');
  });

  it("may run its own script and style alone, and turn no text into HTML", async () => {
    const { headers, text } = await page(path);
    const policy = headers.get("content-security-policy") ?? "";
    for (const element of ["script", "style"] as const) {
      for (const code of inline(text, element)) {
        expect(policy).toContain(`'sha256-${createHash("sha256").update(code).digest("base64")}'`);
      }
    }
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain(scripts);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).not.toMatch(/unsafe|\*|http/);
    expect(text).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function/);
    expect(text).not.toMatch(/\son\w+=|\sstyle=/);
  });

  it("asks nothing of any other place", async () => {
    const { text } = await page(path);
    expect(text.match(/(?:src|href|action)="(?!\/|#|data:,")[^"]*"/g)).toBeNull();
    expect(text.match(/(?:src|href)="\/\//g)).toBeNull();
    expect(inline(text, "script").join("") + inline(text, "style").join("")).not.toMatch(/https?:|@import|url\(/);
  });
});

describe("the reference at /docs", () => {
  it("has every operation, every schema and every problem, each with its anchor", async () => {
    const [{ text }, { body }] = await Promise.all([
      page("/docs"),
      call<{ paths: Record<string, Record<string, { operationId: string }>>; components: { schemas: object } }>(
        service,
        "GET",
        "/openapi.json",
        { key: null },
      ),
    ]);
    const operations = Object.values(body.paths).flatMap((methods) => Object.values(methods));
    const anchors = [
      ...operations.map((operation) => operation.operationId),
      ...Object.keys(body.components.schemas).map((name) => `schema-${name}`),
      ...Object.keys(PROBLEMS).map((code) => `problem-${code}`),
    ];
    for (const anchor of anchors) expect(text).toContain(`id="${anchor}"`);
    const ids = new Set(Array.from(text.matchAll(/\sid="([^"]+)"/g), ([, id]) => id));
    const links = Array.from(text.matchAll(/href="#([^"]+)"/g), ([, id]) => id);
    expect(links.filter((link) => !ids.has(link))).toEqual([]);
  });

  it("needs no script", async () => {
    expect(inline((await page("/docs")).text, "script")).toEqual([]);
  });
});
