import { isUser } from "../access/users-words.ts";
import { unwrap } from "../api/errors.ts";
import type { SessionRef } from "../api/session.ts";
import type { TransferLine } from "../api/transfer.ts";
import type { ExportCursor, ExportEnd } from "../session/client.ts";
import { askOfUser, type RequestContext, refOf, tenantOf } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/**
 * The lines of a session's export, read page by page as they are consumed. The first line is read before this resolves,
 * so that errors can still be answered with a status.
 */
export const exportSession = useCase(
  { action: "exportSession" },
  async (call: RequestContext, sessionId: string): Promise<AsyncIterable<TransferLine>> => {
    const lines = await exportLines(call, refOf(call, sessionId));
    await chargeExport(call);
    return lines;
  },
);

/** Counts an export against the user's daily limit before it is read. */
export async function chargeExport(call: RequestContext): Promise<void> {
  const ask = askOfUser(call, await tenantOf(call));
  const { tenant, owner } = call.principal;
  if (ask !== undefined) await call.parts.directory.chargeExport({ tenant, owner }, ask);
}

/** The lines of a session's export, without authorization and limits. */
export async function exportLines(call: RequestContext, ref: SessionRef): Promise<AsyncIterable<TransferLine>> {
  const head = unwrap(await call.parts.sessions.get(ref).beginExport());
  return (async function* lines() {
    yield head.line;
    for (let afterSeq = 0; afterSeq < head.headSeq;) {
      const page = unwrap(await call.parts.sessions.get(ref).exportPage(head, afterSeq));
      yield* page;
      afterSeq = page.at(-1)?.seq ?? head.headSeq;
    }
    for (let from: ExportCursor | null = null; ;) {
      const page: ExportEnd = unwrap(await call.parts.sessions.get(ref).endExport(head, from));
      // Users do not see the usage, because the operator pays for the models.
      yield* isUser(call.principal) ? page.lines.map(withoutUsage) : page.lines;
      if (page.end !== null) yield page.end;
      if (page.next === null) return;
      from = page.next;
    }
  })();
}

function withoutUsage(line: TransferLine): TransferLine {
  if (line.type !== "summary") return line;
  const { usage: _, ...told } = line;
  return told;
}
