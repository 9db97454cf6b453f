import { isUser } from "../access/users-words.ts";
import { unwrap } from "../api/errors.ts";
import type { SessionRef } from "../api/session.ts";
import type { TransferLine } from "../api/transfer.ts";
import type { ExportCursor, ExportMoment } from "../session/client.ts";
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

/**
 * Counts an export against the user's daily limit before it is read.
 * @param isContinued whether it is a further page of an export that was counted
 */
export async function chargeExport(call: RequestContext, isContinued = false): Promise<void> {
  const ask = askOfUser(call, await tenantOf(call));
  const { tenant, owner } = call.principal;
  if (ask !== undefined) await call.parts.directory.chargeExport({ tenant, owner }, ask, isContinued);
}

/** The lines of a session's export, without authorization and limits. */
async function exportLines(call: RequestContext, ref: SessionRef): Promise<AsyncIterable<TransferLine>> {
  const first = await readExportPage(call, ref, null);
  return (async function* lines() {
    yield* first.lines;
    for (let { next } = first; next !== null;) {
      const page: ExportPage = await readExportPage(call, ref, next);
      yield* page.lines;
      next = page.next;
    }
  })();
}

/** Where the next page of a session's export begins: after which message, or where among the versions and items. */
export interface ExportPlace {
  readonly moment: ExportMoment;
  readonly afterSeq: number;
  readonly from: ExportCursor | null;
}

interface ExportPage {
  readonly lines: readonly TransferLine[];
  /** Null after the last page, which ends with the end line. */
  readonly next: ExportPlace | null;
}

/**
 * The next lines of a session's export, with one call of its object.
 * @param place null at the beginning
 */
export async function readExportPage(
  call: RequestContext,
  ref: SessionRef,
  place: ExportPlace | null,
): Promise<ExportPage> {
  const session = call.parts.sessions.get(ref);
  if (place === null) {
    const { line, ...moment } = unwrap(await session.beginExport());
    return { lines: [line], next: { moment, afterSeq: 0, from: null } };
  }
  const { moment, afterSeq, from } = place;
  if (afterSeq < moment.headSeq) {
    const lines = unwrap(await session.exportPage(moment, afterSeq));
    return { lines, next: { moment, afterSeq: lines.at(-1)?.seq ?? moment.headSeq, from } };
  }
  const page = unwrap(await session.endExport(moment, from));
  // Users do not see the usage, because the operator pays for the models.
  const lines = isUser(call.principal) ? page.lines.map(withoutUsage) : page.lines;
  const next = page.next === null ? null : { moment, afterSeq, from: page.next };
  return { lines: page.end === null ? lines : [...lines, page.end], next };
}

function withoutUsage(line: TransferLine): TransferLine {
  if (line.type !== "summary") return line;
  const { usage: _, ...told } = line;
  return told;
}
