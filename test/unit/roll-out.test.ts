import { writeFileSync } from "node:fs";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { askVersion } from "../../scripts/deploy/ask-version.ts";
import { deployAtOnce, rollOut, type RollOutOptions } from "../../scripts/deploy/roll-out.ts";
import { serveOnLoopback } from "../../scripts/dev/loopback-server.ts";

const OLD = "11111111-aaaa-4bbb-8ccc-000000000001";
const NEW = "22222222-aaaa-4bbb-8ccc-000000000002";
const WELL = { isReady: true, faults: [] };
const FAULT = "THREADKEEP_MODEL_API_KEY is missing";

let commands: string[] = [];
let lines: string[] = [];

beforeEach(() => {
  commands = [];
  lines = [];
});

function status(...versions: [string, number][]): string {
  return JSON.stringify({ versions: versions.map(([id, part]) => ({ percentage: part, version_id: id })) }, null, 2);
}

/** An environment that runs OLD. `wrangler` fails at commands that begin with `failsAt`. */
function options(changes: Partial<RollOutOptions> = {}, failsAt = "-", current = status([OLD, 100])): RollOutOptions {
  return {
    environment: "staging",
    steps: [10, 50],
    run: async (args, given) => {
      const command = args.join(" ");
      commands.push(command);
      if (command.startsWith(failsAt)) return { code: 1, output: "✘ [ERROR] A request failed." };
      const file = given?.env?.["WRANGLER_OUTPUT_FILE_PATH"];
      if (file !== undefined) {
        writeFileSync(file, `{"type":"wrangler-session"}\n{"type":"version-upload","version_id":"${NEW}"}\n`);
      }
      return { code: 0, output: command.startsWith("deployments status") ? current : "" };
    },
    ask: async () => WELL,
    pause: async () => undefined,
    print: (line) => lines.push(line),
    ...changes,
  };
}

const splits = (): string[] =>
  commands.filter((command) => command.startsWith("versions deploy")).map((command) => command.slice(16, -20));

describe("a rollout", () => {
  test("asks the new version before it gets any traffic, and after each step", async () => {
    const asked: string[] = [];
    await rollOut(options({ ask: async () => (asked.push(splits().at(-1) ?? ""), WELL) }));
    const expected = [`${OLD}@100% ${NEW}@0%`, `${OLD}@90% ${NEW}@10%`, `${OLD}@50% ${NEW}@50%`, `${NEW}@100%`];
    expect(splits()).toEqual(expected);
    expect(asked).toEqual(expected);
    expect(commands.at(-1)).toBe("triggers deploy --env staging");
  });

  test("stops before any traffic if the configuration of the new version has faults, and names them", async () => {
    const ask = async () => ({ isReady: false, faults: [FAULT] });
    await expect(rollOut(options({ ask }))).rejects.toThrow(`- ${FAULT}\nAll traffic goes to version ${OLD} again.`);
    expect(splits()).toEqual([`${OLD}@100% ${NEW}@0%`, `${OLD}@100%`]);
  });

  test("puts the old version back if the new one fails under traffic, and does not touch what belongs to no version", async () => {
    const ask = async () => (splits().length < 3 ? WELL : { isReady: false, faults: ["sessions is down"] });
    await expect(rollOut(options({ ask }))).rejects.toThrow("sessions is down");
    expect(splits().at(-1)).toBe(`${OLD}@100%`);
    expect(commands).not.toContain("triggers deploy --env staging");
  });

  test("puts it back, too, if the new version never answers", async () => {
    const ask = async () => ({ isReady: null, faults: [`it is answered by version ${OLD}`] });
    await expect(rollOut(options({ ask }))).rejects.toThrow("is answered by");
    expect(splits().at(-1)).toBe(`${OLD}@100%`);
  });

  test("continues without PostgreSQL, and says so", async () => {
    await rollOut(options({ ask: async () => ({ isReady: true, faults: ["postgres is degraded"] }) }));
    expect(lines.join("\n")).toContain("it serves, and lacks:\n- postgres is degraded");
    expect(splits().at(-1)).toBe(`${NEW}@100%`);
  });

  test("says what to do at once if the old version cannot be put back", async () => {
    const ask = async () => ({ isReady: false, faults: [FAULT] });
    await expect(rollOut(options({ ask }, `versions deploy ${OLD}@100% --yes`))).rejects.toThrow(
      `Do it now: npx wrangler versions deploy ${OLD}@100% --yes --env staging`,
    );
  });

  test.each([
    ["is under way", status([OLD, 90], [NEW, 10])],
    ["is under way", "{}"],
  ])("does not start while another %s", async (words, current) => {
    await expect(rollOut(options({}, "-", current))).rejects.toThrow(words);
    expect(commands).toHaveLength(1);
  });

  test("does not start if nothing was ever deployed, and says how to", async () => {
    await expect(rollOut(options({}, "deployments"))).rejects.toThrow("--at-once");
    expect(commands).toHaveLength(1);
  });
});

