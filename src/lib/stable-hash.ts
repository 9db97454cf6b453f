/**
 * FNV-1a with 32 bits over the UTF-16 code units of a text: spreads names evenly over shards. It must never change,
 * because what a shard stores would be looked for in another one.
 */
export function stableHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  }
  return hash;
}
