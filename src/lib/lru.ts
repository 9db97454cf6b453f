/**
 * Sets a map's entry as the newest, and deletes the oldest entries beyond `max`. A map iterates in insertion order, so
 * a map whose entries are all set by this function is a cache that drops the entry that was set longest ago.
 */
export function setNewest<K, V>(entries: Map<K, V>, key: K, value: V, max: number): void {
  entries.delete(key);
  entries.set(key, value);
  for (const oldest of entries.keys()) {
    if (entries.size <= max) break;
    entries.delete(oldest);
  }
}
