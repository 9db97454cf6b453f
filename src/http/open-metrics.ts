/** Numbers as OpenMetrics 1.0 writes them, which Prometheus and its kin read (https://prometheus.io/docs/specs/om/open_metrics_spec/). */

export const OPEN_METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** A name, and what its numbers are. All of ours go up and down. */
export interface Gauge {
  /** Ends in its unit, where it has one. */
  readonly name: string;
  readonly unit?: "seconds" | "bytes";
  readonly help: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The exposition, with the end that tells it from one that was cut off. A gauge without samples is left out. */
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
