import { MAX_ITEMS_PER_SUMMARY, MAX_SUMMARY_BYTES, MAX_SUMMARY_TOKENS } from "../../api/limits.ts";
import type { TokenCount } from "../../api/message.ts";
import type { Item } from "../../api/summary.ts";
import type { ItemLine } from "../../api/transfer.ts";
import { itemBytes, itemTokens } from "../../prompt/items.ts";
import type { SessionStore } from "../store.ts";
import { toPlainItem } from "../summary/index.ts";

/**
 * Items cost more tokens when each is counted by itself than when they are counted together, as the limit of a summary
 * counts them.
 */
const APART_SHARE = 1.25;

interface HoldingItem {
  readonly tokens: TokenCount;
  /** Bytes as it is stored. */
  readonly bytes: number;
  /** The first version that does not contain it any more; Infinity if there is none yet. */
  readonly endsIn: number;
}

/**
 * The items of the version in which the last imported item began. Items come in the order of their first versions, so
 * these are enough to check the size of each version and whether ids are unique.
 */
export class ImportedItems {
  readonly #holding = new Map<string, HoldingItem>();
  #version = 0;
  #tokens = 0;
  #bytes = 0;

  /** Reads them from the store: the object may have been evicted from memory between two pages. */
  static of(store: SessionStore): ImportedItems {
    const items = new ImportedItems();
    items.#version = store.summaries.lastBegunVersion();
    for (const item of store.summaries.items(items.#version)) items.#hold(item, item.toVersion);
    return items;
  }

  /** What is wrong with an item's place in the file or its id; null if nothing. */
  placeFault({ id, fromVersion }: ItemLine): string | null {
    if (fromVersion < this.#version) {
      return `begins in version ${fromVersion}, and one before it in version ${this.#version}: items stand in the order of their versions`;
    }
    if (fromVersion > this.#version) this.#goOn(fromVersion);
    return this.#holding.has(id) ? "has the id of another item that still holds" : null;
  }

  /**
   * Adds an item, whether it is kept or left out.
   * @returns why its version cannot hold it; null if it can
   */
  add(item: Item & Pick<ItemLine, "toVersion">): string | null {
    this.#hold(item, item.toVersion ?? null);
    if (this.#holding.size > MAX_ITEMS_PER_SUMMARY) {
      return `is more than a summary holds: ${MAX_ITEMS_PER_SUMMARY} items in version ${this.#version}`;
    }
    if (this.#bytes > MAX_SUMMARY_BYTES) {
      return `is more than a summary holds: ${MAX_SUMMARY_BYTES} bytes in version ${this.#version}`;
    }
    if (this.#tokens <= APART_SHARE * MAX_SUMMARY_TOKENS) return null;
    return `is more than a summary holds: ${MAX_SUMMARY_TOKENS} tokens in version ${this.#version}`;
  }

  #goOn(version: number): void {
    this.#version = version;
    for (const [id, { endsIn, tokens, bytes }] of this.#holding) {
      if (endsIn > version) continue;
      this.#holding.delete(id);
      this.#tokens -= tokens;
      this.#bytes -= bytes;
    }
  }

  #hold(item: Item, toVersion: number | null): void {
    const tokens = itemTokens(item);
    const bytes = itemBytes(toPlainItem(item));
    this.#holding.set(item.id, { tokens, bytes, endsIn: toVersion ?? Infinity });
    this.#tokens += tokens;
    this.#bytes += bytes;
  }
}
