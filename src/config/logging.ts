import { z } from "zod";

export const logLevelVariable = z.enum(["debug", "info", "warn", "error"], {
  error: 'THREADKEEP_LOG_LEVEL must be "debug", "info", "warn" or "error", or left out for info',
});

/** A share of requests, from 0 to 1. */
export function shareVariable(name: string) {
  return z.coerce
    .string()
    .regex(/^(?:[01]|0?\.\d{1,6}|1\.0{1,6})$/, { error: `${name} must be a number from 0 to 1, or left out for 1` })
    .transform(Number);
}

export const logSampleVariable = shareVariable("THREADKEEP_LOG_SAMPLE");

/**
 * Reads from which level on, and which share of the entries below a warning, is logged. The Durable Objects create
 * their logs before any request, thus before the configuration is validated. An invalid value counts as the default
 * here; `parseConfig` reports it.
 */
export function readLogSettings(env: object): { minLevel: z.output<typeof logLevelVariable>; sample: number } {
  const { THREADKEEP_LOG_LEVEL: level, THREADKEEP_LOG_SAMPLE: sample } = { ...NONE_SET, ...env };
  return {
    minLevel: logLevelVariable.safeParse(level).data ?? "info",
    sample: logSampleVariable.safeParse(sample).data ?? 1,
  };
}

const NONE_SET: { readonly THREADKEEP_LOG_LEVEL?: unknown; readonly THREADKEEP_LOG_SAMPLE?: unknown } = {};
