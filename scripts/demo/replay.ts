// Appends the conversation turn by turn, as a chat would, and records what the service acknowledged.
import type { Api } from "../api.ts";
import type { SampleTurn } from "./sample.ts";

export interface Acknowledged {
  readonly id: string;
  readonly content: string;
  readonly seq: number;
}

export class Replay {
  readonly acknowledged: Acknowledged[] = [];
  readonly appendMs: number[] = [];
  readonly #api: Api;
  readonly #session: string;

  constructor(api: Api, session: string) {
    this.#api = api;
    this.#session = session;
  }

  async append(turn: SampleTurn): Promise<Acknowledged> {
    const startedAt = performance.now();
    const answer = await this.#api.append(this.#session, [turn]);
    this.appendMs.push(performance.now() - startedAt);
    const acknowledged = { id: turn.id, content: turn.content, seq: answer.messages[0]?.seq ?? 0 };
    this.acknowledged.push(acknowledged);
    return acknowledged;
  }

  /** Reads the whole log back and compares it with what was acknowledged. Returns what is wrong, or null. */
  async findFault(): Promise<string | null> {
    const stored: { id: string; seq: number; content: unknown }[] = [];
    for (let afterSeq = 0; ;) {
      const page = await this.#api.messages(this.#session, afterSeq, 100);
      stored.push(...page.data);
      afterSeq = stored.at(-1)?.seq ?? 0;
      if (!page.hasMore || page.data.length === 0) break;
    }
    return compareLogs(this.acknowledged, stored);
  }
}

/**
 * Checks that the log contains every acknowledged turn exactly once, with its text, in its place, and nothing else.
 * @internal The demo's log never differs, so only a test sees what it says if it does.
 */
export function compareLogs(
  acknowledged: readonly Acknowledged[],
  stored: readonly { readonly id: string; readonly seq: number; readonly content: unknown }[],
): string | null {
  const times = new Map<string, number>();
  for (const { id } of stored) times.set(id, (times.get(id) ?? 0) + 1);
  for (const turn of acknowledged) {
    const found = times.get(turn.id) ?? 0;
    if (found !== 1) return `${turn.id} was acknowledged, and is there ${found} times`;
    const at = stored[turn.seq - 1];
    if (at?.id !== turn.id || at.seq !== turn.seq) return `${turn.id} is not at ${turn.seq}, where it was acknowledged`;
    if (at.content !== turn.content) return `${turn.id} has other words than it was sent with`;
  }
  if (stored.length !== acknowledged.length) {
    return `${acknowledged.length} turns were acknowledged, and ${stored.length} are there`;
  }
  return null;
}
