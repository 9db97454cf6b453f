/** The cron schedules in wrangler.toml. */
export const EVERY_MINUTE = "* * * * *";
/** @internal A test compares the crons with those of wrangler.toml. */
export const EVERY_NIGHT = "17 3 * * *";

export interface Scheduled {
  readonly checkAlerts: () => Promise<void>;
  readonly retainAudit: () => Promise<void>;
  readonly endLostRuns: () => Promise<void>;
}

/**
 * @param cron the schedule that fired, as in wrangler.toml. An unknown one, such as the empty string of a manual run,
 *   runs everything
 */
export async function runSchedule(cron: string, { checkAlerts, retainAudit, endLostRuns }: Scheduled): Promise<void> {
  const tidy = async (): Promise<unknown> => Promise.all([retainAudit(), endLostRuns()]);
  if (cron === EVERY_MINUTE) return checkAlerts();
  if (cron === EVERY_NIGHT) await tidy();
  else await Promise.all([checkAlerts(), tidy()]);
}
