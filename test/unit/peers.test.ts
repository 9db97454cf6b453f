import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { drawChart } from "../../tools/bench/peers/chart.ts";
import { measurePeer } from "../../tools/bench/peers/measure.ts";
import { peersProgram } from "../../tools/bench/peers/options.ts";
import type { Peer } from "../../tools/bench/peers/peer.ts";
import { type PeersReport, showReport } from "../../tools/bench/peers/report.ts";
import { readCommandLine } from "../support/command-line.ts";

/** A memory that takes a row and ten bytes for each message, and returns the last three. */
function makePeer(given = 3): Peer {
  return {
    name: "array",
    where: "here",
    gives: "the last messages",
    keeps: "nothing",
    async converse() {
      const said: unknown[] = [];
      return {
        fill: async (turns) => void said.push(...turns),
        append: async (turn) => void said.push(turn),
        next: async () => said.slice(-3).length && given,
        size: async () => ({ bytes: said.length * 10, rows: said.length }),
      };
    },
    close: async () => undefined,
  };
}

const { signal } = new AbortController();

describe("a compared memory", () => {
  it("is measured with its past, which is counted, but without its warm-up", async () => {
    const measured = await measurePeer(makePeer(), 50, 20, signal);
    expect(measured).toMatchObject({ messages: 50, given: 3, size: { bytes: 500, rows: 50 }, bytesAnAppend: 10 });
    expect([measured.append?.count, measured.next?.count]).toEqual([20, 20]);
  });

  it("that returns nothing is a fault, however fast it is", async () => {
    await expect(measurePeer(makePeer(0), 10, 5, signal)).rejects.toThrow("no message");
  });
});

describe("the report of the peers", () => {
  const ms = (p50Ms: number) => ({ count: 1, p50Ms, p95Ms: p50Ms, p99Ms: p50Ms * 3, maxMs: p50Ms * 4 });
  const size = { bytes: 2_048, rows: 50 };
  const measured = [
    { messages: 50, append: ms(0.02), next: ms(4), given: 50, size, bytesAnAppend: 10 },
    { messages: 5_000, append: ms(0.04), next: ms(1_200), given: 50, size, bytesAnAppend: null },
  ];
  const report: PeersReport = {
    startedAt: "2026-11-30T00:00:00.000Z",
    machine: {
      platform: "linux-x64",
      processor: "A & B <C>",
      cores: 2,
      memoryGiB: 24,
      loadAverage: [0],
      node: "24",
      workerd: "1",
      flushMs: 1,
    },
    loadAverageAtEnd: [0],
    samples: 1,
    versions: { pg: "8" },
    rows: [{ name: "Threadkeep", where: "here", gives: "all", keeps: "all", measured }],
    left: [{ name: "Redis", why: "there is none" }],
    faults: [{ name: "other", fault: "it broke" }],
  };

  it("shows how it grows, what was left out and what failed", () => {
    const text = showReport(report);
    expect(text).toMatch(/p50 at 5,000 messages over p50 at 50 +append +next\nThreadkeep +2\.00 +300\.00/);
    expect(text).toContain("Redis: not measured, because there is none.");
    expect(text).toContain("other: FAILED: it broke");
  });

  it("is drawn as valid XML within its frame, with longer bars for longer times", () => {
    const svg = drawChart(report);
    expect(svg).toContain("A &amp; B &lt;C>");
    const bars = [...svg.matchAll(/<rect x="(\d+)" y="\d+" width="([\d.]+)"/g)].map(([, x, width]) => ({
      x: Number(x),
      end: Number(x) + Number(width),
      width: Number(width),
    }));
    const [append50 = 0, append5000 = 0, next50 = 0, next5000 = 0] = bars.slice(-4).map(({ width }) => width);
    expect(append50).toBeLessThan(append5000);
    expect(append5000).toBeLessThan(next50);
    expect(next50).toBeLessThan(next5000);
    for (const { end } of bars) expect(end).toBeLessThanOrEqual(960);
    expect(svg.match(/<text/g)?.length).toBe(svg.match(/<\/text>/g)?.length);
  });
});

describe("the command line of the peers", () => {
  it("measures all of them at three sizes by default", async () => {
    expect(await readCommandLine(peersProgram, [])).toMatchObject({
      options: { only: [], sizes: [50, 500, 5_000], samples: 200 },
    });
    expect(await readCommandLine(peersProgram, ["--sizes", "10", "--only", "redis"])).toMatchObject({
      options: { only: ["redis"], sizes: [10] },
    });
  });

  it.each([
    [["--sizes", "5"], "--sizes"],
    [["--sizes", ""], "--sizes"],
    [["--samples", "0"], "--samples"],
    [["redis"], "redis"],
  ])("refuses %j, and says what is wrong", async (args, named) => {
    const parsed = await readCommandLine(peersProgram, args);
    expect("fault" in parsed && parsed.fault).toContain(named);
  });
});

it("the other memories are pinned in a package of their own, and can come from any registry", () => {
  const directory = path.join(projectRoot, "tools/bench/peers");
  const { dependencies }: { dependencies: Record<string, string> } = JSON.parse(
    readFileSync(path.join(directory, "package.json"), "utf8"),
  );
  for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  expect(readFileSync(path.join(directory, "package-lock.json"), "utf8")).not.toContain('"resolved": "http');
  const root = readFileSync(path.join(projectRoot, "package.json"), "utf8");
  expect(root).not.toContain("mastra");
});
