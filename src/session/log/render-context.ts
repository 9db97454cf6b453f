import type { ContextRequest, RenderedContext } from "../../api/context.ts";
import type { QueryMeaning } from "../../api/embedding.ts";
import type { PartFault } from "../../api/errors.ts";
import { MAX_CONTEXT_BYTES } from "../../api/limits.ts";
import { jsonBytes } from "../../api/text.ts";
import type { Branch } from "../../prompt/branch.ts";
import { renderContext } from "../../prompt/formats.ts";
import type { WriteJson } from "../../prompt/formats/prefix.ts";
import { createLog } from "../../telemetry/log.ts";
import { errorFields } from "../../telemetry/redact.ts";
import { retrieveForContext } from "../search/index.ts";
import type { Unit } from "../unit.ts";
import { digestOf } from "../verify/index.ts";
import { JsonTexts } from "./json-texts.ts";
import { readContext, type Retrieval } from "./read.ts";

const log = createLog();

/** No format makes eight times as much of it: a context of no more messages need not be measured. */
const MEASURED_CONTEXT_BYTES = MAX_CONTEXT_BYTES / 8;

/**
 * The context of a session in the format that is asked for.
 * @param meaning the vector of the query, or why it has none
 */
export function renderSessionContext(
  unit: Unit,
  request: ContextRequest,
  meaning?: QueryMeaning,
  writeJson?: WriteJson,
): RenderedContext {
  const { query, format = "threadkeep", summaryRole = "user", roles, provider, toolFiles, cacheControl } = request;
  const isQueried = typeof query === "string";
  let retrieval: Retrieval | null = null;
  const retrieve =
    query === undefined || query === null
      ? null
      : (branch: Branch): Retrieval => (retrieval ??= retrieveOrTell(unit, query, branch, meaning));
  // What a format adds to what is stored is known only when it is written: JSON within JSON has twice the bytes.
  for (let maxBytes = MAX_CONTEXT_BYTES; ; maxBytes = Math.floor(maxBytes / 2)) {
    const { context, bytes } = readContext(unit, request, retrieve, maxBytes);
    const rendered = renderContext(context, {
      format,
      summaryRole,
      roles,
      provider,
      toolFiles,
      cacheControl,
      isQueried,
      digest: digestOf,
      ...(writeJson === undefined ? {} : { writeJson }),
    });
    if (bytes <= MEASURED_CONTEXT_BYTES || maxBytes <= MEASURED_CONTEXT_BYTES) return rendered;
    if (jsonBytes(rendered) <= MAX_CONTEXT_BYTES) return rendered;
  }
}

/** The same as JSON text. */
export function writeSessionContext(unit: Unit, request: ContextRequest, meaning?: QueryMeaning): string {
  const texts = new JsonTexts();
  return texts.answer(renderSessionContext(unit, request, meaning, texts.write));
}

/** A context without what its query would have brought back is better than none. */
function retrieveOrTell(unit: Unit, query: string, branch: Branch, meaning: QueryMeaning | undefined): Retrieval {
  try {
    return { ...retrieveForContext(unit, query, branch, meaning), error: null };
  } catch (error) {
    log.error("retrieval_failed", errorFields(error));
    return { found: [], error: FAILED_RETRIEVAL };
  }
}

const FAILED_RETRIEVAL: PartFault = {
  code: "internal",
  detail:
    "The search index could not be read, and the fault has been logged. Ask for the context again to have what it lacks.",
};
