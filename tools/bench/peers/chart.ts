// The chart of the memories: what an append and a reading take at each size, on a logarithmic scale. It is plain SVG of lines, bars and
// text, which a documentation page shows as it is.
import type { PeerRow, PeersReport } from "./report.ts";

const WIDTH = 960;
const LABEL = 230;
const ROW = 12;
const GAP = 16;
const TOP = 64;
const PANEL = (WIDTH - LABEL - 40) / 2;
const COLOURS = ["#9ecae1", "#4292c6", "#08519c", "#08306b", "#041e42"];
const FONT = 'font-family="system-ui, sans-serif"';

export function drawChart(report: PeersReport): string {
  const sizes = report.rows[0]?.measured.map(({ messages }) => messages) ?? [];
  const values = report.rows.flatMap(({ measured }) =>
    measured.flatMap(({ append, next }) => [
      append?.p50Ms ?? 0,
      append?.p99Ms ?? 0,
      next?.p50Ms ?? 0,
      next?.p99Ms ?? 0,
    ]),
  );
  const positive = values.filter((value) => value > 0);
  const [from, to] = [
    Math.floor(Math.log10(Math.min(1, ...positive))),
    Math.ceil(Math.log10(Math.max(1, ...positive))),
  ];
  const place = (ms: number): number =>
    ((Math.log10(Math.max(ms, 10 ** from)) - from) / Math.max(1, to - from)) * PANEL;
  const blockHeight = sizes.length * ROW + GAP;
  const height = TOP + report.rows.length * blockHeight + 20;
  const panels = [
    { title: "append one message", x: LABEL, of: "append" as const },
    { title: "read what the next prompt needs", x: LABEL + PANEL + 30, of: "next" as const },
  ];
  const powers = Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const axes = panels.flatMap(({ title, x }) => [
    text(x, 20, title, 'font-weight="600"'),
    ...powers.flatMap((power) => {
      const at = x + place(10 ** power);
      const line = `<line x1="${at}" y1="${TOP - 8}" x2="${at}" y2="${height - 16}" stroke="#ddd"/>`;
      return (power - from) % 2 === 0
        ? [line, text(at, TOP - 14, nameOf(power), 'text-anchor="middle" fill="#666"')]
        : [line];
    }),
  ]);
  const legend = sizes.flatMap((size, index) => [
    `<rect x="0" y="${8 + index * 14}" width="10" height="10" fill="${COLOURS[index]}"/>`,
    text(16, 17 + index * 14, `${size.toLocaleString("en")} messages`),
  ]);
  const blocks = report.rows.flatMap((row, index) => [
    text(
      0,
      TOP + index * blockHeight + (sizes.length * ROW) / 2 + 4,
      row.name,
      row.name === "Threadkeep" ? 'font-weight="700"' : "",
    ),
    ...panels.flatMap(({ x, of }) => drawBars(row, of, x, TOP + index * blockHeight, place)),
  ]);
  const caption = "p50 as a bar, p99 as a line; logarithmic";
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 0 ${WIDTH + 20} ${height}" role="img" aria-label="Threadkeep compared with other memories: ${caption}">`,
    `<rect x="-10" width="${WIDTH + 20}" height="${height}" fill="#fff"/>`,
    ...axes,
    ...legend,
    ...blocks,
    text(
      LABEL,
      height - 2,
      `${caption}. ${report.machine.processor}, ${report.machine.cores} cores, ${report.startedAt.slice(0, 10)}`,
      'fill="#666"',
    ),
    "</svg>",
    "",
  ].join("\n");
}

function drawBars(
  { measured }: PeerRow,
  of: "append" | "next",
  x: number,
  y: number,
  place: (ms: number) => number,
): string[] {
  return measured.flatMap((one, index) => {
    const ms = one[of];
    if (ms === null) return [];
    const [width, end] = [Math.max(1, place(ms.p50Ms)), place(ms.p99Ms)];
    const top = y + index * ROW;
    return [
      `<rect x="${x}" y="${top}" width="${width.toFixed(1)}" height="${ROW - 2}" fill="${COLOURS[index]}"><title>p50 ${ms.p50Ms} ms, p99 ${ms.p99Ms} ms</title></rect>`,
      `<line x1="${(x + width).toFixed(1)}" y1="${top + ROW / 2 - 1}" x2="${(x + end).toFixed(1)}" y2="${top + ROW / 2 - 1}" stroke="#333"/>`,
    ];
  });
}

function text(x: number, y: number, words: string, more = ""): string {
  const safe = words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="11" ${FONT} ${more}>${safe}</text>`;
}

/** A power of ten, in ms. */
function nameOf(power: number): string {
  if (power >= 3) return `${10 ** (power - 3)} s`;
  return power >= 0 ? `${10 ** power} ms` : `${10 ** (power + 3)} µs`;
}
