import type { SearchHit, SearchRequest, SearchResult } from "../contracts/search.ts";
import { messageText } from "../memory/message-text.ts";
import { snippet } from "../memory/retrieval.ts";
import { toMessage } from "./reading.ts";
import type { SearchIndex } from "./search-index.ts";
import type { SessionStore } from "./store.ts";

/** Slices that one request indexes at most: about a tenth of a second of work. The next request goes on from there. */
const MAX_SLICES_PER_REQUEST = 3;
const DEFAULT_HITS = 10;
/** A snippet is read at a glance. */
const MAX_SNIPPET_LENGTH = 240;

/** Indexes what was said since the last search, in slices. */
export function catchUp(index: SearchIndex): number {
  let reached = index.catchUp();
  for (let slice = 1; !reached.done && slice < MAX_SLICES_PER_REQUEST; slice += 1) reached = index.catchUp();
  return reached.indexedThroughSeq;
}

/** The messages that matter to a query, best first. */
export function searchMessages(store: SessionStore, index: SearchIndex, request: SearchRequest): SearchResult {
  const indexedThroughSeq = catchUp(index);
  const query = index.readQuery(request.query);
  const data = index.search(query, { limit: request.limit ?? DEFAULT_HITS }).flatMap((hit): SearchHit[] => {
    const row = store.messageBySeq(hit.seq);
    if (row === null || row.content === null) return [];
    return [
      {
        message: toMessage(row),
        score: hit.score,
        snippet: snippet(messageText(row.content), query, MAX_SNIPPET_LENGTH),
        why: hit.why,
      },
    ];
  });
  return { data, indexedThroughSeq, headSeq: store.newestMessage()?.seq ?? 0 };
}
