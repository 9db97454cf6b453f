// What Cloudflare and Supabase bill for, beyond what their plans include, in dollars. As published, read on 2026-11-22: the README names the pages.

/** What is used of each thing that has a price. */
export interface Usage {
  readonly requests?: number;
  readonly processorMs?: number;
  readonly objectCalls?: number;
  /** Wall-clock time in which an object works, or is held awake. */
  readonly objectMs?: number;
  readonly rowsRead?: number;
  readonly rowsWritten?: number;
  /** Each is written, read and deleted: three operations. */
  readonly queueMessages?: number;
  readonly logBytes?: number;
  /** Kept for a month in objects, and in PostgreSQL. */
  readonly objectByteMonths?: number;
  readonly postgresByteMonths?: number;
  readonly modelTokensIn?: number;
  readonly modelTokensOut?: number;
}

/** By the operator's choice of a model: dollars a million tokens. */
export interface ModelPrices {
  readonly input: number;
  readonly output: number;
}

const MILLION = 1e6;
const GB = 1e9;
/** An object is billed for this much memory, whatever it takes. */
const OBJECT_GB = 0.128;

/** Dollars for one of each. */
const PLATFORM = {
  requests: 0.3 / MILLION,
  processorMs: 0.02 / MILLION,
  objectCalls: 0.15 / MILLION,
  objectMs: ((12.5 / MILLION) * OBJECT_GB) / 1_000,
  rowsRead: 0.001 / MILLION,
  rowsWritten: 1 / MILLION,
  queueMessages: (3 * 0.4) / MILLION,
  // Written, and kept for a month.
  logBytes: (0.25 + 0.1) / GB,
  objectByteMonths: 0.2 / GB,
  postgresByteMonths: 0.125 / GB,
} as const;

export function dollarsFor(usage: Usage, model: ModelPrices): number {
  const prices: Record<keyof Usage, number> = {
    ...PLATFORM,
    modelTokensIn: model.input / MILLION,
    modelTokensOut: model.output / MILLION,
  };
  return Object.entries(usage).reduce((sum, [name, used = 0]) => sum + used * prices[name as keyof Usage], 0);
}
