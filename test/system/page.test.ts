import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { type Answer, call, sharedService } from "../support/service.ts";

const service = sharedService();
const page = (path: string): Promise<Answer<unknown>> => call(service, "GET", path, { key: null });

function inline(html: string, element: "script" | "style"): string[] {
  return Array.from(
    html.matchAll(new RegExp(`<${element}(?![^>]* src=)[^>]*>([\\s\\S]*?)</${element}>`, "g")),
    ([, text]) => text ?? "",
  );
}

describe.each(["/", "/docs"])("the page at %s", (path) => {
  it("is HTML that needs no key, and must be revalidated before a cached copy is used", async () => {
    const { status, headers, text } = await page(path);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(headers.get("cache-control")).toBe("no-cache");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(text).toMatch(/^<!doctype html>\s*<html lang="en">/);
    expect(text).toContain('name="viewport"');
  });

  it("may run only its own scripts and styles", async () => {
    const { headers, text } = await page(path);
    const policy = headers.get("content-security-policy") ?? "";
    for (const element of ["script", "style"] as const) {
      for (const code of inline(text, element)) {
        expect(policy).toContain(`'sha256-${createHash("sha256").update(code).digest("base64")}'`);
      }
    }
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    // Swagger UI sets HTML from text that DOMPurify has cleaned.
    if (path !== "/docs") expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy).not.toMatch(/unsafe|\*|http/);
    expect(text).not.toMatch(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function/);
    expect(text).not.toMatch(/\son\w+=|\sstyle=/);
  });

  it("loads nothing from another host", async () => {
    const { text } = await page(path);
    expect(text.match(/(?:src|href|action)="(?!\/|#|data:,")[^"]*"/g)).toBeNull();
    expect(text.match(/(?:src|href)="\/\//g)).toBeNull();
    expect(inline(text, "script").join("") + inline(text, "style").join("")).not.toMatch(/https?:|@import|url\(/);
  });
});
