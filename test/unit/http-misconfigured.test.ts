import { expect, test } from "vitest";
import { answerMisconfigured } from "../../src/http/answer-misconfigured.ts";
import { createLog } from "../../src/telemetry/log.ts";

const FAULTS = ["THREADKEEP_API_KEY is missing: set it", "THREADKEEP_MODLE is no variable of this version."];

const VERSION = "dc8dcd28-271b-4367-9840-6c244f84cb40";

function ask(path: string): { answer: Response; lines: string[] } {
  const lines: string[] = [];
  const log = createLog({ write: (_level, line) => lines.push(line) });
  return { answer: answerMisconfigured(new Request(`https://threadkeep.example${path}`), FAULTS, VERSION, log), lines };
}

test("a misconfigured deployment names all of its faults at /readyz and in the log", async () => {
  const { answer, lines } = ask("/readyz?at=deploy");
  expect(answer.status).toBe(503);
  expect(answer.headers.get("threadkeep-version")).toBe(VERSION);
  expect(await answer.json()).toEqual({ status: "down", components: {}, faults: FAULTS });
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ event: "configuration_faulty", faults: FAULTS.join("; ") });
});

test("and refers all other requests there, without saying what is wrong", async () => {
  const { answer } = ask("/v1/sessions");
  expect(answer.status).toBe(503);
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  expect(await answer.json()).toMatchObject({ code: "unavailable", detail: expect.stringContaining("/readyz") });
  expect(await ask("/").answer.text()).not.toContain("THREADKEEP_");
});
