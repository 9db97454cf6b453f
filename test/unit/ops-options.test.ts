import { describe, expect, it } from "vitest";
import { operationSample } from "../../scripts/openapi/samples/operations.ts";
import { opsProgram } from "../../scripts/ops/options.ts";
import { isWell, tellRun, tellRuns } from "../../scripts/ops/tell-run.ts";
import { OPERATION_NAMES, partIdOf, runIdSchema, workflowPayloadSchema } from "../../src/api/operation-run.ts";
import { readCommandLine } from "../support/command-line.ts";

const read = (line: string) => readCommandLine(opsProgram, line.split(" ").filter(Boolean));

describe("the command line of the operations", () => {
  it("says what is to be done, and to which sessions", async () => {
    expect(await read("rebuild --tenant acme --user ada --slice-size 20 --id r1 --wait --json")).toEqual({
      options: {
        command: {
          do: "start",
          op: "rebuild",
          body: { op: "rebuild", id: "r1", tenant: "acme", user: "ada", sliceSize: 20 },
          isDryRun: false,
          isGrave: true,
        },
        isSure: false,
        waits: true,
        isJson: true,
        url: undefined,
      },
    });
    expect(await read("retry --kind archive --yes")).toMatchObject({
      options: { command: { isGrave: false }, isSure: true },
    });
    expect(await read("list --url http://127.0.0.1:1")).toMatchObject({ options: { command: { do: "list" } } });
    expect(await read("show r1 --wait")).toMatchObject({ options: { command: { do: "show", id: "r1" }, waits: true } });
    expect(await read("cancel r1")).toMatchObject({ options: { command: { do: "cancel", id: "r1" } } });
  });

  it("asks before it does what cannot be undone, unless it is a dry run", async () => {
    for (const op of ["erase-user", "expire", "rebuild"]) {
      expect(await read(`${op} --tenant acme`)).toMatchObject({ options: { command: { isGrave: true } } });
      expect(await read(`${op} --tenant acme --dry-run`)).toMatchObject({
        options: { command: { isGrave: false, body: { dryRun: true } } },
      });
    }
  });

  it.each([
    ["help", OPERATION_NAMES],
    ["--help", OPERATION_NAMES],
    ["summarize -h", ["--slice-size", "--dry-run"]],
  ])("explains itself for %s", async (line, named) => {
    const parsed = await read(line);
    for (const one of named) expect("help" in parsed && parsed.help).toContain(one);
  });

  it.each([
    ["", "Name a command"],
    ["destroy", "Unknown command 'destroy'"],
    ["constructor", "Unknown command"],
    ["summarize everything", '"everything"'],
    ["summarize --slice-size 0", "1 to 500"],
    ["summarize --slice-size 501", "1 to 500"],
    ["show", "'id'"],
    ["cancel a b", 'Unknown argument "b"'],
    ["list --tenant acme", "Unknown option '--tenant'"],
    ["show a --dry-run", "Unknown option '--dry-run'"],
    ["summarize --key secret", "--key"],
  ])("refuses %j, and says why", async (line, reason) => {
    const parsed = await read(line);
    expect("fault" in parsed ? parsed.fault : "no fault").toContain(reason);
  });

  it("reports a run with all that went wrong, and counts one that could not do everything as failed", () => {
    const { run } = operationSample;
    expect(tellRun(run).join("\n")).toContain("acme/ada/chat-7: unavailable");
    expect(isWell(run)).toBe(false);
    expect(isWell({ ...run, progress: { ...run.progress, failed: 0 } })).toBe(true);
    expect(isWell({ ...run, status: "cancelled", progress: { ...run.progress, failed: 0 } })).toBe(false);
    expect(tellRuns([run]).join("\n")).toContain("acme/ada");
  });
});

describe("the arguments of a run", () => {
  const faults = (payload: unknown): string[] =>
    (workflowPayloadSchema.safeParse(payload).error?.issues ?? []).map(
      ({ path, message }) => `${path.join(".")} ${message}`,
    );

  it.each([
    [{}, "op"],
    [{ op: "destroy" }, "op"],
    [{ op: "rebuild" }, "tenant is required"],
    [{ op: "expire" }, "tenant is required"],
    [{ op: "erase-user", tenant: "acme" }, "user is required"],
    [{ op: "erase-user", tenant: "acme", user: "ada", session: "a" }, "session is not taken"],
    [{ op: "summarize", user: "ada" }, "tenant is required to say whose user"],
    [{ op: "summarize", session: "a" }, "tenant is required to say whose session"],
    [{ op: "summarize", kind: "archive" }, "kind is not taken"],
    [{ op: "retry", kind: "nonsense" }, "kind"],
    [{ op: "summarize", tenant: "A/B" }, "tenant"],
    [{ op: "summarize", tenant: "acme", user: "-" }, "user"],
    [{ op: "summarize", sliceSize: 501 }, "sliceSize"],
    [{ op: "summarize", dryRun: "yes" }, "dryRun"],
  ])("%j are refused with a fault at %s", (payload, fault) => {
    expect(faults(payload).join("\n")).toContain(fault);
  });

  it("include an id that no part of another run can have, and that Workflows accepts", () => {
    for (const id of ["a", "r-1", "01KAP5T0Q4J8S1W4R2M8ZB6XNE"]) expect(runIdSchema.safeParse(id).success).toBe(true);
    for (const id of ["", "-a", "a.b", "a/b", "a".repeat(65), "batch", partIdOf("a", 2)]) {
      expect(runIdSchema.safeParse(id).success, id).toBe(false);
    }
  });
});
