/** What the crons of wrangler.toml are for. */
export const EVERY_MINUTE = "* * * * *";
export const EVERY_NIGHT = "17 3 * * *";

export interface Scheduled {
  readonly checkAlerts: () => Promise<void>;
  readonly retainAudit: () => Promise<void>;
}

/** @param cron as it stands in wrangler.toml; one that is not known, such as the empty one of a run by hand, does everything */
export async function runSchedule(cron: string, { checkAlerts, retainAudit }: Scheduled): Promise<void> {
  if (cron === EVERY_MINUTE) return checkAlerts();
  if (cron === EVERY_NIGHT) return retainAudit();
  await Promise.all([checkAlerts(), retainAudit()]);
}
