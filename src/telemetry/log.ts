/**
 * Structured logs: one flat JSON object per line. The type of fields allows plain values only, which keeps documents,
 * and thus text of messages, out of the log.
 */

type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export interface LogOptions {
  /** Entries below this level are dropped; by default the level set with `configureLogs`. */
  readonly minLevel?: LogLevel;
  /**
   * The share of `info` and `debug` entries that are written, 0 to 1; by default the share set with `configureLogs`.
   */
  readonly sample?: number;
  readonly now?: () => Date;
  readonly write?: (level: LogLevel, line: string) => void;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

let configured: Required<Pick<LogOptions, "minLevel" | "sample">> = { minLevel: "info", sample: 1 };

/**
 * Sets the defaults of every log of this Worker. They apply to existing logs too: the Durable Objects create theirs
 * before any request.
 */
export function configureLogs(settings: typeof configured): void {
  configured = settings;
}

export function createLog(options: LogOptions = {}): Log {
  const { now = () => new Date(), write = writeToConsole } = options;
  const at =
    (level: LogLevel) =>
    (event: string, fields: LogFields = {}): void => {
      const { minLevel = configured.minLevel, sample = configured.sample } = options;
      if (RANK[level] < RANK[minLevel]) return;
      if (RANK[level] < RANK.warn && !isSampled(fields, sample)) return;
      // The fixed fields come last, so that `fields` cannot overwrite them.
      const entry = { ...fields, time: now().toISOString(), level, event };
      write(level, JSON.stringify(entry, ["time", "level", "event", ...Object.keys(fields)]));
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/**
 * Whether an entry is written. All entries of one request are written or none: the trace id, which is random, decides.
 */
function isSampled({ traceId }: LogFields, sample: number): boolean {
  if (sample >= 1) return true;
  const share = typeof traceId === "string" ? Number.parseInt(traceId.slice(-8), 16) / 2 ** 32 : Number.NaN;
  return (Number.isNaN(share) ? Math.random() : share) < sample;
}

function writeToConsole(level: LogLevel, line: string): void {
  console[level](line);
}
