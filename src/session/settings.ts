import { type ResolvedSettings, resolveSettings } from "../contracts/session.ts";
import type { SessionRow } from "./rows.ts";

/** The settings that hold for a session: its own over its tenant's, over the defaults. */
export function settingsOf(session: Pick<SessionRow, "settings" | "tenantSettings">): ResolvedSettings {
  return resolveSettings(session.settings, session.tenantSettings);
}
