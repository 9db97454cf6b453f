/**
 * The answer of a deployment that cannot start because its configuration is not valid: whoever deploys it sees why,
 * instead of broken connections.
 */

import type { Log } from "../telemetry/log.ts";
import { VERSION_HEADER } from "./middleware/tell-version.ts";
import { problemAnswer } from "./problems.ts";

const NO_STORE = { "Cache-Control": "no-store" };

/**
 * Answers every request with 503. /readyz lists the faults without checking a key, because the keys themselves may be
 * invalid; the faults contain names of variables and no secret.
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
  const detail = "This deployment is not configured correctly. Its operator can see at /readyz what is missing.";
  return problemAnswer({ code: "unavailable", detail }, crypto.randomUUID(), NO_STORE);
}
