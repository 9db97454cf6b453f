/** A line chart over time. Its library is loaded with the first chart. */

import { useEffect, useRef } from "preact/hooks";
import type uPlot from "uplot";

export interface LineChartProps {
  readonly title: string;
  /** Unit of the values. */
  readonly unit: string;
  /** Seconds since 1970. */
  readonly times: readonly number[];
  readonly lines: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
  /** What time the last values belong to, as text; the legend shows it with their numbers. */
  readonly latest?: string;
}

const HEIGHT_PX = 180;
const LEAST_SECONDS = 60;
const DAY_SECONDS = 86_400;
/** Width that the longest label of the axis needs. */
const AXIS_PX = 56;
const MOMENT_PX = 74;
const days = new Intl.DateTimeFormat("en", { month: "short", day: "numeric" });
const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const exact = new Intl.NumberFormat("en", { maximumFractionDigits: 4 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const told = (value: number | null | undefined): string =>
  value === null || value === undefined ? "unknown" : exact.format(value);
/** Colours of the lines. The order in the legend tells them apart as well. */
const TONES = ["--recent", "--retrieved", "--pinned", "--summarized", "--bad", "--omitted", "--accent"];

export function LineChart({ title, unit, times, lines, latest = "now" }: LineChartProps) {
  const frame = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const names = lines.map(({ name }) => name).join("\n");
  const data = useRef<uPlot.AlignedData>([[]]);
  data.current = [[...times], ...lines.map(({ values }) => [...values])];

  useEffect(() => {
    let isGone = false;
    const element = frame.current;
    if (element === null) return;
    async function show(into: HTMLElement): Promise<void> {
      const drawn = await draw(
        into,
        lines.map(({ name }) => name),
      );
      if (isGone) return drawn.destroy();
      chart.current = drawn;
      drawn.setData(data.current);
    }
    // If the chart cannot be drawn, the legend still shows the numbers: the library may not know the browser's
    // language.
    show(element).catch(() => undefined);
    const observer = new ResizeObserver(() =>
      chart.current?.setSize({ width: element.clientWidth, height: HEIGHT_PX }),
    );
    observer.observe(element);
    return () => {
      isGone = true;
      observer.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, [names]);
  useEffect(() => chart.current?.setData(data.current), [times]);

  return (
    <figure class="chart">
      <figcaption>
        {title} <span class="note">{unit}</span>
      </figcaption>
      <div
        ref={frame}
        role="img"
        aria-label={`${title}, ${latest}: ${lines.map(({ name, values }) => `${name} ${told(values.at(-1))}`).join(", ")} ${unit}`}
      />
      <ul class="chart-legend" aria-hidden="true">
        <li class="note">{latest}:</li>
        {lines.map(({ name, values }, index) => (
          <li key={name} style={{ "--tone": `var(${toneOf(index)})` }}>
            {name} <b>{told(values.at(-1))}</b>
          </li>
        ))}
      </ul>
    </figure>
  );
}

const toneOf = (index: number): string => TONES[index % TONES.length] ?? "--accent";

async function draw(element: HTMLElement, names: readonly string[]): Promise<uPlot> {
  const [{ default: Plot }] = await Promise.all([import("uplot"), import("uplot/dist/uPlot.min.css")]);
  const style = getComputedStyle(element);
  const colour = (name: string): string => resolveColour(element, style.getPropertyValue(name));
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line") }, ticks: { stroke: colour("--line") } };
  return new Plot(
    {
      width: element.clientWidth,
      height: HEIGHT_PX,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        // With only a few values the time axis would span a moment, or the library would invent an end; so a minimum
        // span is given.
        x: {
          range: ({ data: [at] }, least, most) => {
            const end = at.at(-1) ?? most;
            return [Math.min(at[0] ?? least, end - LEAST_SECONDS), end];
          },
        },
        y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : 1] },
      },
      axes: [
        {
          ...axis,
          space: MOMENT_PX,
          values: (_plot, splits, _axis, _space, step) =>
            splits.map((at) => (step >= DAY_SECONDS ? days : clock).format(at * 1_000)),
        },
        { ...axis, size: AXIS_PX, values: (_plot, splits) => splits.map((value) => compact.format(value)) },
      ],
      series: [
        {},
        ...names.map((label, index) => ({
          label,
          stroke: colour(toneOf(index)),
          width: 2,
          points: { show: true, size: 4 },
        })),
      ],
    },
    [[]],
    element,
  );
}

/** Computes a `light-dark(…)` colour, which a canvas does not understand. */
function resolveColour(element: HTMLElement, value: string): string {
  const probe = document.createElement("span");
  probe.style.color = value;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
