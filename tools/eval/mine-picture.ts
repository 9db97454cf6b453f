// Draws how much prompts knew, by their size in tokens (SVG): a line for each way of sending, and a point for the whole chat.
import { type MineRow, SENT, WHOLE_CHAT } from "./mine.ts";

const [WIDTH, HEIGHT] = [760, 440];
const BOX = { left: 64, right: WIDTH - 190, top: 56, bottom: HEIGHT - 56 } as const;
/** These can also be told apart in grey, and by readers who do not see red or green. */
const COLORS: Readonly<Record<MineRow["sent"], string>> = {
  "newest messages alone": "#8a8a8a",
  summary: "#e08214",
  "summary and query": "#1f4e9c",
  [WHOLE_CHAT]: "#222222",
};
const PERCENT_STEP = 20;
/** Labels closer than this would overlap. */
const LABEL_HEIGHT = 16;

interface Point {
  readonly x: number;
  readonly y: number;
}

export function drawMine(rows: readonly MineRow[], title: string): string {
  const shown = rows.flatMap((row) => {
    const share = shareOf(row);
    return share === null || !(row.tokens > 0) ? [] : [{ row, share }];
  });
  const tokens = shown.map(({ row }) => row.tokens);
  const [least, most] = [Math.min(...tokens), Math.max(...tokens)];
  const [low, high] = [Math.log2(least) - 0.25, Math.log2(most) + 0.25];
  const xOf = (value: number): number => BOX.left + ((Math.log2(value) - low) / (high - low)) * (BOX.right - BOX.left);
  const yOf = (share: number): number => BOX.bottom - share * (BOX.bottom - BOX.top);
  const lines: string[] = [];
  const labels: { text: string; color: string; y: number }[] = [];
  for (const sent of [...SENT, WHOLE_CHAT] as const) {
    const points = shown
      .filter(({ row }) => row.sent === sent)
      .map(({ row, share }) => ({ x: xOf(row.tokens), y: yOf(share), row, share }));
    const last = points.at(-1);
    if (last === undefined) continue;
    const color = COLORS[sent];
    if (points.length > 1) lines.push(`<path d="${pathOf(points)}" fill="none" stroke="${color}" stroke-width="2"/>`);
    for (const { x, y, row, share } of points) {
      const told = `${sent}${row.budget === null ? "" : `, prompt of ${row.budget} tokens`}: ${(100 * share).toFixed(1)} %`;
      lines.push(`<circle cx="${at(x)}" cy="${at(y)}" r="4" fill="${color}"><title>${escape(told)}</title></circle>`);
    }
    labels.push({ text: sent, color, y: last.y });
  }
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12" role="img">`,
    `<title>${escape(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text x="${BOX.left}" y="28" font-size="15">${escape(title)}</text>`,
    ...percentLines(yOf),
    ...tokenTicks(low, high, xOf),
    `<text x="${(BOX.left + BOX.right) / 2}" y="${HEIGHT - 14}" text-anchor="middle">tokens a prompt</text>`,
    ...lines,
    ...apart(labels).map(
      ({ text, color, y }) => `<text x="${BOX.right + 12}" y="${at(y + 4)}" fill="${color}">${escape(text)}</text>`,
    ),
    "</svg>",
  ].join("\n")}\n`;
}

/** Mean over both kinds of probes, with equal weight; null if there was neither. */
function shareOf({ takenUp, facts }: MineRow): number | null {
  const shares = [takenUp, facts].filter((share) => !Number.isNaN(share));
  return shares.length === 0 ? null : shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

function percentLines(yOf: (share: number) => number): string[] {
  const steps = Array.from({ length: 100 / PERCENT_STEP + 1 }, (_, step) => step * PERCENT_STEP);
  return steps.flatMap((percent) => {
    const y = at(yOf(percent / 100));
    return [
      `<path d="M${BOX.left} ${y}H${BOX.right}" stroke="#dddddd"/>`,
      `<text x="${BOX.left - 8}" y="${at(yOf(percent / 100) + 4)}" text-anchor="end">${percent} %</text>`,
    ];
  });
}

/** Powers of two times a thousand, and 250 and 500 below. */
function tokenTicks(low: number, high: number, xOf: (value: number) => number): string[] {
  const ticks: string[] = [];
  for (let value = 250; Math.log2(value) <= high; value *= 2) {
    if (Math.log2(value) < low) continue;
    const x = at(xOf(value));
    ticks.push(
      `<path d="M${x} ${BOX.bottom}v5" stroke="#666666"/>`,
      `<text x="${x}" y="${BOX.bottom + 18}" text-anchor="middle">${value.toLocaleString("en")}</text>`,
    );
  }
  return ticks;
}

function pathOf(points: readonly Point[]): string {
  return points.map(({ x, y }, place) => `${place === 0 ? "M" : "L"}${at(x)} ${at(y)}`).join("");
}

/** Moves labels down that would overlap the one above them. */
function apart<T extends { readonly y: number }>(labels: readonly T[]): T[] {
  const sorted = labels.toSorted((a, b) => a.y - b.y);
  let least = Number.NEGATIVE_INFINITY;
  return sorted.map((label) => {
    const y = Math.max(label.y, least);
    least = y + LABEL_HEIGHT;
    return { ...label, y };
  });
}

function at(value: number): string {
  return value.toFixed(1);
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
