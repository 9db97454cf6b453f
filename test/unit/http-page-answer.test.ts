import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { contentSecurityPolicy } from "../../src/http/pages/page-answer.ts";

const hash = (text: string): string => createHash("sha256").update(text).digest("base64");

describe("the content security policy of a page", () => {
  it("admits the page's own script and style by their hashes, and nothing else", async () => {
    const policy = await contentSecurityPolicy("<style>a{}</style><script>one()</script><script>two()</script>");
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain(`script-src 'sha256-${hash("one()")}' 'sha256-${hash("two()")}'`);
    expect(policy).toContain(`style-src 'sha256-${hash("a{}")}'`);
    expect(policy).not.toContain("unsafe");
    const others = policy.split("; ").filter((rule) => !/^(script|style)-src /.test(rule));
    expect(others).toEqual([
      "default-src 'none'",
      "connect-src 'self'",
      "img-src data:",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ]);
  });

  it("admits no script where the page has none", async () => {
    expect(await contentSecurityPolicy("<p>hi</p>")).toContain("script-src 'none'");
  });
});