describe("a deploy at once", () => {
  test("is the first one, and there is nothing to put back", async () => {
    const ask = async () => ({ isReady: false, faults: [FAULT] });
    await expect(deployAtOnce(options({ ask }, "deployments"))).rejects.toThrow(FAULT);
    expect(commands.slice(1)).toEqual(["deploy --env staging"]);
  });

  test("puts the old version back if the new one is not ready", async () => {
    const ask = async () => ({ isReady: false, faults: [FAULT] });
    await expect(deployAtOnce(options({ ask }))).rejects.toThrow(`All traffic goes to version ${OLD} again.`);
    expect(splits()).toEqual([`${OLD}@100%`]);
  });
});

describe("the answer of a version", () => {
  async function serve(answers: { version?: string; status: number; body: unknown }[]): Promise<string> {
    const rest = [...answers];
    const server = await serveOnLoopback((request, response) => {
      const { version, status: code, body } = (rest.length > 1 ? rest.shift() : rest[0]) ?? { status: 500, body: "" };
      const asked = request.headers["cloudflare-workers-version-overrides"];
      response.writeHead(
        asked === `threadkeep-staging="${NEW}"` ? code : 400,
        version === undefined ? {} : { "Threadkeep-Version": version },
      );
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
    onTestFinished(server.close);
    return server.url;
  }

  test("is waited for while another version answers", async () => {
    const ready = { status: "ok", components: { sessions: { status: "ok" } } };
    const url = await serve([
      { version: OLD, status: 200, body: ready },
      { version: NEW, status: 200, body: ready },
    ]);
    expect(await askVersion(url, "threadkeep-staging", NEW)).toEqual(WELL);
  });

  test.each([
    [503, { status: "down", components: {}, faults: [FAULT] }, { isReady: false, faults: [FAULT] }],
    [
      200,
      { status: "degraded", components: { postgres: { status: "degraded" }, sessions: { status: "ok" } } },
      { isReady: true, faults: ["postgres is degraded"] },
    ],
    [500, "<html>", { isReady: false, faults: ["it answers with no JSON: <html>"] }],
    [503, "null", { isReady: false, faults: [] }],
  ])("contains its faults, with the status %i", async (code, body, health) => {
    const url = await serve([{ version: NEW, status: code, body }]);
    expect(await askVersion(url, "threadkeep-staging", NEW)).toEqual(health);
  });

  test("is never that of another version, however long it takes", async () => {
    const url = await serve([{ version: OLD, status: 200, body: {} }]);
    expect(await askVersion(url, "threadkeep-staging", NEW, 1)).toMatchObject({ isReady: null });
    expect(await askVersion("http://127.0.0.1:1", "threadkeep-staging", NEW, 1)).toMatchObject({ isReady: null });
  });
});
