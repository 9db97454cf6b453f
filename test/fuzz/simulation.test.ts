import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";

/** The code under test is loaded by Node itself, with stand-ins and patches: that takes a process whose modules vitest leaves alone. */
function fuzz(...options: string[]): { output: string; code: number | null } {
  const program = path.join(projectRoot, "scripts/fuzz.ts");
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--no-warnings", program, ...options], {
    encoding: "utf8",
  });
  return { output: `${stdout}${stderr}`, code: status };
}

describe("every promise holds after every step of seeded interleavings of session, queue and archive", () => {
  it.each([1, 1_001, 2_001])("in as many seeds from %i as eight seconds take", (from) => {
    const { output, code } = fuzz("--from", String(from), "--seeds", "60", "--seconds", "8");
    expect(code, output).toBe(0);
    expect(output).toContain("every promise held");
    console.log(output);
  });
});
