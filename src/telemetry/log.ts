/** Structured logs: one JSON object a line, flat, of plain values. The type keeps documents, and so message text, out. */

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export interface LogOptions {
  /** Entries below this level are dropped. `info` by default. */
  readonly minLevel?: LogLevel;
  readonly now?: () => Date;
  readonly write?: (level: LogLevel, line: string) => void;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export function createLog(options: LogOptions = {}): Log {
  const { minLevel = "info", now = () => new Date(), write = writeToConsole } = options;
  const at =
    (level: LogLevel) =>
    (event: string, fields: LogFields = {}): void => {
      if (RANK[level] < RANK[minLevel]) return;
      // The fixed fields come last, so that no caller can pass one of them off as its own.
      const entry = { ...fields, time: now().toISOString(), level, event };
      write(level, JSON.stringify(entry, ["time", "level", "event", ...Object.keys(fields)]));
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function writeToConsole(level: LogLevel, line: string): void {
  console[level](line);
}
