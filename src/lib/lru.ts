/**
 * Sets an entry of a map as its newest, and deletes the oldest ones past `max` entries. A map iterates in the order of insertion, so a map
 * whose entries are all set by this function is a cache that forgets what was not set for longest.
 */
export function setNewest<K, V>(entries: Map<K, V>, key: K, value: V, max: number): void {
  entries.delete(key);
  entries.set(key, value);
  for (const oldest of entries.keys()) {
    if (entries.size <= max) break;
    entries.delete(oldest);
  }
}
