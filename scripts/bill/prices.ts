// What Cloudflare and Supabase charge for, in US dollars, and what their plans include. As published on 2026-11-22;
// docs/capacity.md names the pages.

/** How much is used of each thing that has a price. */
export interface Usage {
  readonly requests?: number;
  readonly processorMs?: number;
  readonly objectCalls?: number;
  /** Wall-clock time in ms for which an object runs or is kept in memory. */
  readonly objectMs?: number;
  readonly rowsRead?: number;
  readonly rowsWritten?: number;
  /** Each message is written, read and deleted, which is billed as three operations. */
  readonly queueMessages?: number;
  /** Bytes of log lines and spans. */
  readonly logBytes?: number;
  /** Data points written to Analytics Engine. */
  readonly dataPoints?: number;
  /** Bytes stored for a month in objects, and in PostgreSQL. */
  readonly objectByteMonths?: number;
  readonly postgresByteMonths?: number;
  readonly modelTokensIn?: number;
  readonly modelTokensOut?: number;
}

/** Prices of the model that the operator chose, in dollars per million tokens. */
export interface ModelPrices {
  readonly input: number;
  readonly output: number;
}

const MILLION = 1e6;
const GB = 1e9;
/** An object is billed for this much memory, whatever it uses. */
const OBJECT_GB = 0.128;

/** Monthly prices of the two plans: Workers Paid, and Supabase Pro with Micro compute. */
export const PLANS = { workers: 5, supabase: 25 } as const;

/** Log lines and spans are paid for when they are written, and again if they are stored for a month. */
export const LOG_PRICES = {
  written: { dollars: 0.25 / GB, included: 50 * GB },
  kept: { dollars: 0.1 / GB, included: 12 * GB },
} as const;

/** Dollars for one unit, beyond what the plans include. */
export const PLATFORM = {
  requests: { dollars: 0.3 / MILLION, included: 10 * MILLION },
  processorMs: { dollars: 0.02 / MILLION, included: 30 * MILLION },
  objectCalls: { dollars: 0.15 / MILLION, included: MILLION },
  objectMs: { dollars: ((12.5 / MILLION) * OBJECT_GB) / 1_000, included: (400_000 * 1_000) / OBJECT_GB },
  rowsRead: { dollars: 0.001 / MILLION, included: 25_000 * MILLION },
  rowsWritten: { dollars: 1 / MILLION, included: 50 * MILLION },
  queueMessages: { dollars: (3 * 0.4) / MILLION, included: MILLION / 3 },
  logBytes: { dollars: LOG_PRICES.written.dollars + LOG_PRICES.kept.dollars, included: 0 },
  dataPoints: { dollars: 0.25 / MILLION, included: 10 * MILLION },
  objectByteMonths: { dollars: 0.2 / GB, included: 5 * GB },
  postgresByteMonths: { dollars: 0.125 / GB, included: 8 * GB },
} as const;

/**
 * Supabase's compute sizes: the largest database that each is recommended for, and its price on top of Micro, which the
 * plan includes.
 */
export const COMPUTE = [
  { name: "Micro", bytes: 10 * GB, dollars: 0 },
  { name: "Small", bytes: 50 * GB, dollars: 5 },
  { name: "Medium", bytes: 100 * GB, dollars: 50 },
  { name: "Large", bytes: 200 * GB, dollars: 100 },
  { name: "XL", bytes: 500 * GB, dollars: 200 },
  { name: "2XL", bytes: 1_000 * GB, dollars: 400 },
  { name: "4XL", bytes: 2_000 * GB, dollars: 950 },
  { name: "8XL", bytes: 4_000 * GB, dollars: 1_860 },
  { name: "12XL", bytes: 6_000 * GB, dollars: 2_790 },
  { name: "16XL", bytes: 10_000 * GB, dollars: 3_720 },
] as const;

/** The usage beyond what the plans include. */
export function beyond(
  used: number,
  { dollars, included }: { readonly dollars: number; readonly included: number },
): number {
  return Math.max(0, used - included) * dollars;
}

/** The price of a usage if everything that the plans include is used up already. */
export function dollarsFor(usage: Usage, model: ModelPrices): number {
  const prices: Record<keyof Usage, number> = {
    ...dollarsOfEach(),
    modelTokensIn: model.input / MILLION,
    modelTokensOut: model.output / MILLION,
  };
  return Object.entries(usage).reduce((sum, [name, used = 0]) => sum + used * prices[name as keyof Usage], 0);
}

function dollarsOfEach(): Record<keyof typeof PLATFORM, number> {
  const entries = Object.entries(PLATFORM).map(([name, { dollars }]) => [name, dollars]);
  return Object.fromEntries(entries) as Record<keyof typeof PLATFORM, number>;
}
