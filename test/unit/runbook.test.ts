import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { ALERT_KINDS, alertKindSchema } from "../../src/api/alert.ts";
import { COMPONENTS } from "../../src/api/health.ts";
import { NOTICE_HEADER, SIGNATURE_HEADER, signBody } from "../../src/maintenance/webhook.ts";

const FILE = "docs/operate.md";
const text = readFileSync(FILE, "utf8");
const sections = new Map(
  text
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf("\n")), section]),
);

describe("the runbook", () => {
  it("has a section for each existing alert, and for no other", () => {
    const ofAlerts = [...sections.keys()].filter((title) => /^[a-z]+(?:-[a-z]+)+$/.test(title));
    expect(ofAlerts).toEqual([...ALERT_KINDS]);
    for (const title of ofAlerts) expect(alertKindSchema.safeParse(title).success, title).toBe(true);
  });

  it.each(ALERT_KINDS)("says what %s means, what to look at, what to do and how it was tried", (kind) => {
    const section = sections.get(kind) ?? "";
    const parts = section.split(/\n\n(?=\*\*)/).slice(1);
    expect(parts.map((part) => /^\*\*([^*]+)\.\*\*/.exec(part)?.[1])).toEqual(["Means", "Look at", "Do", "Tried"]);
    for (const part of parts) expect(part.length, part).toBeGreaterThan(60);
    expect(parts[3]).toMatch(/\]\(\.\.\/test\/[\w/-]+\.test\.ts\)/);
  });

  it("names files that exist", () => {
    const links = Array.from(text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g), ([, target = ""]) =>
      path.posix.join(path.posix.dirname(FILE), target),
    );
    expect(links.length).toBeGreaterThan(10);
    for (const link of links) expect(existsSync(link), link).toBe(true);
  });

  it("explains every part of /readyz, and the headers of a notice", () => {
    for (const component of COMPONENTS) expect(text).toContain(`\`${component}\``);
    for (const header of [NOTICE_HEADER, SIGNATURE_HEADER]) expect(text).toContain(header);
  });

  it("shows how to check a signature with code that accepts ours and nothing else", async () => {
    const [, code = ""] = /```ts\n([\s\S]*?)```/.exec(text) ?? [];
    const plain = code
      .replace(
        "header: string, body: string, secret: string, nowSeconds: number): boolean",
        "header, body, secret, now)",
      )
      .replaceAll("nowSeconds", "now");
    const { isGenuine } = await import(`data:text/javascript,${encodeURIComponent(plain)}`);
    const at = 1_763_812_800;
    const header = signBody('{"v":1}', "a secret", at * 1000);
    expect(isGenuine(header, '{"v":1}', "a secret", at + 10)).toBe(true);
    expect(isGenuine(header, '{"v":2}', "a secret", at + 10)).toBe(false);
    expect(isGenuine(header, '{"v":1}', "another secret", at + 10)).toBe(false);
    expect(isGenuine(header, '{"v":1}', "a secret", at + 3_600)).toBe(false);
    expect(isGenuine(header.slice(0, -1), '{"v":1}', "a secret", at)).toBe(false);
    expect(isGenuine("", '{"v":1}', "a secret", at)).toBe(false);
  });
});
