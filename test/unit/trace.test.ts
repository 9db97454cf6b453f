import { describe, expect, it } from "vitest";
import { readLogSettings } from "../../src/config/logging.ts";
import { JobTraces } from "../../src/session/outbox/job-traces.ts";
import { configureLogs, createLog } from "../../src/telemetry/log.ts";
import { continueTrace, traceIdOf } from "../../src/telemetry/trace.ts";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const GIVEN = `00-${TRACE_ID}-00f067aa0ba902b7-01`;

describe("a trace", () => {
  it("continues with the caller's id, and a span of its own", () => {
    const own = continueTrace(GIVEN);
    expect(traceIdOf(own)).toBe(TRACE_ID);
    expect(own).not.toBe(GIVEN);
    expect(continueTrace(GIVEN), "each span has an id of its own").not.toBe(own);
  });

  it.each([
    null,
    undefined,
    "",
    "nonsense",
    GIVEN.toUpperCase(),
    GIVEN.replace("00-", "ff-"),
    `00-${"0".repeat(32)}-00f067aa0ba902b7-01`,
    `00-${TRACE_ID}-${"0".repeat(16)}-01`,
    `${GIVEN}\r\nx: y`,
    GIVEN.repeat(1_000),
  ])("is a new one if the caller's is %j", (given) => {
    const own = continueTrace(given);
    expect(own).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(traceIdOf(own)).not.toBe(TRACE_ID);
    expect(continueTrace(given)).not.toBe(own);
    expect(traceIdOf(given)).toBeUndefined();
  });
});

describe("the traces of jobs", () => {
  it("are those of the last call before a job was first sent, however often it is sent again", () => {
    const traces = new JobTraces();
    expect(traces.of("before-any-call")).toBeUndefined();
    traces.noteCaller("a");
    expect(traces.of("first")).toBe("a");
    traces.noteCaller("b");
    traces.noteCaller(undefined);
    expect([traces.of("first"), traces.of("second")]).toEqual(["a", "b"]);
    traces.follow("first");
    expect(traces.of("third")).toBe("a");
    traces.follow("unknown");
    expect(traces.of("fourth")).toBe("a");
  });

  it("are limited in number", () => {
    const traces = new JobTraces();
    traces.noteCaller("a");
    traces.of("first");
    traces.noteCaller("b");
    for (let at = 0; at < 100; at += 1) traces.of(`job-${at}`);
    expect(traces.of("first")).toBe("b");
  });
});

function logging(options: Parameters<typeof createLog>[0] = {}) {
  const lines: string[] = [];
  return { lines, log: createLog({ write: (_, line) => void lines.push(line), ...options }) };
}

const idAt = (share: number): string =>
  `${"a".repeat(24)}${Math.floor(share * 2 ** 32)
    .toString(16)
    .padStart(8, "0")}`;

describe("the sampling of logs", () => {
  it("keeps or drops everything of one trace, and keeps its share of traces", () => {
    const { log, lines } = logging({ sample: 0.25 });
    for (const share of [0, 0.24, 0.26, 0.99]) {
      for (const event of ["request", "job"]) log.info(event, { traceId: idAt(share) });
    }
    expect(lines.map((line) => JSON.parse(line).traceId)).toEqual([idAt(0), idAt(0), idAt(0.24), idAt(0.24)]);
  });

  it("never drops a warning or an error", () => {
    const { log, lines } = logging({ sample: 0 });
    log.info("request", { traceId: idAt(0) });
    log.info("without a trace");
    log.debug("request");
    log.warn("job_failed", { traceId: idAt(0.9) });
    log.error("delivery_failed");
    expect(lines).toHaveLength(2);
  });

  it("follows the deployment's setting, also in logs that were created before it was known", () => {
    const { log, lines } = logging();
    configureLogs({ minLevel: "error", sample: 1 });
    log.warn("left out");
    configureLogs({ minLevel: "debug", sample: 0 });
    log.debug("left out");
    configureLogs({ minLevel: "info", sample: 1 });
    log.info("written");
    expect(lines.map((line) => JSON.parse(line).event)).toEqual(["written"]);
  });

  it("is read from the environment, and drops nothing if it is invalid, which is reported with all other faults", () => {
    expect(readLogSettings({})).toEqual({ minLevel: "info", sample: 1 });
    expect(readLogSettings({ THREADKEEP_LOG_LEVEL: "warn", THREADKEEP_LOG_SAMPLE: "0.05" })).toEqual({
      minLevel: "warn",
      sample: 0.05,
    });
    expect(readLogSettings({ THREADKEEP_LOG_LEVEL: "loud", THREADKEEP_LOG_SAMPLE: "2" })).toEqual({
      minLevel: "info",
      sample: 1,
    });
  });
});
