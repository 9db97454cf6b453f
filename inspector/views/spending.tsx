/** What models cost a tenant, day by day. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Spending as SpendingOfTenant, Spent } from "../../src/api/tenant.ts";
import { ask } from "../api.ts";
import { LineChart } from "../parts/line-chart.tsx";
import { showProblem } from "../state/problem.ts";
import { dollars, number } from "../text.ts";

const MICRO = 1_000_000;
const costOf = ({ costMicroDollars, embeddings }: Spent): number => costMicroDollars + embeddings.costMicroDollars;
/** Days are in UTC; their noon is on the same day nearly everywhere. */
const noonOf = (day: string): number => Date.parse(`${day}T12:00:00Z`) / 1_000;

export function Spending({ tenant }: { tenant: string }) {
  const days = useSignal<readonly Spent[] | null>(null);
  useEffect(() => {
    ask<SpendingOfTenant>("GET", `/v1/admin/tenants/${encodeURIComponent(tenant)}/spending`).then(
      (found) => (days.value = found.days),
      showProblem,
    );
  }, [tenant]);
  const found = days.value;
  return (
    <section class="spending" aria-label={`Spending of ${tenant} by day`}>
      <h3>Spending of {tenant} by day</h3>
      {found === null ? <p class="note">Reading …</p> : <Days days={found} />}
    </section>
  );
}

function Days({ days }: { days: readonly Spent[] }) {
  const spent = days.filter(
    ({ inputTokens, outputTokens, embeddings }) => inputTokens + outputTokens + embeddings.inputTokens > 0,
  );
  if (spent.length === 0) {
    return (
      <p class="note">
        Models took nothing in the last {number(days.length)} days: the built-in summarizer asks none. THREADKEEP_MODEL
        sets one.
      </p>
    );
  }
  const times = days.map(({ day }) => noonOf(day));
  const cost = spent.reduce((sum, day) => sum + costOf(day), 0);
  const vectors = spent.some(({ embeddings }) => embeddings.inputTokens > 0);
  return (
    <>
      <div class="charts">
        <LineChart
          title="Used by day"
          unit="tokens"
          times={times}
          latest="today"
          lines={[
            { name: "In", values: days.map(({ inputTokens }) => inputTokens) },
            { name: "Out", values: days.map(({ outputTokens }) => outputTokens) },
            ...(vectors ? [{ name: "For vectors", values: days.map(({ embeddings }) => embeddings.inputTokens) }] : []),
          ]}
        />
        {cost === 0 ? null : (
          <LineChart
            title="Cost by day"
            unit="US dollars"
            times={times}
            latest="today"
            lines={[{ name: "Cost", values: days.map((day) => costOf(day) / MICRO) }]}
          />
        )}
      </div>
      <details>
        <summary>
          The {number(days.length)} days together:{" "}
          {number(spent.reduce((sum, { inputTokens, embeddings }) => sum + inputTokens + embeddings.inputTokens, 0))}{" "}
          tokens in, {number(spent.reduce((sum, { outputTokens }) => sum + outputTokens, 0))} out,{" "}
          {cost === 0 ? "cost not known: no prices are set" : dollars(cost)}
        </summary>
        <table class="data">
          <thead>
            <tr>
              <th>Day (UTC)</th>
              <th>Tokens in</th>
              <th>Tokens out</th>
              <th>Cost</th>
            </tr>
          </thead>
          <tbody>
            {spent.toReversed().map((spentOn) => (
              <tr key={spentOn.day}>
                <td class="day">{spentOn.day}</td>
                <td>{number(spentOn.inputTokens + spentOn.embeddings.inputTokens)}</td>
                <td>{number(spentOn.outputTokens)}</td>
                <td>{costOf(spentOn) === 0 ? "not known" : dollars(costOf(spentOn))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </>
  );
}
