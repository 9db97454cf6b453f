import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { describeSettings, workerSettings } from "../../scripts/dev/worker-settings.ts";
import { VARIABLES, variableRows } from "../../src/config/variables.ts";
import { renderConfiguration } from "../../tools/configuration/render-configuration.ts";

describe("the table of variables", () => {
  test("is what docs/configuration.md shows (else: npm run configuration)", () => {
    expect(readFileSync("docs/configuration.md", "utf8")).toBe(renderConfiguration());
  });

  test("says what each is for, in one line", () => {
    for (const { meaning } of variableRows()) {
      expect(meaning).toMatch(/^[^\n]{10,}[^.\n]$/);
    }
  });

  test("has no default that its own check refuses", () => {
    const lacking = Object.entries(VARIABLES)
      .filter(([, schema]) => !schema.safeParse(undefined).success)
      .map(([name]) => name);
    const required = variableRows().filter((row) => row.default === null);
    expect(lacking).toEqual(required.map(({ name }) => name));
  });
});

describe("the environment of npm start", () => {
  test("is passed to the Worker, except for empty variables, those that a start generates, and those of programs", () => {
    const env = {
      THREADKEEP_MODEL: "anthropic/m",
      THREADKEEP_HOSTS: "",
      THREADKEEP_API_KEY: "tk_of_another_deployment",
      THREADKEEP_URL: "https://threadkeep.example",
      PATH: "/bin",
    };
    expect(workerSettings(env)).toEqual({ THREADKEEP_MODEL: "anthropic/m" });
  });

  test("stops the start at misspelt names, and names each of them", () => {
    const env = { THREADKEEP_MODLE: "x", SUMMARIZER_TOKEN: "x" };
    expect(() => workerSettings(env)).toThrow(/THREADKEEP_MODLE .*THREADKEEP_MODEL meant.*\n.*SUMMARIZER_TOKEN/);
  });

  test("is listed by npm start -- --help, with every variable", () => {
    const help = describeSettings();
    for (const { name, isMadeLocally } of variableRows()) {
      expect(help.includes(`  ${name}\n`), name).toBe(isMadeLocally !== true);
    }
    for (const line of help.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
  });
});
