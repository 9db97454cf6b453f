/** The state of the service, and what an operator can do. */

import { useEffect, useMemo } from "preact/hooks";
import type { ComponentHealth } from "../../src/api/health.ts";
import { LineChart } from "../parts/line-chart.tsx";
import { visibleText } from "../parts/visible-text.tsx";
import { isOperator } from "../state/sign-in.ts";
import { HealthWatch } from "../state/watch-health.ts";
import { ago, number } from "../text.ts";
import { Alerts, FailedJobs, Runs } from "./operations-lists.tsx";
import { Tenants } from "./tenants.tsx";

/** Display names of the components in `/readyz`. */
const PART_NAMES: Readonly<Record<string, string>> = {
  sessions: "Session objects",
  operations: "Operations object",
  postgres: "PostgreSQL",
  queues: "Queues",
  summarizer: "Summarizer",
  failedJobs: "Failed jobs",
  pendingWork: "Work that is pending",
};

export function OperationsView() {
  useEffect(() => {
    document.title = "Operations · Threadkeep";
  }, []);
  if (!isOperator.value) {
    return (
      <main class="page">
        <h1>Operations</h1>
        <p>This view is for operators. Sign in with the admin key, or with a link: npm run inspect.</p>
      </main>
    );
  }
  return (
    <main class="page">
      <h1>Operations</h1>
      <Health />
      <Alerts />
      <FailedJobs />
      <Runs />
      <Tenants />
    </main>
  );
}

function Health() {
  const watch = useMemo(() => new HealthWatch(), []);
  useEffect(() => {
    watch.open();
    return () => watch.close();
  }, [watch]);
  const report = watch.report.value;
  const looks = watch.looks.value;
  const times = useMemo(() => looks.map(({ at }) => at), [looks]);
  if (report === null) return <p class="note">Looking …</p>;
  const parts = Object.entries(report.components);
  const timed = parts.filter(([, { latencyMs }]) => latencyMs !== undefined).map(([name]) => name);
  return (
    <section class="card" aria-labelledby="health-title">
      <h2 id="health-title">
        Health <StatusTag status={report.status} /> <span class="note">looked at {ago(report.checkedAt)}</span>
      </h2>
      <ul class="parts">
        {parts.map(([name, part]) => (
          <Part key={name} name={PART_NAMES[name] ?? name} part={part} />
        ))}
      </ul>
      <div class="charts">
        <LineChart
          title="Latency of each part"
          unit="ms"
          times={times}
          lines={timed.map((name) => ({
            name: PART_NAMES[name] ?? name,
            values: looks.map(({ latencies }) => latencies[name] ?? null),
          }))}
        />
        <LineChart
          title="Age of the oldest waiting job"
          unit="seconds"
          times={times}
          lines={[
            { name: "In the queues", values: looks.map(({ measures }) => measures["queues oldestSeconds"] ?? null) },
            {
              name: "Pending work",
              values: looks.map(({ measures }) => measures["pendingWork oldestSeconds"] ?? null),
            },
          ]}
        />
      </div>
    </section>
  );
}

function Part({ name, part: { status, latencyMs, detail, measures } }: { name: string; part: ComponentHealth }) {
  return (
    <li>
      <StatusTag status={status} /> <b>{name}</b>{" "}
      <span class="note">
        {latencyMs === undefined ? "" : `${number(latencyMs)} ms`}
        {Object.entries(measures ?? {}).map(([measure, value]) => ` · ${words(measure)} ${number(value)}`)}
      </span>
      {detail === undefined ? null : <p class="bad">{visibleText(detail)}</p>}
    </li>
  );
}

function StatusTag({ status }: { status: string }) {
  const tone =
    status === "ok" ? "pinned" : status === "degraded" ? "retrieved" : status === "down" ? "down" : "omitted";
  return <span class={`tag is-${tone}`}>{status}</span>;
}

/** "oldestSeconds" → "oldest seconds". */
function words(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
