// The receiver of alerts, on loopback. It keeps notices that are signed as docs/operate.md says, and records the others as faults.
import { createHmac, timingSafeEqual } from "node:crypto";
import { serveOnLoopback } from "../../scripts/dev/loopback-server.ts";
import { findFreePort } from "../../scripts/dev/ports.ts";
import { type AlertNotice, alertNoticeSchema } from "../../src/api/alert.ts";
import { NOTICE_HEADER, SIGNATURE_HEADER } from "../../src/maintenance/webhook.ts";

const MAX_AGE_SECONDS = 300;

export interface Mailbox {
  /** Variables that make the service send its alerts here. */
  readonly env: Record<string, string>;
  /** Each notice once, in the order in which they came. */
  readonly notices: readonly AlertNotice[];
  /** What came and should not have come. */
  readonly faults: readonly string[];
  close(): Promise<void>;
}

export async function startMailbox(): Promise<Mailbox> {
  const secret = crypto.randomUUID();
  const notices = new Map<string, AlertNotice>();
  const faults: string[] = [];
  const { url, close } = await serveOnLoopback(
    (request, response, body) => {
      const header = (name: string): string => String(request.headers[name.toLowerCase()] ?? "");
      if (!isGenuine(header(SIGNATURE_HEADER), body.toString(), secret)) {
        faults.push("a notice was not signed as docs/operate.md says");
        response.writeHead(401).end();
        return;
      }
      const { data: notice } = alertNoticeSchema.safeParse(JSON.parse(body.toString()));
      if (notice === undefined) {
        faults.push("a notice did not have the form that docs/operate.md describes");
        response.writeHead(400).end();
        return;
      }
      if (header(NOTICE_HEADER) !== notice.id) faults.push(`the notice ${notice.id} had a different id in its header`);
      notices.set(notice.id, notice);
      response.writeHead(204).end();
    },
    await findFreePort(),
  );
  return {
    env: {
      THREADKEEP_ALERT_WEBHOOK: `${url}/alerts`,
      THREADKEEP_ALERT_SECRET: secret,
      THREADKEEP_ALERT_DIGEST: "off",
    },
    get notices() {
      return [...notices.values()];
    },
    faults,
    close,
  };
}

/** Verifies a signature as docs/operate.md tells receivers to. */
function isGenuine(header: string, body: string, secret: string): boolean {
  const { t = "", v1 = "" } = Object.fromEntries(new URLSearchParams(header.replace(",", "&")));
  const expected = createHmac("sha256", secret).update(`${t}.${body}`).digest();
  const given = Buffer.from(v1, "hex");
  const isFresh = Math.abs(Date.now() / 1000 - Number(t)) < MAX_AGE_SECONDS;
  return isFresh && given.length === expected.length && timingSafeEqual(given, expected);
}
