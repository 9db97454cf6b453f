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
import { readContext, type Retrieval } from "./read-context.ts";

const log = createLog();

/** Contexts up to this size are not measured: no format makes the JSON eight times as long. */
const MEASURED_CONTEXT_BYTES = MAX_CONTEXT_BYTES / 8;

/**
 * The context of a session, in the requested format.
 * @param meaning the vector of the query, or the reason why there is none
 * @param writeJson serialises a message; the result can be kept for the response
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
  // How long the response is, is known only once it is rendered: JSON within JSON may have twice the bytes. If it is
  // too long, it is rendered again with half the messages.
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

/** Does the same, and returns JSON text. */
export function writeSessionContext(unit: Unit, request: ContextRequest, meaning?: QueryMeaning): string {
  const texts = new JsonTexts();
  return texts.answer(renderSessionContext(unit, request, meaning, texts.write));
}

/** If the search fails, the context is still made, without retrieved messages and with `retrievalError`. */
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
    "The search index could not be read, and the fault has been logged. Request the context again to get the retrieved messages.",
};
