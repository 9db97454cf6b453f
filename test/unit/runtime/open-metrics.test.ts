import { describe, expect, it } from "vitest";
import { writeOpenMetrics } from "../../../src/http/open-metrics.ts";
import { gaugesOf } from "../../../src/http/routes/metrics.ts";

describe("OpenMetrics text", () => {
  it("escapes what would end a label, once each", () => {
    const help = "One\ntwo.";
    const labels = { path: String.raw`C:\new`, said: 'a "b"\nc' };
    expect(writeOpenMetrics([{ name: "odd", help, samples: [{ labels, value: 1 }] }])).toBe(
      [
        "# TYPE odd gauge",
        String.raw`# HELP odd One\ntwo.`,
        String.raw`odd{path="C:\\new",said="a \"b\"\nc"} 1`,
        "# EOF\n",
      ].join("\n"),
    );
  });

  it("leaves out a gauge without a known value", () => {
    expect(writeOpenMetrics([{ name: "unknown", help: "Nobody knows.", samples: [] }])).toBe("# EOF\n");
  });
});

describe("the gauges", () => {
  const NOW = Date.UTC(2026, 10, 22, 12);
  const known = {
    failed: { counts: [{ kind: "archive", state: "retrying" as const, count: 3 }], oldestAt: NOW - 90_000 },
    tenants: 2,
    backlogs: [{ queue: "archive", messages: 7, bytes: 900, oldestAt: NOW - 5_500 }],
    runs: [{ op: "verify" as const, status: "complete" as const, count: 4, lastEndedAt: NOW - 60_000 }],
  };
  const textOf = (stats: Parameters<typeof gaugesOf>[0]): string => writeOpenMetrics(gaugesOf(stats, NOW));

  it("report ages in seconds, with their labels", () => {
    const lines = textOf(known).split("\n");
    expect(lines.filter((line) => line !== "" && !line.startsWith("#"))).toEqual([
      'threadkeep_part_up{part="operations"} 1',
      'threadkeep_failed_jobs{kind="archive",state="retrying"} 3',
      "threadkeep_failed_jobs_oldest_seconds 90",
      "threadkeep_tenants 2",
      'threadkeep_queue_messages{queue="archive"} 7',
      'threadkeep_queue_bytes{queue="archive"} 900',
      'threadkeep_queue_oldest_seconds{queue="archive"} 5.5',
      'threadkeep_operation_runs{op="verify",status="complete"} 4',
      'threadkeep_operation_last_end_seconds{op="verify",status="complete"} 60',
    ]);
  });

  it("say what is unavailable, and leave out its values", () => {
    const away = { failed: null, tenants: null, backlogs: [], runs: [] };
    const lines = textOf(away).split("\n");
    expect(lines.filter((line) => line !== "" && !line.startsWith("#"))).toEqual([
      'threadkeep_part_up{part="operations"} 0',
    ]);
  });

  it("report no negative age if a clock is ahead", () => {
    const ahead = { ...known, failed: { counts: [], oldestAt: NOW + 1_000 } };
    expect(textOf(ahead)).toContain("threadkeep_failed_jobs_oldest_seconds 0\n");
  });
});
