/** What a deployment answers that cannot start: whoever deploys sees why, and nobody waits for a connection that breaks. */

import type { Log } from "../telemetry/log.ts";
import { VERSION_HEADER } from "./middleware/tell-version.ts";
import { problemAnswer } from "./problems.ts";

const NO_STORE = { "Cache-Control": "no-store" };

/**
 * 503 for every request. /readyz names the faults, since no key can be checked while the keys themselves may be at fault; they hold the
 * names of variables and no secret.
 *
 * @param faults one line each
 * @param version the id that Cloudflare gave this version of the Worker
 */
export function answerMisconfigured(request: Request, faults: readonly string[], version: string, log: Log): Response {
  log.error("configuration_faulty", { faults: faults.join("; ") });
  if (new URL(request.url).pathname === "/readyz") {
    return Response.json(
      { status: "down", components: {}, faults },
      { status: 503, headers: { ...NO_STORE, [VERSION_HEADER]: version } },
    );
  }
  const detail = "This deployment is not configured: its operator sees at /readyz what is missing.";
  return problemAnswer({ code: "unavailable", detail }, crypto.randomUUID(), NO_STORE);
}
