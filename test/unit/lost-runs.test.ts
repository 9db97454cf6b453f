import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { OperationRun, RunStatus } from "../../src/api/operation-run.ts";
import { endLostRuns, type LostRunDeps } from "../../src/maintenance/end-lost-runs.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { endIfLost, type ReadInstanceEnd } from "../../src/usecases/lost-runs.ts";

type Runs = LostRunDeps["operations"]["runs"];

const AT = "2026-11-23T02:00:00.000Z";

function runOf(id: string, status: RunStatus, change: Partial<OperationRun> = {}): OperationRun {
  return {
    id,
    op: "reindex",
    dryRun: false,
    status,
    progress: { done: 0, failed: 0, total: null },
    report: { counts: {}, failures: [], findings: [], notes: [] },
    error: null,
    createdAt: AT,
    updatedAt: AT,
    finishedAt: status === "queued" || status === "running" ? null : AT,
    ...change,
  };
}

/** The runs of a deployment, newest first, in memory. */
function listOf(given: readonly OperationRun[]) {
  const held = new Map(given.map((run) => [run.id, run]));
  const finish: Runs["finish"] = async (id, status, error) => {
    const run = held.get(id);
    if (run === undefined) return null;
    held.set(id, { ...run, status, error, finishedAt: AT });
    return held.get(id) ?? null;
  };
  const list: Runs["list"] = async (limit, after) => {
    const ids = [...held.keys()];
    const from = after === null ? 0 : ids.indexOf(after.id) + 1;
    return [...held.values()].slice(from, from + limit);
  };
  return { held, operations: { runs: { finish, list } } };
}

describe("a run whose instance is checked", () => {
  it.each([
    ["errored", "failed"],
    ["terminated", "cancelled"],
  ] as const)("and is %s ends as %s", async (end, status) => {
    const run = runOf("one", "running");
    const { operations } = listOf([run]);
    const told = await endIfLost(run, { operations, readInstanceEnd: async () => end });
    expect(told).toMatchObject({ status, error: expect.stringContaining("start the operation again") });
  });

  it("is checked in the instance that continued it", async () => {
    const readInstanceEnd = vi.fn<ReadInstanceEnd>(async () => null);
    const run = runOf("one", "running", { instance: "one-part-2" });
    expect(await endIfLost(run, { ...listOf([run]), readInstanceEnd })).toBe(run);
    expect(readInstanceEnd).toHaveBeenCalledWith("one-part-2");
  });

  it("and unknown, or with a failing Workflows, stays as recorded", async () => {
    const run = runOf("one", "queued");
    const readInstanceEnd = async (): Promise<never> => {
      throw new Error("instance.not_found");
    };
    expect(await endIfLost(run, { ...listOf([run]), readInstanceEnd })).toBe(run);
  });

  it("with a Workflows that does not answer is returned as recorded, after two seconds", async () => {
    vi.useFakeTimers();
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const run = runOf("one", "running");
    const told = endIfLost(run, { ...listOf([run]), readInstanceEnd: () => new Promise(() => undefined) });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await told).toBe(run);
  });

  it("is not checked once it has ended", async () => {
    const readInstanceEnd = vi.fn<ReadInstanceEnd>(async () => "terminated");
    const run = runOf("one", "complete");
    expect(await endIfLost(run, { ...listOf([run]), readInstanceEnd })).toBe(run);
    expect(readInstanceEnd).not.toHaveBeenCalled();
  });
});

describe("the nightly cron", () => {
  const log = createLog({ write: () => undefined });

  it("ends every lost run, on any page of the list, and no other", async () => {
    const runs = Array.from({ length: 250 }, (_, at) => runOf(`run-${at}`, at % 50 === 0 ? "running" : "complete"));
    const { held, operations } = listOf(runs);
    const readInstanceEnd = vi.fn<ReadInstanceEnd>(async (id) => (id === "run-0" ? null : "errored"));
    await endLostRuns({ operations, readInstanceEnd, log });
    expect(readInstanceEnd).toHaveBeenCalledTimes(5);
    const failed = [...held.values()].filter(({ status }) => status === "failed").map(({ id }) => id);
    expect(failed).toEqual(["run-50", "run-100", "run-150", "run-200"]);
    expect(held.get("run-0")?.status).toBe("running");
  });

  it("does nothing if the list is unavailable", async () => {
    const list = async (): Promise<never> => {
      throw new Error("out of reach");
    };
    const { finish } = listOf([]).operations.runs;
    await expect(endLostRuns({ operations: { runs: { finish, list } }, log })).resolves.toBeUndefined();
  });
});
