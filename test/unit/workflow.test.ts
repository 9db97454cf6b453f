import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { crashProgram } from "../../tools/crash/options.ts";
import { loadProgram } from "../../tools/load/options.ts";
import { readCommandLine } from "../support/command-line.ts";

const workflow = readFileSync(".github/workflows/test-and-deploy.yml", "utf8");
const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };

test("the workflow only runs programs of package.json", () => {
  const named = [...workflow.matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name ?? "");
  expect(named).toEqual(["deploy:check", "migrate", "deploy"]);
  for (const name of named) expect(scripts).toHaveProperty([name]);
});

test("the workflows pin each action to a commit hash, because a tag can be moved", () => {
  for (const file of readdirSync(".github/workflows")) {
    const text = readFileSync(`.github/workflows/${file}`, "utf8");
    const actions = [...text.matchAll(/uses: *(.+)/g)].map(([, action]) => action);
    expect(actions.length).toBeGreaterThan(0);
    for (const action of actions) expect(action).toMatch(/^actions\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  }
});

test("updates of packages and of actions are proposed automatically", () => {
  const dependabot = readFileSync(".github/dependabot.yml", "utf8");
  const ecosystems = [...dependabot.matchAll(/package-ecosystem: (\S+)/g)].map(([, name]) => name);
  expect(ecosystems).toEqual(["npm", "github-actions"]);
});

test("the nightly simulation runs new seeds and looks for each planted bug, with options that exist", () => {
  const nightly = readFileSync(".github/workflows/nightly-simulation.yml", "utf8");
  const runs = [...nightly.matchAll(/npm run --silent fuzz -- ([^|\n]*)/g)].map(([, options = ""]) => options);
  expect(runs).toEqual([expect.stringContaining("--from fresh"), expect.stringContaining("--planted")]);
  const help = readFileSync("tools/fuzz.ts", "utf8");
  for (const [option] of runs.join(" ").matchAll(/--\w+/g)) expect(help).toContain(`${option} `);
});

test("the nightly kills and chats are programs of package.json, with options that exist", async () => {
  const nightly = readFileSync(".github/workflows/nightly-simulation.yml", "utf8");
  const optionsOf = (program: string): string[] => {
    expect(scripts).toHaveProperty([program]);
    return new RegExp(`npm run --silent ${program} -- (.*)`).exec(nightly)?.[1]?.split(" ") ?? [];
  };
  expect(await readCommandLine(crashProgram, optionsOf("crash"))).toMatchObject({ options: { kills: 20 } });
  expect(await readCommandLine(loadProgram, optionsOf("load"))).toMatchObject({
    options: { sessions: 500, judgesTimes: false },
  });
});

test("the nightly walks through the inspector go to all screens", () => {
  const nightly = readFileSync(".github/workflows/nightly-simulation.yml", "utf8");
  expect(nightly).toMatch(/run: npm test --silent -- inspector\n +env:\n +THREADKEEP_SCREENS: all\n/);
  const support = readFileSync("test/support/inspector-page.ts", "utf8");
  expect(support).toContain('process.env["THREADKEEP_SCREENS"] === "all"');
});

test("the environments of the workflow are those of wrangler.toml", () => {
  const environments = /options: \[(.*)\]/.exec(workflow)?.[1]?.split(", ") ?? [];
  const config = readFileSync("wrangler.toml", "utf8");
  for (const name of environments) expect(config).toContain(`[env.${name}]`);
});

test("the workflow contains no secret, deploys main only by hand, and puts no typed text into a shell", () => {
  for (const [, name, value] of workflow.matchAll(/^\s+(\w*(?:TOKEN|ACCOUNT_ID|DATABASE_URL|KEY)\w*): (.*)$/gm)) {
    expect(value, name).toBe(`\${{ secrets.${name} }}`);
  }
  expect(workflow).toContain("if: github.event_name == 'workflow_dispatch' && github.ref == 'refs/heads/main'");
  const commands = [...workflow.matchAll(/run: (?:\|\n(?: {10}.*\n)+|.*)/g)].map(([text]) => text);
  for (const command of commands) expect(command).not.toContain("${{");
});
