/** Strong entity tags, and conditional requests that use them (RFC 9110, section 13). */

const QUOTED_TAG = /(W\/)?"[\x21\x23-\x7e\x80-\xff]*"/g;

/** A tag made from the bytes: equal tags mean equal bytes. */
async function strongTag(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0"));
  return `"${hex.join("").slice(0, 32)}"`;
}

/**
 * Whether `If-None-Match` contains the tag. The comparison is weak, because a proxy that compresses an answer marks our
 * tag as weak.
 */
function matchesTag(ifNoneMatch: string | null, tag: string): boolean {
  if (ifNoneMatch === null) return false;
  if (ifNoneMatch.trim() === "*") return true;
  const named = ifNoneMatch.match(QUOTED_TAG) ?? [];
  return named.some((candidate) => candidate.replace(/^W\//, "") === tag);
}

/**
 * JSON with its entity tag, or 304 without a body if the client has it already. The text is encoded once, because a
 * context may be large.
 */
export async function taggedAnswer(request: Request, json: string, status: number): Promise<Response> {
  const bytes = new TextEncoder().encode(json);
  const tag = await strongTag(bytes);
  const readOnly = request.method === "GET" || request.method === "HEAD";
  if (readOnly && matchesTag(request.headers.get("if-none-match"), tag)) {
    return new Response(null, { status: 304, headers: { ETag: tag } });
  }
  return new Response(bytes, { status, headers: { ETag: tag, "Content-Type": "application/json" } });
}
