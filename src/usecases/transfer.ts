import { isUser } from "../access/users-words.ts";
import { unwrap } from "../api/errors.ts";
import type { SessionRef } from "../api/session.ts";
import type { TransferLine } from "../api/transfer.ts";
import type { ExportCursor, ExportEnd } from "../session/client.ts";
import { askOfUser, type RequestContext, refOf, tenantOf } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/** A session as lines, read page by page as they are taken. The first line is there before anything is answered. */
export const exportSession = useCase(
  { action: "exportSession" },
  async (call: RequestContext, sessionId: string): Promise<AsyncIterable<TransferLine>> => {
    const lines = await exportLines(call, refOf(call, sessionId));
    await chargeExport(call);
    return lines;
  },
);

/** A user pays for an export before it is read; what a caller may not see costs nothing. */
export async function chargeExport(call: RequestContext): Promise<void> {
  const ask = askOfUser(call, await tenantOf(call));
  const { tenant, owner } = call.principal;
  if (ask !== undefined) await call.parts.directory.chargeExport({ tenant, owner }, ask);
}

/** The same for a session that the caller may read. */
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
      // What models take is paid by the operator, and no matter of a user's.
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
