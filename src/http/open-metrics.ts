/**
 * Writes gauges in the format OpenMetrics 1.0, which Prometheus and compatible systems read
 * (https://prometheus.io/docs/specs/om/open_metrics_spec/).
 */

export const OPEN_METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** A metric with its samples. All of our metrics are gauges. */
export interface Gauge {
  /** Ends with its unit, if it has one. */
  readonly name: string;
  readonly unit?: "seconds" | "bytes";
  readonly help: string;
  readonly samples: readonly Sample[];
}

interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/**
 * The exposition. It ends with `# EOF`, by which a truncated one is recognized. A gauge without samples is left out.
 */
export function writeOpenMetrics(gauges: readonly Gauge[]): string {
  const lines = gauges.filter(({ samples }) => samples.length > 0).flatMap(writeGauge);
  return `${[...lines, "# EOF"].join("\n")}\n`;
}

function writeGauge({ name, unit, help, samples }: Gauge): string[] {
  return [
    `# TYPE ${name} gauge`,
    ...(unit === undefined ? [] : [`# UNIT ${name} ${unit}`]),
    `# HELP ${name} ${escape(help)}`,
    ...samples.map(({ labels = {}, value }) => `${name}${writeLabels(labels)} ${value}`),
  ];
}

function writeLabels(labels: Readonly<Record<string, string>>): string {
  const written = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return written.length === 0 ? "" : `{${written.join(",")}}`;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
