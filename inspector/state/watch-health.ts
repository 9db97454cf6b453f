/** The state of the service's parts, read repeatedly while the page is visible, with its history. */

import { signal } from "@preact/signals";
import type { Readiness } from "../../src/api/health.ts";
import { credentials } from "../api.ts";
import { showProblem } from "./problem.ts";

/** The service itself caches its answer for some seconds. */
const EVERY_MS = 5_000;
/** One hour. */
const MAX_LOOKS = 720;

export interface Look {
  /** Seconds since 1970, as the charts need it. */
  readonly at: number;
  readonly latencies: Readonly<Record<string, number>>;
  readonly measures: Readonly<Record<string, number>>;
}

export class HealthWatch {
  readonly report = signal<Readiness | null>(null);
  readonly looks = signal<readonly Look[]>([]);
  #timer: ReturnType<typeof setInterval> | undefined;

  open(): void {
    void this.#look();
    this.#timer = setInterval(() => {
      if (!document.hidden) void this.#look();
    }, EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    try {
      // It answers 503 if a part is down; the body says which.
      const headers = { Authorization: `Bearer ${credentials.value?.bearer ?? ""}` };
      const response = await fetch("/readyz", { headers, cache: "no-store", credentials: "omit" });
      const report = (await response.json()) as Readiness;
      this.report.value = report;
      this.looks.value = [...this.looks.value, lookOf(report)].slice(-MAX_LOOKS);
    } catch (error) {
      showProblem(error instanceof TypeError ? new Error("The service does not answer. Is it running?") : error);
    }
  }
}

function lookOf({ components, checkedAt }: Readiness): Look {
  const latencies: Record<string, number> = {};
  const measures: Record<string, number> = {};
  for (const [name, { latencyMs, measures: found }] of Object.entries(components)) {
    if (latencyMs !== undefined) latencies[name] = latencyMs;
    for (const [measure, value] of Object.entries(found ?? {})) measures[`${name} ${measure}`] = value;
  }
  return { at: Date.parse(checkedAt) / 1_000, latencies, measures };
}
